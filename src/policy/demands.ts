import { type Classification, strictest } from './classification.ts';

/**
 * When a person's request may erase a record, from the mildest: at once; once its retention's minimum is over; or
 * not at all before the class ends, whoever asks.
 */
export const ERASURES = ['on_request', 'after_minimum', 'never'] as const;
export type Erasure = (typeof ERASURES)[number];

/** What a tool does that cannot be recorded, where we own the call: it runs, and a gap is told; or it does not run. */
export const FAIL_MODES = ['open', 'closed'] as const;
export type FailMode = (typeof FAIL_MODES)[number];

/** Whether a record must be in an archive before it goes. */
export const ARCHIVES = ['none', 'required'] as const;
export type Archive = (typeof ARCHIVES)[number];

/**
 * What is kept of prompts, answers, arguments and results: the redacted text too, sealed; or a keyed digest and the
 * size alone. The one that keeps less comes last.
 */
export const KEEPINGS = ['vault', 'metadata'] as const;
export type Keeping = (typeof KEEPINGS)[number];

/** What rules, domains and findings ask for one record. Absent fields ask nothing. */
export interface Demands {
  classification: Classification;
  /** A retention class, its days, and what it says of archives. */
  retention?: { class: string; days: number; archive: Archive };
  /** Of all that apply, so that it stands even where the longest class asks for none. */
  archive: Archive;
  erasure: Erasure;
  fail: FailMode;
  content?: Keeping;
  /** A record without a purpose of use is a finding. */
  purposeRequired: boolean;
  /** Sorted, each once. */
  domains: readonly string[];
  tags: readonly string[];
}

/** Asks nothing: joined with any other, it is that other. */
export const NO_DEMANDS: Demands = {
  classification: 'public',
  archive: 'none',
  erasure: 'on_request',
  fail: 'open',
  purposeRequired: false,
  domains: [],
  tags: [],
};

/**
 * Of each, the strictest: the higher classification, the longer retention, the less of what was said, all domains. Commutative, associative
 * and idempotent, so that neither the order of rules nor a rule twice makes a difference; and a demand more never
 * lowers anything.
 */
export function join(a: Demands, b: Demands): Demands {
  const retention = longer(a.retention, b.retention);
  const content = less(a.content, b.content);
  return {
    classification: strictest(a.classification, b.classification),
    ...(retention === undefined ? {} : { retention }),
    archive: later(ARCHIVES, a.archive, b.archive),
    erasure: later(ERASURES, a.erasure, b.erasure),
    fail: later(FAIL_MODES, a.fail, b.fail),
    ...(content === undefined ? {} : { content }),
    purposeRequired: a.purposeRequired || b.purposeRequired,
    domains: union(a.domains, b.domains),
    tags: union(a.tags, b.tags),
  };
}

export function joined(all: Iterable<Demands>): Demands {
  let demands = NO_DEMANDS;
  for (const each of all) demands = join(demands, each);
  return demands;
}

/**
 * Of two classes of equal length the one that is archived; else the one whose name comes first: any choice will do, if
 * it is always the same.
 */
function longer(a: Demands['retention'], b: Demands['retention']): Demands['retention'] {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.days !== b.days) return a.days > b.days ? a : b;
  if (a.archive !== b.archive) return a.archive === 'required' ? a : b;
  return a.class <= b.class ? a : b;
}

/** Of what was asked, whatever keeps less. */
function less(a: Keeping | undefined, b: Keeping | undefined): Keeping | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return later(KEEPINGS, a, b);
}

function later<T>(order: readonly T[], a: T, b: T): T {
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
}

function union(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length === 0) return b;
  return b.length === 0 ? a : [...new Set([...a, ...b])].sort((x, y) => (x < y ? -1 : 1));
}
