import { readSpan } from '../genai/dialects.ts';
import type { Gap } from '../pipeline.ts';
import type { Policy } from '../policy/policy.ts';
import { attributionOf } from '../record/attribution.ts';
import { Cleaner } from '../record/cleaner.ts';
import type { Facts } from '../record/facts.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import { type Lineage, lineageMemory } from '../record/lineage.ts';
import type { SpanMemory } from '../record/memory.ts';
import type { Span } from '../span.ts';
import { type AuditContextCarrier, readingOf } from './context.ts';
import type { ReadableSpanLike } from './readable-span.ts';

/** Spans that never end must not fill the memory: past so many, the oldest is no longer known as an ancestor. */
const MAX_RUNNING = 10_000;
/** Frameworks put a step or a request between a tool's span and the tool. */
const MAX_STEPS = 4;

/** A span that has not ended: OpenTelemetry's, or a tool call of our own. */
export interface Running {
  /** As it stands by now. Throws for one that cannot be read. */
  read: () => Span;
  /** What `read` reads of the SDK's, uncopied, so that a look tells whether it is still as it was. */
  live?: ReadableSpanLike;
  beside: AuditContextCarrier | undefined;
  /** The tool call whose intent it wrote, or is to be written in its place. */
  tool?: ToolIdentity;
  /** An adapter is to write its intent. */
  isClaimed?: true;
  /** An adapter tells of the same call, and this span no more. */
  isTold?: true;
  /** Its start is counted here already, or among the missed: its end is no other span. */
  lostIn?: Gap;
  missed?: true;
  /** What it leaves its descendants, as it stood at the last look. */
  leaves?: { memory: SpanMemory; said: Said };
}

export interface ToolIdentity {
  name: string;
  callId: string | undefined;
}

export function identityOf({ tool }: Facts): ToolIdentity | undefined {
  return tool && { name: tool.recorded.name, callId: tool.recorded.call_id };
}

/** Two tellings of one call: of two ids each is a call of its own. */
export function isSameCall(a: ToolIdentity, b: ToolIdentity): boolean {
  return a.callId !== undefined && b.callId !== undefined ? a.callId === b.callId : a.name === b.name;
}

/** Spans that have begun here and not ended, so that what an ancestor says is known before it is recorded. */
export class RunningSpans implements Lineage {
  readonly #spans = new Map<string, Running>();
  readonly #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  remember(key: string, running: Running): Running {
    if (this.#spans.size >= MAX_RUNNING) this.#spans.delete(this.#spans.keys().next().value!);
    this.#spans.set(key, running);
    return running;
  }

  known(key: string | undefined): Running | undefined {
    return key === undefined ? undefined : this.#spans.get(key);
  }

  forget(key: string): void {
    this.#spans.delete(key);
  }

  /** The span, or one a few steps above, that has begun this very call and not ended it. */
  telling(
    traceId: string,
    spanId: string,
    call: ToolIdentity,
  ): { key: string; running: Running } | undefined {
    let at: string | undefined = spanId;
    for (let i = 0; i < MAX_STEPS && at !== undefined; i++) {
      const key = runningKey(traceId, at);
      const running = this.#spans.get(key);
      if (running === undefined) return undefined;
      if (running.tool !== undefined)
        return isSameCall(running.tool, call) && !running.isTold ? { key, running } : undefined;
      at = parentIn(running);
    }
    return undefined;
  }

  /** An ancestor that is still running, with the attributes it has by now. One that cannot be read is not known. */
  get(key: string): SpanMemory | undefined {
    const running = this.#spans.get(key.slice(key.lastIndexOf('|', key.lastIndexOf('|') - 1) + 1));
    if (running === undefined) return undefined;
    try {
      const { live, leaves } = running;
      if (leaves !== undefined && live !== undefined && leaves.said.isStill(live)) return leaves.memory;
      const span = running.read();
      const reading = { ...(running.beside && readingOf(running.beside)), ...readSpan(span, 'who') };
      const cleaner = new Cleaner(this.#policy, DEFAULT_TENANT);
      const memory = lineageMemory(span.parentSpanId, attributionOf(reading, cleaner));
      const said = live && Said.of(live);
      if (said !== undefined) running.leaves = { memory, said };
      return memory;
    } catch {
      return undefined;
    }
  }
}

/**
 * What a running span said of itself, to see whether it says the same now: each child asks all its ancestors, and
 * most never change. Only of one whose attributes are all of a piece: a list may change and stay the same list.
 */
class Said {
  readonly #name: string;
  readonly #resource: unknown;
  readonly #keys: readonly string[];
  readonly #values: readonly unknown[];

  private constructor(name: string, resource: unknown, keys: readonly string[], values: readonly unknown[]) {
    this.#name = name;
    this.#resource = resource;
    this.#keys = keys;
    this.#values = values;
  }

  static of({ name, resource, attributes }: ReadableSpanLike): Said | undefined {
    const keys = Object.keys(attributes);
    const values = keys.map((key) => attributes[key]);
    if (values.some((value) => typeof value === 'object' && value !== null)) return undefined;
    return new Said(name, resource.attributes, keys, values);
  }

  isStill({ name, resource, attributes }: ReadableSpanLike): boolean {
    if (name !== this.#name || resource.attributes !== this.#resource) return false;
    let at = 0;
    for (const key in attributes) {
      if (key !== this.#keys[at] || attributes[key] !== this.#values[at]) return false;
      at += 1;
    }
    return at === this.#keys.length;
  }
}

export function runningKey(traceId: string, spanId: string): string {
  return `${traceId}|${spanId}`;
}

function parentIn({ read }: Running): string | undefined {
  try {
    return read().parentSpanId;
  } catch {
    return undefined;
  }
}
