import type { Store } from '../store/client.ts';
import type { Baseline } from './baseline.ts';
import {
  type AnchorReceipt,
  controlOf,
  type ErasedRecord,
  type Expired,
  type Hold,
  type KeyRotated,
  type Round,
  readAbandoned,
  readErased,
  readExpired,
  readHold,
  readReceipt,
  readReleased,
  readRotation,
  readRound,
} from './ledger-records.ts';
import { CHAIN_NAME, PAYLOAD, type PayloadRow, payloadOf } from './rows.ts';

/** A record of a control chain that the line is judged by. */
export type LineRecord = {
  chainId: string;
  seq: bigint;
  /** `recorded_at`. */
  at: string;
} & (
  | { kind: 'round'; round: Round }
  | { kind: 'rotation'; rotation: KeyRotated }
  | { kind: 'receipt'; receipt: AnchorReceipt }
  | { kind: 'abandoned'; abandoned: string }
  | { kind: 'expired'; expired: Expired }
  | { kind: 'erased'; erased: readonly ErasedRecord[] }
  | { kind: 'held'; hold: Hold }
  | { kind: 'released'; holdId: string; isAuthorised: boolean }
  /** Not as any keeper writes it. */
  | { kind: 'malformed'; action: string }
);

/** A chain of role `control`, and which one it says it follows. */
export interface ControlChain {
  chainId: string;
  vkey: string | undefined;
  predecessor: string | undefined;
  /** In order of their seq. */
  records: LineRecord[];
}

/** Of what has lawfully left, or may not leave: a hold is in force however long ago it was placed. */
const LAWFUL = [
  'records_expired',
  'records_erased',
  'legal_hold_placed',
  'legal_hold_extended',
  'legal_hold_released',
];
const ACTIONS = ['round', 'key_rotated', 'checkpoint_anchored', 'chain_abandoned', ...LAWFUL];
const RECORDS_AT_ONCE = 200;

const OPENED = `
SELECT ${CHAIN_NAME} AS name, seq, ${PAYLOAD} FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND seq = 0 AND action = 'chain_opened' AND JSONExtractString(payload, 'control', 'role') = 'control'
ORDER BY chain_id`;
const RECORDS = `
SELECT {chain:String} AS name, seq, ${PAYLOAD} FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND chain_id = {chain:String} AND seq >= {from:UInt64} AND (seq >= {known:UInt64} OR action IN ({lawful:Array(String)})) AND action IN ({actions:Array(String)})
ORDER BY chain_id, seq LIMIT ${RECORDS_AT_ONCE}`;

/**
 * What control chains hold, before anything of it is judged: it says which sizes of which chains are asked for. All of
 * it is kept, which is as much as the rounds list.
 *
 * @param baseline what is known of them is not read again, but for what concerns expiry, erasure and holds.
 */
export async function readControlChains(
  store: Store,
  baseline: Baseline | undefined,
): Promise<ControlChain[]> {
  const chains = new Map<string, ControlChain>();
  for (const row of await store.query<PayloadRow>(OPENED)) {
    const chain = controlChain(row.name, payloadOf(row));
    if (chain !== undefined) chains.set(row.name, chain);
  }
  for (const chain of chains.values()) {
    const known = BigInt(baseline?.get(chain.chainId)?.size ?? 0);
    let from = 0n;
    for (;;) {
      const rows = await store.query<PayloadRow>(RECORDS, {
        chain: chain.chainId,
        from,
        known,
        lawful: LAWFUL,
        actions: ACTIONS,
      });
      for (const row of rows) {
        const record = lineRecord(chain.chainId, BigInt(row.seq), payloadOf(row));
        if (record !== undefined) chain.records.push(record);
      }
      if (rows.length < RECORDS_AT_ONCE) break;
      from = BigInt(rows.at(-1)!.seq) + 1n;
    }
  }
  return [...chains.values()];
}

/** A control chain by its first record, without any other; undefined for one that opens no such chain. */
export function controlChain(chainId: string, payload: string | Uint8Array): ControlChain | undefined {
  const opened = controlOf(payload);
  if (opened?.action !== 'chain_opened' || opened.control.role !== 'control') return undefined;
  const { vkey, predecessor } = opened.control;
  const before = (predecessor as { chain_id?: unknown } | null | undefined)?.chain_id;
  return {
    chainId,
    vkey: typeof vkey === 'string' ? vkey : undefined,
    predecessor: typeof before === 'string' ? before : undefined,
    records: [],
  };
}

/** What the line is judged by, of a record of a control chain; undefined for all else. */
export function lineRecord(
  chainId: string,
  seq: bigint,
  payload: string | Uint8Array,
): LineRecord | undefined {
  const found = controlOf(payload);
  if (found === undefined) return undefined;
  const { action, at, actor, control } = found;
  if (!ACTIONS.includes(action)) return undefined;
  const place = { chainId, seq, at };
  if (action === 'round') {
    const round = readRound(control);
    if (round !== undefined) return { ...place, kind: 'round', round };
  }
  if (action === 'key_rotated') {
    const rotation = readRotation(control);
    if (rotation !== undefined) return { ...place, kind: 'rotation', rotation };
  }
  if (action === 'checkpoint_anchored') {
    const receipt = readReceipt(control);
    if (receipt !== undefined) return { ...place, kind: 'receipt', receipt };
  }
  if (action === 'chain_abandoned') {
    const abandoned = readAbandoned(control);
    if (abandoned !== undefined) return { ...place, kind: 'abandoned', abandoned };
  }
  if (action === 'records_expired') {
    const expired = readExpired(control);
    if (expired !== undefined) return { ...place, kind: 'expired', expired };
  }
  if (action === 'records_erased') {
    const erased = readErased(control);
    if (erased !== undefined) return { ...place, kind: 'erased', erased };
  }
  if (action === 'legal_hold_placed' || action === 'legal_hold_extended') {
    const hold = readHold(control);
    if (hold !== undefined) return { ...place, kind: 'held', hold };
  }
  if (action === 'legal_hold_released') {
    const holdId = readReleased(control);
    if (holdId !== undefined) return { ...place, kind: 'released', holdId, isAuthorised: actor === 'admin' };
  }
  return { ...place, kind: 'malformed', action };
}

/** Control chains in lines, each from the first to the last by what they say they follow. */
export function linesOf(chains: readonly ControlChain[]): ControlChain[][] {
  const byId = new Map(chains.map((chain) => [chain.chainId, chain]));
  const next = new Map<string, ControlChain>();
  for (const chain of chains)
    if (chain.predecessor !== undefined && byId.has(chain.predecessor) && !next.has(chain.predecessor))
      next.set(chain.predecessor, chain);
  const followers = new Set([...next.values()]);
  const lines: ControlChain[][] = [];
  for (const first of chains) {
    if (followers.has(first)) continue;
    const line: ControlChain[] = [];
    for (let each: ControlChain | undefined = first; each !== undefined; each = next.get(each.chainId))
      line.push(each);
    lines.push(line);
  }
  return lines;
}
