import { hash } from 'node:crypto';
import { openCheckpoint, parseCheckpoint, withSignatures } from '../chain/checkpoint.ts';
import { parseSignature } from '../chain/note.ts';
import { quorumMet, type Trust, trustedKeys } from '../chain/trust.ts';
import { parseVkey } from '../chain/vkey.ts';
import type { AnchorSettings } from '../config/anchors.ts';
import { type ErrorCode, isSpanledgerError, messageOf } from '../errors.ts';
import {
  type Anchor,
  type Anchored,
  type AnchorKind,
  type Receipt,
  type ReceiptOf,
  textOf,
  type Wanted,
} from './anchor.ts';
import { verifyToken } from './openssl.ts';
import { imprintOf, tokenSaying, wrongIn } from './tsa.ts';
import { attestedBy } from './witness.ts';

/** What an anchor holds, or why that cannot be told. */
export type Reading = { anchor: string; kind: AnchorKind } & (
  | { status: 'read'; anchored: Anchored[] }
  | { status: 'unread'; code: ErrorCode; why: string }
);

/** Reads an anchor back. Never throws for what an anchor, a network or a disk does. */
export async function readAnchored(anchor: Anchor, wanted: Wanted): Promise<Reading> {
  const { name, kind } = anchor;
  try {
    return { anchor: name, kind, status: 'read', anchored: await anchor.list(wanted) };
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    return { anchor: name, kind, status: 'unread', code: error.code, why: error.message };
  }
}

export type ReceiptCheck =
  /** Somebody who is not us attests that the checkpoint was there at that time. */
  | { status: 'verified'; attested_at: string }
  /** It proves nothing by itself: compare it with what the anchor holds. */
  | { status: 'unproven' }
  /** It could be checked, but not here and now. */
  | { status: 'unchecked'; why: string }
  /** It is no receipt of this anchor for this checkpoint. */
  | { status: 'bad'; why: string };

/**
 * What a receipt proves by itself, by the keys and roots of the settings. It believes nothing that the receipt says
 * about itself, its `attested_at` least of all.
 *
 * @param openssl @default openssl
 */
export async function checkReceipt(
  receipt: Receipt,
  trusted: readonly AnchorSettings[],
  openssl?: string,
): Promise<ReceiptCheck> {
  const settings = trusted.find(({ name }) => name === receipt.anchor);
  if (settings === undefined) return { status: 'bad', why: `no anchor ${receipt.anchor} is configured` };
  if (settings.kind !== receipt.kind)
    return {
      status: 'bad',
      why: `the anchor ${receipt.anchor} is a ${settings.kind}, not a ${receipt.kind}`,
    };
  try {
    if (receipt.kind === 'tsa' && settings.kind === 'tsa')
      return await checkToken(receipt, settings.ca, openssl);
    if (receipt.kind === 'witness' && settings.kind === 'witness') {
      const signatures = receipt.proof.cosignatures.map(parseSignature);
      const vkey = parseVkey(settings.vkey);
      const attested_at = attestedBy(receipt.anchor, signatures, textOf(receipt), vkey);
      return { status: 'verified', attested_at };
    }
    return { status: 'unproven' };
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    return { status: 'bad', why: messageOf(error) };
  }
}

/**
 * The token of a receipt: of this checkpoint, the answer to what was asked, signed to a root of the file `ca`. Without
 * that file only the first two are looked at, and it attests nothing.
 *
 * @param openssl @default openssl
 */
export async function checkToken(
  receipt: ReceiptOf<'tsa'>,
  ca: string | undefined,
  openssl?: string,
): Promise<ReceiptCheck> {
  try {
    const token = Buffer.from(receipt.proof.token, 'base64');
    const said = tokenSaying(receipt.anchor, token);
    const imprint = imprintOf(receipt);
    const wrong = wrongIn(said, imprint, receipt.proof.nonce);
    if (wrong !== undefined) return { status: 'bad', why: wrong };
    if (ca === undefined) return { status: 'unproven' };
    const { genTime } = said;
    const check = await verifyToken({ token, imprint, genTime }, ca, openssl);
    return check.status === 'verified' ? { status: 'verified', attested_at: genTime } : check;
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    return { status: 'bad', why: messageOf(error) };
  }
}

export type Comparison =
  /** It is there as the receipt says, since the time the anchor tells (absent where it tells none). */
  | { status: 'kept'; attested_at?: string }
  | { status: 'missing'; why: string }
  | { status: 'mismatch'; why: string }
  /** The anchor keeps nothing that could be compared: a timestamp authority, a witness that has seen more since. */
  | { status: 'not_kept' };

