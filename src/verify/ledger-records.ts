import { isHash } from '../chain/merkle.ts';
import type { AuditRecord } from '../record/record.ts';

/** What `chain_opened` says of its chain. */
export interface Opened {
  role: 'records' | 'control';
  vkey?: string;
  enrol?: string;
}

/** A chain in a round. */
export interface Listing {
  chain_id: string;
  size: number;
  head: string;
  root: string;
  /** Where it is listed for the first time. */
  vkey?: string;
}

export interface Round {
  round: number;
  chains: Listing[];
  all: { count: number; root: string };
  failed: string[];
}

export interface KeyRotated {
  old: string;
  new: string;
  from: number;
  sig_old: string;
  sig_new: string;
}

/** What an anchor gave for a ledger checkpoint. */
export interface AnchorReceipt {
  anchor: string;
  kind: string;
  /** Of whose checkpoint. */
  origin?: string;
  size: number;
  root: string;
  attested_at?: string;
  proof: unknown;
}

/** Places of chains: by chain_id, `[first, last]`, both included, ascending and apart. */
export type Ranges = ReadonlyMap<string, readonly (readonly [first: number, last: number])[]>;

/** What expired, and went. */
export interface Expired {
  ranges: Ranges;
  class: string;
  /** Digest of the manifest of its copy, or `none`. */
  archive: string;
  /** Unix seconds: what time it was taken to be. */
  as_of: number;
}

export interface ErasedRecord {
  chainId: string;
  seq: bigint;
  /** Hex. */
  record_hash: string;
}

/** A hold, when it was placed or extended: what it covers since. */
export interface Hold {
  hold_id: string;
  covers: Ranges;
}

export type Fields = { [field: string]: unknown };

const CHAIN_ID = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const RECORD_ID = /^([a-z0-9][a-z0-9._-]{0,127}):(0|[1-9]\d{0,19})$/;

/** Each strict reader takes a record's `control`, and is undefined for anything but what a writer writes. */

export function readOpened(control: Fields): Opened | undefined {
  const { role, vkey, enrol } = control;
  if (role !== 'records' && role !== 'control') return undefined;
  if (!isTextOrAbsent(vkey) || !isTextOrAbsent(enrol)) return undefined;
  return { role, ...(vkey === undefined ? {} : { vkey }), ...(enrol === undefined ? {} : { enrol }) };
}

/** The note of a `checkpoint` or a `chain_closed`. */
export function readNote(control: Fields): string | undefined {
  return typeof control.note === 'string' ? control.note : undefined;
}

/** Chains in byte order, each once; sizes of at least one record. */
export function readRound(control: Fields): Round | undefined {
  const { round, chains, all, failed } = control;
  if (!isCount(round) || !Array.isArray(chains) || !isFields(all) || !Array.isArray(failed)) return undefined;
  const { count, root } = all;
  if (!isCount(count) || !isHash(root) || !failed.every(isChainId) || !isAscending(failed)) return undefined;
  const listings: Listing[] = [];
  for (const each of chains as unknown[]) {
    const listing = isFields(each) ? readListing(each) : undefined;
    if (listing === undefined) return undefined;
    listings.push(listing);
  }
  if (!isAscending(listings.map(({ chain_id }) => chain_id))) return undefined;
  return { round, chains: listings, all: { count, root }, failed };
}

function readListing({ chain_id, size, head, root, vkey }: Fields): Listing | undefined {
  if (!isChainId(chain_id) || !isCount(size) || size === 0 || !isHash(head) || !isHash(root))
    return undefined;
  if (!isTextOrAbsent(vkey)) return undefined;
  return { chain_id, size, head, root, ...(vkey === undefined ? {} : { vkey }) };
}

export function readRotation(control: Fields): KeyRotated | undefined {
  const { old, new: next, from, sig_old, sig_new } = control;
  const texts = [old, next, sig_old, sig_new];
  if (!texts.every((each) => typeof each === 'string') || !isCount(from)) return undefined;
  return { old, new: next, from, sig_old, sig_new } as KeyRotated;
}

