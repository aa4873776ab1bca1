import type { Attribution, Facts } from './facts.ts';
import type { SpanMemory, Taken } from './memory.ts';

/** Ancestors by `keys.span`. */
export interface Lineage {
  get(key: string): SpanMemory | undefined;
}

/** Different spans under one id that are known again when they come again: more than that is an attack. */
const MAX_DIGESTS = 64;

/** What is remembered of a span taken. */
export function spanMemory(
  known: SpanMemory | undefined,
  facts: Facts,
  record: string | undefined,
): SpanMemory {
  const taken: Taken = {
    digests: [facts.digest, ...(known?.[facts.phase]?.digests ?? [])].slice(0, MAX_DIGESTS),
  };
  if (record !== undefined) taken.record = record;
  const { parent, who } = lineageMemory(facts.trace.parent_span_id, facts.attribution);
  const memory: SpanMemory = { ...known, [facts.phase]: taken };
  if (parent !== undefined) memory.parent = parent;
  if (who !== undefined) memory.who = { ...known?.who, ...who };
  return memory;
}

/** What a span leaves its descendants: its parent, and whom it is about. */
export function lineageMemory(
  parent: string | undefined,
  { triggerSaid: _, ...who }: Attribution,
): SpanMemory {
  return { ...(parent === undefined ? {} : { parent }), ...(Object.keys(who).length > 0 ? { who } : {}) };
}

/** What a span that leaves no record adds to what is known under its id: that stands, and is answered if it is all. */
export function ancestorMemory(known: SpanMemory | undefined, found: SpanMemory): SpanMemory {
  const now = { ...found, ...known, who: { ...found.who, ...known?.who } };
  const size = (object: object | undefined) => Object.keys(object ?? {}).length;
  return known !== undefined && size(now) === size(known) && size(now.who) === size(known.who) ? known : now;
}
