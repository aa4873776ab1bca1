import type { Store } from '../store/client.ts';
import { CHAIN_NAME } from './rows.ts';
import type { VerifierState } from './state.ts';

/** Records of a ledger that are asked for: those that fulfil all of it. */
export interface PartOptions {
  conversation?: string;
  resource?: string;
  /** RFC 3339; when they occurred, from this time on and before the other. */
  from?: string;
  to?: string;
}

/** A part of a ledger: the chains that have it, and how many records it is. */
export interface Part {
  chains: string[];
  records: number;
}

export function isPartOf({ conversation, resource, from, to }: PartOptions): boolean {
  return [conversation, resource, from, to].some((each) => each !== undefined);
}

/** Undefined where all of the ledger is asked for. */
export async function partOf(store: Store, options: PartOptions): Promise<Part | undefined> {
  if (!isPartOf(options)) return undefined;
  const rows = await store.query<{ name: string; records: string }>(
    `SELECT ${CHAIN_NAME} AS name, uniqExact(seq) AS records FROM spanledger.audit_records WHERE ${conditionsOf(options)} GROUP BY chain_id`,
    asked(options),
  );
  return {
    chains: rows.map((row) => row.name),
    records: rows.reduce((sum, row) => sum + Number(row.records), 0),
  };
}

/**
 * How many records of the part nothing outside their own chain vouches for.
 *
 * @param vouched by chain: how many of its first records a round, or a checkpoint by a key that a round lists, proves.
 */
export async function unvouched(
  store: Store,
  options: PartOptions,
  vouched: ReadonlyMap<string, number>,
): Promise<number> {
  const [row] = await store.query<{ records: string }>(
    `SELECT uniqExactIf((chain_id, seq), seq >= sizes[name]) AS records FROM
     (SELECT chain_id, seq, ${CHAIN_NAME} AS name, mapFromArrays({chains:Array(String)}, {sizes:Array(UInt64)}) AS sizes FROM spanledger.audit_records WHERE ${conditionsOf(options)})`,
    { ...asked(options), chains: [...vouched.keys()], sizes: [...vouched.values()] },
  );
  return Number(row!.records);
}

/** What was seen before of those chains alone. */
export function stateOf(
  before: VerifierState | undefined,
  chains: readonly string[] = [],
): VerifierState | undefined {
  if (before === undefined) return undefined;
  return { ...before, chains: new Map([...before.chains].filter(([id]) => chains.includes(id))) };
}

function conditionsOf({ conversation, resource, from, to }: PartOptions): string {
  return [
    conversation === undefined ? [] : ["conversation_id = {conversation:String} AND conversation_id != ''"],
    resource === undefined ? [] : ["resource_id = {resource:String} AND resource_id != ''"],
    from === undefined ? [] : ["occurred_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC')"],
    to === undefined ? [] : ["occurred_at < parseDateTime64BestEffort({to:String}, 9, 'UTC')"],
  ]
    .flat()
    .join(' AND ');
}

function asked({ conversation, resource, from, to }: PartOptions) {
  return { conversation, resource, from, to };
}
