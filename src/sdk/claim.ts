import { AsyncLocalStorage } from 'node:async_hooks';
import type { ToolSpans } from './door.ts';
import { processWide } from './process-wide.ts';
import { callHere } from './tool-calls.ts';

interface Claim extends ToolSpans {
  /** The call it was made in: what goes on inside another is no part of it. */
  inside: unknown;
}

const claims = () => processWide('claim', () => new AsyncLocalStorage<Claim>());

/** Runs `work`, whose spans of these leave their intent to the call that the adapter begins inside them. */
export function claiming<T>(spans: ToolSpans, work: () => T): T {
  return claims().run({ ...spans, inside: callHere() }, work);
}

/** An adapter will write the intent of this tool's span, which starts here. */
export function isClaimed(scope: string, tool: string): boolean {
  const claim = claims().getStore();
  return claim !== undefined && claim.scope === scope && claim.tools.has(tool) && claim.inside === callHere();
}
