import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { verifyEd25519 } from './signer.ts';
import { COSIGNATURE, isKeyName, type Vkey } from './vkey.ts';

/** A C2SP signed note: https://c2sp.org/signed-note. */
export interface Note {
  /** What is signed, with the line feed it ends in. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  /** Eight hex digits. */
  readonly keyId: string;
  /** What follows the id; its form is for the key's type to say. */
  readonly blob: Uint8Array;
}

/** More than a checkpoint with a hundred signatures needs. */
const MAX_NOTE_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;

/**
 * @param maxBytes of a note that is none of a checkpoint.
 * @throws SpanledgerError `note_invalid` for anything that is not a signed note to the letter.
 */
export function parseNote(note: string | Uint8Array, maxBytes = MAX_NOTE_BYTES): Note {
  const whole = textOf(note, maxBytes);
  const at = whole.lastIndexOf('\n\n');
  if (at < 0) throw invalid('it has no blank line before its signatures');
  const text = whole.slice(0, at + 1);
  const lines = whole.slice(at + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0) throw invalid('it does not end in lines of signatures');
  if (lines.length > MAX_SIGNATURES) throw invalid(`it has more than ${MAX_SIGNATURES} signatures`);
  return { text, signatures: lines.map(parseSignature) };
}

function textOf(note: string | Uint8Array, maxBytes: number): string {
  if (note.length > maxBytes) throw invalid(`it is longer than ${maxBytes} bytes`);
  const text = typeof note === 'string' ? note : utf8(note);
  if (Buffer.byteLength(text) > maxBytes) throw invalid(`it is longer than ${maxBytes} bytes`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused.
  if (!text.isWellFormed() || /[\0-\x09\x0b-\x1f]/.test(text)) throw invalid('it holds control characters');
  return text;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid('it is not UTF-8', cause);
  }
}

/**
 * The signature in one line of a note, without its line feed; a witness answers with such lines.
 *
 * @throws SpanledgerError `note_invalid`
 */
export function parseSignature(line: string): NoteSignature {
  const match = /^— ([^ ]+) ([^ ]+)$/u.exec(line);
  const bytes = match === null ? undefined : bytesOfBase64(match[2]!);
  if (match === null || bytes === undefined || bytes.length < 5 || !isKeyName(match[1]!))
    throw invalid('a line after its blank line is not a signature');
  return { name: match[1]!, keyId: bytes.toString('hex', 0, 4), blob: bytes.subarray(4) };
}

/** One signature's line, without its line feed. */
export function signatureLine({ name, keyId, blob }: NoteSignature): string {
  return `— ${name} ${base64Of(Buffer.concat([Buffer.from(keyId, 'hex'), blob]))}`;
}

/** The note of a text and its signatures. @throws SpanledgerError `note_invalid` if `parseNote` would refuse it. */
export function signedNote(
  text: string,
  signatures: readonly NoteSignature[],
  maxBytes = MAX_NOTE_BYTES,
): string {
  if (!text.endsWith('\n')) throw invalid('its text does not end in a line feed');
  const note = `${text}\n${signatures.map((each) => `${signatureLine(each)}\n`).join('')}`;
  parseNote(note, maxBytes);
  return note;
}

export interface VerifiedSignature {
  readonly vkey: Vkey;
  /** Unix seconds at which a witness says it saw the text; of cosignatures only. */
  readonly time?: number;
}

/**
 * The good signatures by these keys. Those of other keys are passed over.
 *
 * @throws SpanledgerError `note_invalid` if any signature of a known key is bad, or none is good; `key_invalid`
 * for two keys that a signature could not tell apart
 */
export function verifyNote(note: Note, keys: readonly Vkey[]): VerifiedSignature[] {
  const known = new Map<string, Vkey>();
  for (const key of keys) {
    const place = `${key.name}+${key.id}`;
    const before = known.get(place);
    if (before !== undefined && before.text !== key.text)
      throw new SpanledgerError('key_invalid', `two public keys are called ${JSON.stringify(place)}`, {
        hint: 'One of them was made to be taken for the other: keep the one you can confirm.',
      });
    known.set(place, key);
  }
  const verified = new Map<Vkey, VerifiedSignature>();
  for (const { name, keyId, blob } of note.signatures) {
    const vkey = known.get(`${name}+${keyId}`);
    if (vkey === undefined) continue;
    const good = verifySignature(vkey, note.text, blob);
    if (good === undefined) throw invalid(`the signature of ${JSON.stringify(name)} is bad`);
    if (!verified.has(vkey)) verified.set(vkey, good);
  }
  if (verified.size === 0) throw invalid('none of its signatures is by a trusted key');
  return [...verified.values()];
}

/** undefined for a bad signature. */
function verifySignature(vkey: Vkey, text: string, blob: Uint8Array): VerifiedSignature | undefined {
  if (vkey.type !== COSIGNATURE)
    return verifyEd25519(vkey.publicKey, Buffer.from(text), blob) ? { vkey } : undefined;
  if (blob.length !== 72) return undefined;
  const time = Buffer.from(blob).readBigUInt64BE();
  if (time > Number.MAX_SAFE_INTEGER) return undefined;
  const message = cosignedMessage(text, Number(time));
  return verifyEd25519(vkey.publicKey, message, blob.subarray(8)) ? { vkey, time: Number(time) } : undefined;
}

/**
 * What a witness signs: the time, in Unix seconds, and the text of the checkpoint
 * (https://c2sp.org/tlog-cosignature). It does not name the witness: a witness needs a key of its own.
 */
export function cosignedMessage(text: string, time: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}

function invalid(what: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('note_invalid', `not a signed note to rely on: ${what}`, { cause });
}
