import { userInfo } from 'node:os';
import type { Policy } from '../policy/policy.ts';
import { Cleaner } from '../record/cleaner.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import { requireId } from './usage.ts';

/** Who acts, and why: stands in the record of it. */
export interface ActorOptions {
  /** @default the operating system's user */
  actor?: string;
  reason?: string;
}

/** What of them may be kept, in a record of that tenant. */
export function saidBy(
  { actor, reason }: ActorOptions,
  policy: Policy,
  tenant = DEFAULT_TENANT,
): { id: string; reason?: string } {
  const clean = new Cleaner(policy, tenant);
  return {
    id: clean.id(actor ?? osUser()),
    ...(reason === undefined ? {} : { reason: clean.said(reason) }),
  };
}

/** @throws SpanledgerError `usage_invalid` */
export function requireActor({ actor, reason }: ActorOptions): void {
  const hint = 'say who, and why: both stand in the record of it; in a script, is the variable set?';
  if (actor !== undefined) requireId(actor.trim(), '--actor', hint);
  if (reason !== undefined) requireId(reason.trim(), '--reason', hint);
}

function osUser(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user that has no name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