export function readReceipt(control: Fields): AnchorReceipt | undefined {
  const { anchor, kind, origin, size, root, attested_at, proof } = control;
  if (typeof anchor !== 'string' || typeof kind !== 'string' || !isCount(size) || !isHash(root))
    return undefined;
  if (!isTextOrAbsent(attested_at) || !isTextOrAbsent(origin)) return undefined;
  return {
    anchor,
    kind,
    ...(origin === undefined ? {} : { origin }),
    size,
    root,
    proof,
    ...(attested_at === undefined ? {} : { attested_at }),
  };
}

/** A chain whose journal is lost: nothing more comes of it. */
export function readAbandoned({ chain_id }: Fields): string | undefined {
  return isChainId(chain_id) ? chain_id : undefined;
}

export function readExpired({ ranges, class: name, archive, as_of }: Fields): Expired | undefined {
  const read = readRanges(ranges);
  if (read === undefined || typeof name !== 'string' || !isCount(as_of)) return undefined;
  if (archive !== 'none' && !isHash(archive)) return undefined;
  return { ranges: read, class: name, archive, as_of };
}

export function readErased({ records }: Fields): ErasedRecord[] | undefined {
  if (!Array.isArray(records)) return undefined;
  const erased: ErasedRecord[] = [];
  for (const each of records as unknown[]) {
    const { id, record_hash } = isFields(each) ? each : {};
    const [, chainId, seq] = (typeof id === 'string' && RECORD_ID.exec(id)) || [];
    if (chainId === undefined || !isHash(record_hash)) return undefined;
    erased.push({ chainId, seq: BigInt(seq!), record_hash });
  }
  return erased;
}

/** Of a `legal_hold_placed` or a `legal_hold_extended`. */
export function readHold({ hold_id, covers }: Fields): Hold | undefined {
  const read = readRanges(covers);
  return typeof hold_id === 'string' && read !== undefined ? { hold_id, covers: read } : undefined;
}

export function readReleased({ hold_id }: Fields): string | undefined {
  return typeof hold_id === 'string' ? hold_id : undefined;
}

function readRanges(value: unknown): Ranges | undefined {
  if (!isFields(value)) return undefined;
  const ranges = new Map<string, [number, number][]>();
  for (const [chainId, of] of Object.entries(value)) {
    if (!isChainId(chainId) || !Array.isArray(of) || of.length === 0) return undefined;
    let before = -1;
    for (const range of of as unknown[]) {
      const [first, last, ...rest] = Array.isArray(range) ? (range as unknown[]) : [];
      if (!isCount(first) || !isCount(last) || rest.length > 0) return undefined;
      if (first <= before || last < first) return undefined;
      before = last;
    }
    ranges.set(chainId, of as [number, number][]);
  }
  return ranges;
}

/** What a relay says of a chain whose first record it took: `chain_enrolled`. */
export interface Enrolled {
  chain_id: string;
  /** As its `chain_opened` says; absent where that names none. */
  vkey?: string;
}

export function readEnrolled({ chain_id, vkey }: Fields): Enrolled | undefined {
  if (!isChainId(chain_id) || !isTextOrAbsent(vkey)) return undefined;
  return { chain_id, ...(vkey === undefined ? {} : { vkey }) };
}

/** A control record of a payload that may be anything; what is not canonical has been found already. */
export function controlOf(
  payload: string | Uint8Array,
): { action: string; at: string; actor: string | undefined; control: Fields } | undefined {
  if (typeof payload !== 'string') return undefined;
  try {
    const record = JSON.parse(payload) as Partial<AuditRecord> | null;
    if (typeof record?.action !== 'string' || typeof record.recorded_at !== 'string') return undefined;
    const control = isFields(record.control) ? record.control : {};
    const actor = isFields(record.actor) ? record.actor.type : undefined;
    return { action: record.action, at: record.recorded_at, actor, control };
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isChainId(value: unknown): value is string {
  return typeof value === 'string' && CHAIN_ID.test(value);
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

function isAscending(ids: readonly string[]): boolean {
  return ids.every((id, i) => i === 0 || ids[i - 1]! < id);
}