/** Compares a receipt with what its anchor holds of that size and more. */
export function compareReceipt(receipt: Receipt, anchored: readonly Anchored[]): Comparison {
  const held = anchored.filter(({ anchor }) => anchor === receipt.anchor);
  if (receipt.kind === 'tsa') return { status: 'not_kept' };
  if (receipt.kind === 'witness') return compareWithWitness(receipt, held);
  const { proof } = receipt;
  const place = 'file' in proof ? proof.file : `${proof.bucket}/${proof.key}`;
  const version = 'file' in proof ? undefined : proof.version_id;
  const found = held.find(
    (each) => each.place === place && (version === undefined || each.version_id === version),
  );
  if (found?.note === undefined) return { status: 'missing', why: `${place} is not there` };
  if (hash('sha256', found.note) !== proof.sha256 || !found.note.startsWith(`${textOf(receipt)}\n`))
    return { status: 'mismatch', why: `${place} holds something else` };
  return { status: 'kept', ...(found.attested_at === undefined ? {} : { attested_at: found.attested_at }) };
}

function compareWithWitness(receipt: Receipt, [newest]: readonly Anchored[]): Comparison {
  if (newest?.note === undefined) return { status: 'not_kept' };
  let seen: ReturnType<typeof parseCheckpoint>;
  try {
    seen = parseCheckpoint(newest.note);
  } catch (error) {
    return { status: 'mismatch', why: messageOf(error) };
  }
  if (seen.origin !== receipt.origin) return { status: 'mismatch', why: `it is of the log ${seen.origin}` };
  if (seen.size > BigInt(receipt.size)) return { status: 'not_kept' };
  if (seen.size < BigInt(receipt.size))
    return { status: 'missing', why: `the witness has seen size ${seen.size} only` };
  if (seen.root !== receipt.root) return { status: 'mismatch', why: 'the witness has seen another root' };
  return { status: 'kept', ...(newest.attested_at === undefined ? {} : { attested_at: newest.attested_at }) };
}

/**
 * Whether a ledger checkpoint, with what its witnesses' receipts add to it, is signed by a trusted log key and by as many
 * of the trusted witnesses as the quorum asks. Receipts of other checkpoints add nothing.
 *
 * @throws SpanledgerError `note_invalid` where the log has not signed it, or any signature of a trusted key is bad
 */
export function meetsQuorum(note: string, receipts: readonly Receipt[], trust: Trust): boolean {
  const { text } = parseCheckpoint(note).note;
  const cosignatures = receipts.flatMap((receipt) =>
    receipt.kind === 'witness' && textOf(receipt) === text ? receipt.proof.cosignatures : [],
  );
  const { signers } = openCheckpoint(
    withSignatures(note, cosignatures.map(parseSignature)),
    trustedKeys(trust),
  );
  return quorumMet(
    trust,
    signers.map(({ vkey }) => vkey),
  );
}

/** A receipt as it stands in a record, which anybody may have written: undefined for what is none. */
export function parseReceipt(value: unknown): Receipt | undefined {
  const { anchor, kind, origin, size, root, attested_at, proof } = Object(value) as {
    [field: string]: unknown;
  };
  const fields: { [kind: string]: readonly string[] } = {
    directory: ['file', 'sha256'],
    s3: ['bucket', 'key', 'etag', 'sha256'],
    tsa: ['token', 'nonce', 'policy', 'serial'],
    witness: [],
  };
  const wanted = typeof kind === 'string' && Object.hasOwn(fields, kind) ? fields[kind] : undefined;
  const said = Object(proof) as { [field: string]: unknown };
  const isText = (text: unknown) => typeof text === 'string';
  const isWhole =
    wanted?.every((field) => isText(said[field])) === true &&
    (kind !== 'witness' || (Array.isArray(said.cosignatures) && said.cosignatures.every(isText))) &&
    (said.version_id === undefined || isText(said.version_id)) &&
    isText(anchor) &&
    (attested_at === undefined || isText(attested_at)) &&
    isCheckpoint(origin, size, root);
  return isWhole ? (value as Receipt) : undefined;
}

function isCheckpoint(origin: unknown, size: unknown, root: unknown): boolean {
  if (typeof origin !== 'string' || typeof root !== 'string' || !Number.isSafeInteger(size)) return false;
  try {
    return textOf({ origin, size: size as number, root }) !== '';
  } catch (error) {
    if (isSpanledgerError(error, 'note_invalid')) return false;
    throw error;
  }
}
