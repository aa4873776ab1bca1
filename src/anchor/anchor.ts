import { hash } from 'node:crypto';
import { checkpointText } from '../chain/checkpoint.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';

/** Who can hold a checkpoint: a folder, a bucket, a timestamp authority (RFC 3161), a C2SP witness. */
export type AnchorKind = 'directory' | 's3' | 'tsa' | 'witness';

/** A ledger checkpoint: what it says, and the signed note that says it. */
export interface Checkpoint {
  origin: string;
  size: number;
  /** The RFC 6962 root of the first `size` records of the control chain, hex. */
  root: string;
  note: string;
}

/** What every receipt says, whoever gave it: of which checkpoint it is. */
interface Receipted {
  /** The anchor's name in the settings. */
  anchor: string;
  origin: string;
  size: number;
  root: string;
  /** RFC 3339, six decimals. Only where somebody who is not us says that the checkpoint was there at that time. */
  attested_at?: string;
}

export interface DirectoryProof {
  /** Below the anchor's path. */
  file: string;
  /** Of the note's bytes, hex. */
  sha256: string;
}

export interface S3Proof {
  bucket: string;
  key: string;
  /** Absent where the bucket keeps one version only. */
  version_id?: string;
  etag: string;
  sha256: string;
  /** As the store said when it was read back. */
  lock?: { mode: string; until: string };
}

export interface TsaProof {
  /** The whole TimeStampToken, DER, base64: of the SHA-256 of the checkpoint's text. */
  token: string;
  /** What was asked with it, hex. */
  nonce: string;
  /** The authority's policy, a dotted object identifier. */
  policy: string;
  /** Hex. */
  serial: string;
}

export interface WitnessProof {
  /** Signature lines of the configured witness, over the checkpoint's text. */
  cosignatures: string[];
}

/** What an anchor's `publish` gave: plain JSON, the `control` of a `checkpoint_anchored` record. */
export type Receipt = Receipted &
  (
    | { kind: 'directory'; proof: DirectoryProof }
    | { kind: 's3'; proof: S3Proof }
    | { kind: 'tsa'; proof: TsaProof }
    | { kind: 'witness'; proof: WitnessProof }
  );
export type ReceiptOf<K extends AnchorKind> = Receipt & { kind: K };

/** What an anchor itself holds, read back from it: as it is there, not as it should be. */
export interface Anchored {
  anchor: string;
  kind: AnchorKind;
  /** File, object key or address. */
  place: string;
  /** Of an object in a bucket that keeps versions. A place may have several. */
  version_id?: string;
  /** The text that is there. Absent where the place has been deleted and the anchor still tells of it. */
  note?: string;
  /** RFC 3339, six decimals: since when it is there, by the word of the anchor. */
  attested_at?: string;
}

/** Whose checkpoints, and from which size on. */
export interface Wanted {
  origin: string;
  /** @default 0 */
  from?: number;
}

/**
 * Somebody who keeps a checkpoint where the ledger's operator cannot change it. `publish` is idempotent: a checkpoint
 * that is there already is a receipt, not an error. Durable with the anchor when it resolves.
 */
export interface Anchor {
  readonly name: string;
  readonly kind: AnchorKind;
  /**
   * @throws SpanledgerError `anchor_unreachable` (again later), `anchor_refused` (it does not take it: ours to mend, or
   * it holds another one of that size), `anchor_mismatch` (what it answered is not what was asked: believe nothing of it)
   */
  publish(checkpoint: Checkpoint): Promise<Receipt>;
  /**
   * What it holds, by size. Empty where it keeps nothing that can be read back (a timestamp authority).
   *
   * @throws SpanledgerError as `publish`
   */
  list(wanted: Wanted): Promise<Anchored[]>;
}

/** Milliseconds that one publishing, or one page of a list, may take. */
export const TIME_LIMIT_MS = 20_000;

/** Bytes of a note at most: some hundred signatures. Whatever is longer is none. */
export const MAX_NOTE_BYTES = 64 * 1024;

/** What is signed, cosigned and timestamped: the note without its signatures. @throws SpanledgerError `note_invalid` */
export function textOf({ origin, size, root }: Pick<Checkpoint, 'origin' | 'size' | 'root'>): string {
  return checkpointText({ origin, size: BigInt(size), root });
}

/** Digits of 2^53: names sort as sizes. */
const SIZE_DIGITS = 16;

/** Where an anchor that has places keeps the checkpoints of a ledger: an origin may hold any character. */
export function folderOf(origin: string): string {
  return hash('sha256', origin);
}

export function placeOf(origin: string, size: number): string {
  return `${folderOf(origin)}/${String(size).padStart(SIZE_DIGITS, '0')}.checkpoint`;
}

/** The size in a place's name, or undefined for what is none of ours. */
export function sizeAt(name: string): number | undefined {
  const match = /^(\d{16})\.checkpoint$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/**
 * Whatever is not done in time is unreachable, also where a system call hangs (a network mount whose server is gone).
 *
 * @throws SpanledgerError of the work, or `anchor_unreachable` for all else that it throws
 */
export async function within<T>(
  anchor: string,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(milliseconds);
  let late = () => {};
  const limit = new Promise<never>((_, reject) => {
    late = () => reject(unreachable(anchor, `no answer within ${milliseconds} ms`));
    signal.addEventListener('abort', late, { once: true });
  });
  // The signal alone keeps no process alive, and a socket that says nothing may not either.
  const held = setTimeout(() => {}, milliseconds + 1_000);
  try {
    return await Promise.race([work(signal), limit]);
  } catch (error) {
    if (isSpanledgerError(error)) throw error;
    throw unreachable(anchor, reasonOf(error), error);
  } finally {
    signal.removeEventListener('abort', late);
    clearTimeout(held);
  }
}

export function unreachable(anchor: string, why: string, cause?: unknown, hint?: string): SpanledgerError {
  return new SpanledgerError('anchor_unreachable', `anchor ${anchor}: ${why}`, {
    cause,
    hint: hint ?? 'the checkpoint stays due; look whether the anchor is up and its address right',
  });
}

export function refused(anchor: string, why: string, hint: string): SpanledgerError {
  return new SpanledgerError('anchor_refused', `anchor ${anchor}: ${why}`, { hint });
}

export function mismatch(anchor: string, why: string, hint?: string): SpanledgerError {
  return new SpanledgerError('anchor_mismatch', `anchor ${anchor}: ${why}`, {
    hint: hint ?? 'take nothing it says as proof until you know why: is it the anchor you meant?',
  });
}

/** It holds a checkpoint of this size with other bytes: one of the two was never meant to be. */
export function taken(anchor: string, place: string): SpanledgerError {
  return refused(
    anchor,
    `${place} holds another checkpoint of this size`,
    'nothing was overwritten; run `spanledger verify`: either it was altered there, or this ledger was rebuilt',
  );
}

/** `fetch` says only that it failed; why is in the cause. */
function reasonOf(error: unknown): string {
  const { cause } = Object(error) as { cause?: unknown };
  return messageOf(cause ?? error);
}
