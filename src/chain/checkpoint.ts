import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { EMPTY_ROOT, isHash } from './merkle.ts';
import {
  cosignedMessage,
  type Note,
  type NoteSignature,
  parseNote,
  signedNote,
  type VerifiedSignature,
  verifyNote,
} from './note.ts';
import type { LocalSigner, Signer } from './signer.ts';
import { COSIGNATURE, ED25519, parseVkey, type Vkey } from './vkey.ts';

/** What a log says of itself: https://c2sp.org/tlog-checkpoint. */
export interface Checkpoint {
  /** Names the log. Its key has the same name. */
  readonly origin: string;
  /** Records below it are covered. */
  readonly size: bigint;
  /** 64 lower-case hex digits. */
  readonly root: string;
}

export interface ParsedCheckpoint extends Checkpoint {
  /** Lines after the root. Ours have none. */
  readonly extensions: readonly string[];
  readonly note: Note;
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,18})$/;
const SIZE_LIMIT = 1n << 63n;

/** A decimal without leading zeros, below 2^63; undefined for anything else. */
export function parseSize(text: string): bigint | undefined {
  const size = DECIMAL.test(text) ? BigInt(text) : SIZE_LIMIT;
  return size < SIZE_LIMIT ? size : undefined;
}

/** @throws SpanledgerError `note_invalid` for an origin, a size or a root that no checkpoint can hold. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${base64Of(Buffer.from(root, 'hex'))}\n`;
  const read = isHash(root) ? parseText(text) : undefined;
  if (read?.origin !== origin || read.size !== size) throw invalid('its origin, size or root is not one');
  return text;
}

function parseText(text: string): Omit<ParsedCheckpoint, 'note'> {
  const [origin, decimal, base64, ...extensions] = text.split('\n');
  // The text ends in a line feed, after which nothing stands.
  if (extensions.pop() !== '') throw invalid('it has fewer than three lines');
  if (!origin) throw invalid('its origin is empty');
  const size = parseSize(decimal!);
  if (size === undefined) throw invalid('its size is not a decimal below 2^63 without leading zeros');
  const bytes = bytesOfBase64(base64!);
  if (bytes?.length !== 32) throw invalid('its root is not the base64 of 32 bytes');
  const root = bytes.toString('hex');
  if (size === 0n && root !== EMPTY_ROOT) throw invalid('its root is not the one that no records have');
  if (extensions.includes('')) throw invalid('one of its lines is empty');
  return { origin, size, root, extensions };
}

/** Checks no signature. @throws SpanledgerError `note_invalid` */
export function parseCheckpoint(note: string | Uint8Array): ParsedCheckpoint {
  const parsed = parseNote(note);
  return { ...parseText(parsed.text), note: parsed };
}

/** @throws SpanledgerError `note_invalid`; `key_invalid` for a signer whose name is not the origin */
export async function signCheckpoint(checkpoint: Checkpoint, signer: Signer): Promise<string> {
  const { text, vkey } = toSign(checkpoint, signer);
  return signedBy(vkey, text, await signer.sign(Buffer.from(text)));
}

/** As `signCheckpoint`, where nothing may come between: inside a journal's transaction. */
export function signCheckpointSync(checkpoint: Checkpoint, signer: LocalSigner): string {
  const { text, vkey } = toSign(checkpoint, signer);
  return signedBy(vkey, text, signer.signSync(Buffer.from(text)));
}

function toSign(checkpoint: Checkpoint, signer: Signer): { text: string; vkey: Vkey } {
  const vkey = parseVkey(signer.vkey);
  if (vkey.name !== checkpoint.origin || vkey.type !== ED25519)
    throw new SpanledgerError(
      'key_invalid',
      `${vkey.name} may not sign checkpoints of ${checkpoint.origin}`,
      {
        hint: 'The name of a key that signs checkpoints is their origin.',
      },
    );
  return { text: checkpointText(checkpoint), vkey };
}

function signedBy(vkey: Vkey, text: string, blob: Uint8Array): string {
  return signedNote(text, [{ name: vkey.name, keyId: vkey.id, blob }]);
}

export interface OpenedCheckpoint extends ParsedCheckpoint {
  /** The log's key, by which it is signed. */
  readonly log: Vkey;
  /** All good signatures by the keys given: the log's and its witnesses'. */
  readonly signers: readonly VerifiedSignature[];
}

/**
 * A checkpoint signed by its own log, whatever else has signed it.
 *
 * @throws SpanledgerError `note_invalid` where it is not, or any signature of a key given is bad
 */
export function openCheckpoint(note: string | Uint8Array, keys: readonly Vkey[]): OpenedCheckpoint {
  const checkpoint = parseCheckpoint(note);
  const signers = verifyNote(checkpoint.note, keys);
  const log = signers.find(({ vkey }) => vkey.type === ED25519 && vkey.name === checkpoint.origin)?.vkey;
  if (log === undefined)
    throw invalid(`no trusted key of ${JSON.stringify(checkpoint.origin)} has signed it`);
  return { ...checkpoint, log, signers };
}

/**
 * A witness's signature over a checkpoint it has seen to be consistent with those before it.
 *
 * @param time Unix seconds
 * @throws SpanledgerError `note_invalid`; `key_invalid` for a signer that is not a witness's
 */
export async function cosign(
  note: string | Uint8Array,
  signer: Signer,
  time: number,
): Promise<NoteSignature> {
  const { note: parsed } = parseCheckpoint(note);
  const vkey = parseVkey(signer.vkey);
  if (vkey.type !== COSIGNATURE)
    throw new SpanledgerError('key_invalid', `the key of ${vkey.name} is not a witness's`, {
      hint: 'A witness signs with a key of type 4, which signs nothing else.',
    });
  if (!Number.isSafeInteger(time) || time < 0) throw invalid(`${time} is not a time in Unix seconds`);
  const blob = Buffer.alloc(72);
  blob.writeBigUInt64BE(BigInt(time));
  blob.set(await signer.sign(cosignedMessage(parsed.text, time)), 8);
  return { name: vkey.name, keyId: vkey.id, blob };
}

/** The same note with more signatures, each once. @throws SpanledgerError `note_invalid` */
export function withSignatures(note: string | Uint8Array, more: readonly NoteSignature[]): string {
  const { text, signatures } = parseNote(note);
  const all = new Map(
    [...signatures, ...more].map((each) => [`${each.name} ${each.keyId} ${base64Of(each.blob)}`, each]),
  );
  return signedNote(text, [...all.values()]);
}

function invalid(what: string): SpanledgerError {
  return new SpanledgerError('note_invalid', `not a checkpoint to rely on: ${what}`);
}
