import type { ReceiptOf } from '../anchor/anchor.ts';
import { textOf } from '../anchor/anchor.ts';
import { checkToken, parseReceipt } from '../anchor/check.ts';
import { attestedBy } from '../anchor/witness.ts';
import { parseSignature } from '../chain/note.ts';
import { parseVkey, type Vkey } from '../chain/vkey.ts';
import type { AnchorSettings } from '../config/anchors.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import type { ControlChain, LineRecord } from './line-records.ts';
import type { TrustFile } from './trust.ts';

/** What proofs in receipts are checked by, beside the trust file. */
export interface ReceiptTrust {
  /** The settings' anchors: roots of authorities, public keys of witnesses. */
  anchors: readonly AnchorSettings[];
  /** A PEM file: the roots of every authority, in place of those in the settings. */
  tsaCa?: string;
  /** @default openssl */
  openssl?: string;
}

/** What a receipt proves by itself. */
export type ReceiptFact =
  /** Somebody who is not us saw the checkpoint at that time, RFC 3339; `by` are the witnesses that signed it. */
  | { status: 'verified'; attestedAt: string; by: readonly Vkey[] }
  /** It is believed by nothing but what its anchor has. */
  | { status: 'unproven' }
  /** It could be checked, but not here and now; `why` is the same for all of one anchor. */
  | { status: 'unchecked'; why: string }
  | { status: 'bad'; why: string };

export type ReceiptRecord = LineRecord & { kind: 'receipt' };

/** By `chain_id:seq` of the record. */
export type ReceiptFacts = ReadonlyMap<string, ReceiptFact>;

/** Newest tokens of each authority whose signatures are asked: OpenSSL takes some milliseconds for one. */
const NEWEST = 16;
const AT_ONCE = 4;

/**
 * Checks the tokens and the cosignatures that stand in receipts, before anything is judged. Writes and believes nothing.
 * The signature of a token is asked where its time counts: of the newest of each authority, and of the newest before
 * each expiry; of all others, only what they are of.
 *
 * @param isFull the signature of every token
 */
export async function checkReceipts(
  chains: readonly ControlChain[],
  trust: TrustFile | undefined,
  by: ReceiptTrust,
  isFull: boolean,
): Promise<ReceiptFacts> {
  const records = chains.flatMap((chain) => chain.records);
  const receipts = records.filter((each) => each.kind === 'receipt');
  const counts = isFull ? new Set(receipts) : counting(records);
  const facts = new Map<string, ReceiptFact>();
  const waiting = receipts[Symbol.iterator]();
  const work = async () => {
    for (const record of waiting) {
      const { chainId, seq } = record;
      facts.set(`${chainId}:${seq}`, await factOf(record, trust, by, counts.has(record)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return facts;
}

/** Receipts by whose time something may be judged. */
function counting(records: readonly LineRecord[]): Set<ReceiptRecord> {
  const counts = new Set<ReceiptRecord>();
  const before = new Map<string, ReceiptRecord>();
  const all = new Map<string, ReceiptRecord[]>();
  for (const record of records) {
    if (record.kind === 'expired') for (const each of before.values()) counts.add(each);
    if (record.kind !== 'receipt') continue;
    const { anchor } = record.receipt;
    before.set(anchor, record);
    all.set(anchor, [...(all.get(anchor) ?? []), record].slice(-NEWEST));
  }
  for (const newest of all.values()) for (const each of newest) counts.add(each);
  return counts;
}

async function factOf(
  { receipt }: ReceiptRecord,
  trust: TrustFile | undefined,
  { anchors, tsaCa, openssl }: ReceiptTrust,
  counts: boolean,
): Promise<ReceiptFact> {
  const { anchor, kind } = receipt;
  if (kind !== 'tsa' && kind !== 'witness') return { status: 'unproven' };
  const whole = parseReceipt(receipt);
  if (whole?.kind === 'witness') return cosigned(whole, trust, anchors);
  if (whole?.kind !== 'tsa') return { status: 'bad', why: 'it is not as an anchor gives one' };
  const settings = anchors.find(({ name }) => name === anchor);
  const ca = tsaCa ?? (settings?.kind === 'tsa' ? settings.ca : undefined);
  const check = await checkToken(whole, counts ? ca : undefined, openssl);
  if (check.status === 'verified') return { status: 'verified', attestedAt: check.attested_at, by: [] };
  if (check.status === 'unproven' && ca === undefined)
    return {
      status: 'unchecked',
      why: `timestamps of ${anchor}: nobody says which authority to believe; give its root with --tsa-ca FILE, or as ca: in the settings`,
    };
  return check.status === 'unchecked'
    ? { status: 'unchecked', why: `timestamps of ${anchor}: ${check.why}` }
    : check;
}

/**
 * Which of the known witnesses have signed the checkpoint. Whoever was given a trust file that names witnesses believes
 * those; else the settings' count too.
 */
function cosigned(
  receipt: ReceiptOf<'witness'>,
  trust: TrustFile | undefined,
  anchors: readonly AnchorSettings[],
): ReceiptFact {
  const { anchor } = receipt;
  const trusted = [...(trust?.trust.witnesses.values() ?? [])].map(({ vkey }) => vkey);
  const settings = anchors.flatMap((each) => (each.kind === 'witness' ? [each] : []));
  const isGiven = trust?.source === 'given' && trusted.length > 0;
  const known = [...trusted, ...(isGiven ? [] : settings.map(({ vkey }) => parseVkey(vkey)))];
  const by: Vkey[] = [];
  let attestedAt = '';
  try {
    for (const signature of receipt.proof.cosignatures.map(parseSignature)) {
      const vkey = known.find(({ name, id }) => name === signature.name && id === signature.keyId);
      if (vkey === undefined) continue;
      const at = attestedBy(anchor, [signature], textOf(receipt), vkey);
      if (at > attestedAt) attestedAt = at;
      by.push(vkey);
    }
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    return { status: 'bad', why: messageOf(error) };
  }
  if (by.length > 0) return { status: 'verified', attestedAt, by };
  const isNamed = settings.some(({ name }) => name === anchor);
  if (trusted.length > 0 || isNamed)
    return {
      status: 'bad',
      why: `it is cosigned by none of the witnesses that the ${trusted.length > 0 ? 'trust file' : 'settings'} name`,
    };
  return {
    status: 'unchecked',
    why: `cosignatures of ${anchor}: nobody says which key it cosigns with; name the witness in the trust file`,
  };
}
