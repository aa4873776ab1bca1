import type { Store } from '../store/client.ts';
import type { Baseline } from './baseline.ts';
import type { OpenIntent } from './interruptions.ts';
import { type Left, readLeft } from './left.ts';
import type { JudgedLine } from './line.ts';
import { type ControlChain, type LineRecord, readControlChains } from './line-records.ts';
import { nodeScanner } from './node-scanner.ts';
import { type Part, type PartOptions, partOf, unvouched } from './part.ts';
import type { Points } from './points.ts';
import type { Scanner, Scope } from './scan.ts';
import { readSchema, type Schema } from './schema.ts';
import { sqlScanner } from './sql-scanner.ts';

/** Where a ledger is read from: the database, or files that were made of it. It has no opinion either. */
export interface Source {
  /** What is asked for, where that is not all of it. */
  part?(): Promise<Part | undefined>;
  /** How many records of that part nothing outside their own chain vouches for. */
  unvouched?(vouched: ReadonlyMap<string, number>): Promise<number>;
  scanner(scope: Scope): Scanner;
  /** @param known what is known of them is not read again. */
  controlChains(known: Baseline | undefined): Promise<ControlChain[]>;
  /** Of these, those without an outcome in any chain. */
  unanswered(intents: readonly OpenIntent[]): Promise<OpenIntent[]>;
  schema(): Promise<Schema>;
  /** What should have left by what control chains say, and is there. Files have what they had when they were made. */
  left?(records: readonly LineRecord[], asOf: number): Promise<Left>;
  /** Sizes of the ledger's own chain that it names. */
  sizes?: readonly number[];
  /** What is amiss with the files themselves, once all has been read. */
  amiss?(read: { line: JudgedLine | undefined; points: Points | undefined }): ArchiveProblem[];
  /** What could not be looked at, once all has been read. */
  unchecked?(): string[];
}

export interface ArchiveProblem {
  what: 'missing' | 'mismatch' | 'unlisted' | 'manifest';
  /** Empty where it is about no chain. */
  chainId: string;
  seq: bigint;
  detail: string;
}

export interface StoreSourceOptions extends PartOptions {
  ledgerId: string;
  /** Where hashes are computed. @default sql */
  engine?: 'sql' | 'node';
}

export function storeSource(store: Store, { ledgerId, engine, ...part }: StoreSourceOptions): Source {
  return {
    part: () => partOf(store, part),
    unvouched: (vouched) => unvouched(store, part, vouched),
    scanner: (scope) => (engine === 'node' ? nodeScanner(store, scope) : sqlScanner(store, ledgerId, scope)),
    controlChains: (known) => readControlChains(store, known),
    async unanswered(intents) {
      const open: OpenIntent[] = [];
      for (const intent of intents) if (!(await hasOutcome(store, intent))) open.push(intent);
      return open;
    },
    schema: () => readSchema(store),
    left: (records, asOf) => readLeft(store, records, asOf),
  };
}

/** In another chain, whichever was scanned first: where one ends in the middle of a call, the next has its outcome. */
async function hasOutcome(store: Store, { traceId, spanId }: OpenIntent): Promise<boolean> {
  const rows = await store.query(
    "SELECT 1 FROM spanledger.audit_records WHERE trace_id = {traceId:String} AND span_id = {spanId:String} AND phase = 'outcome' LIMIT 1",
    { traceId, spanId },
  );
  return rows.length > 0;
}
