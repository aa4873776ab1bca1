import type { SpanMemory } from '../record/memory.ts';
import type { Understood } from '../understand.ts';

/**
 * Between a worker thread and its main thread, within one process: a channel that all know, to be heard of, and then
 * one of each worker's own.
 */
export const HELLO = 'spanledger.audit';
export const channelOf = (threadId: number) => `${HELLO}.${threadId}`;

/** On the channel all know. Only the audit that the words name answers. */
export interface Hello {
  hello: number;
  /** Ledger, directory and policy: what a worker understood by another policy is no record of this one's. */
  of: string;
}

/** What a main thread leaves, under the name of `HELLO`, for the threads that begin after it. */
export interface Listening {
  of: string;
  /** Shared. By thread id, 1 once that thread's channel is open: what is posted there will be taken. */
  open: Int32Array;
}

/** Threads with a higher id wait to be greeted. */
export const MAX_THREADS = 65_536;

export type FromWorker =
  | { batch: readonly Understood[]; ancestors: [key: string, memory: SpanMemory][] }
  | { gap: number; code: string | undefined }
  /** All before it is to be durable; `flag` where the worker's thread stands still for the answer. */
  | { durable: number; flag?: Int32Array; isFlush: boolean }
  | { bye: true };

export type ToWorker =
  | { ready: true }
  | { durable: number; problem?: { code: string | undefined; message: string } };

/** What a flag is set to. */
export const FLAG = { waiting: 0, durable: 1, failed: 2 } as const;
