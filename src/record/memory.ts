import type { Attribution } from './facts.ts';

/**
 * What a journal remembers of its own past, so that the next span can be settled: small, bounded, and changed
 * in the same transaction as the records. Keys are text; the part before the first `|` is the space, which has
 * its own time to live.
 */

/** The memory within one transaction: what is set is seen at once, and kept if the transaction commits. */
export interface Memory {
  get(key: string): unknown;
  /** Values are JSON. */
  set(key: string, value: unknown): void;
}

/** A span taken: which digests came under its id, where its first record is, and whom it was about. */
export interface SpanMemory {
  intent?: Taken;
  end?: Taken;
  content?: Taken;
  parent?: string;
  who?: Pick<Attribution, 'conversationId' | 'user' | 'agent' | 'purpose' | 'trigger' | 'triggerBasis'>;
}

export interface Taken {
  digests: string[];
  /** Absent for a span that left no record. */
  record?: string;
}

export interface ConversationMemory {
  turn?: number;
}

export interface AgentMemory {
  prompt?: string;
  request?: string;
  response?: string;
  promptTold?: ToldMemory;
  modelTold?: ToldMemory;
}

/** When a change was last told: by the writer's clock, in microseconds, and by the call's own start. */
export interface ToldMemory {
  at: number;
  startedAt: string;
  /** Changes since then that are not told, and what was told last. */
  untold?: number;
  before?: { [field: string]: string };
}

export type CallMemory = 'executed' | 'reported';

/** An executed call by what it did, for results that are reported without its id: whether its span had one. */
export type ExecutionMemory = 'with_id' | 'without_id';

/** A call that a model asked for. */
export interface AskedMemory {
  name?: string;
  digest?: string;
}

/** Ids come from outside and may hold anything: they are escaped, so that no two keys can be one. */
const part = (text: string) => (PLAIN.test(text) ? text : encodeURIComponent(text.toWellFormed()));
/** Escaped it is the same. */
const PLAIN = /^[\w.-]*$/;

/** The keys of spans, which a lineage knows too. */
export const isSpanKey = (key: string) => key.startsWith('span|');

export const keys = {
  span: (tenant: string, traceId: string, spanId: string) => `span|${part(tenant)}|${traceId}|${spanId}`,
  conversation: (tenant: string, id: string) => `conversation|${part(tenant)}|${part(id)}`,
  message: (tenant: string, conversation: string, turn: number, digest: string) =>
    `message|${part(tenant)}|${part(conversation)}|${turn}|${digest}`,
  agent: (tenant: string, service: string, agent: string) =>
    `agent|${part(tenant)}|${part(service)}|${part(agent)}`,
  call: (tenant: string, service: string, id: string) => `call|${part(tenant)}|${part(service)}|${part(id)}`,
  answer: (tenant: string, service: string, trace: string, prompt: string, position: number) =>
    `call|${part(tenant)}|${part(service)}|${trace}|answer|${prompt}|${position}`,
  execution: (tenant: string, service: string, trace: string, tool: string, digest: string) =>
    `call|${part(tenant)}|${part(service)}|${trace}|execution|${part(tool)}|${digest}`,
  askedById: (tenant: string, service: string, id: string) =>
    `call|${part(tenant)}|${part(service)}|asked|id|${part(id)}`,
  askedBy: (tenant: string, service: string, prompt: string) =>
    `call|${part(tenant)}|${part(service)}|asked|prompt|${prompt}`,
  innerModel: (tenant: string, trace: string, span: string) => `call|${part(tenant)}|model|${trace}|${span}`,
  /** The data key of a subject's contents. */
  vault: (tenant: string, subject: string) => `vault|${part(tenant)}|${part(subject)}`,
  quarantined: (digest: string) => `quarantined|${digest}`,
  /** A chain whose records came through the relay. */
  relayed: (chainId: string) => `relayed|${chainId}`,
  /** A chain as the keeper's rounds list it. */
  listed: (chainId: string) => `listed|${chainId}`,
  /** What relays said of chains, to the keeper. */
  enrolled: (chainId: string) => `enrolled|${chainId}`,
  /** The digest of what the keeper told of expiry, erasure and holds, by the record's id. */
  lawful: (id: string) => `lawful|${id}`,
  /** Whom a hold is about. */
  hold: (id: string) => `hold|${id}`,
};
