import { parseSize } from '../chain/checkpoint.ts';
import { type NoteSignature, parseNote, parseSignature, signatureLine, verifyNote } from '../chain/note.ts';
import { parseVkey, type Vkey } from '../chain/vkey.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import { fromMicroseconds } from '../record/time.ts';
import {
  type Anchor,
  type Anchored,
  type Checkpoint,
  folderOf,
  MAX_NOTE_BYTES,
  mismatch,
  type ReceiptOf,
  refused,
  TIME_LIMIT_MS,
  textOf,
  unreachable,
  type Wanted,
  within,
} from './anchor.ts';
import { type Answer, ask } from './http.ts';

/** The RFC 6962 proof, in hex, that the first `from` records are the beginning of the first `to`. 0 < from < to. */
export type Consistency = (from: number, to: number) => Promise<readonly string[]>;

export interface WitnessOptions {
  name: string;
  /** Its submission prefix: `add-checkpoint` is below it. */
  url: string;
  /** The key it cosigns with, of type 4. */
  vkey: string;
  /** Its monitoring prefix, where the newest checkpoint it has seen can be read. Without it `list` is empty. */
  monitor?: string | undefined;
  consistency: Consistency;
  /** @default TIME_LIMIT_MS */
  timeLimitMs?: number | undefined;
}

const SIZE_TYPE = 'text/x.tlog.size';
/** Of the specification: a proof is no longer. */
const MAX_PROOF = 63;

/**
 * A C2SP witness (https://c2sp.org/tlog-witness): signs with the time that it saw the checkpoint, if it continues the
 * one it saw before. It alone finds a ledger that was rolled back or rebuilt at the moment it is anchored.
 */
export class WitnessAnchor implements Anchor {
  readonly kind = 'witness';
  readonly name: string;
  readonly #options: WitnessOptions;
  readonly #vkey: Vkey;
  /** What it has seen of us, as far as this process knows: 0 costs one question more. */
  #seen = 0;

  /** @throws SpanledgerError `key_invalid` */
  constructor(options: WitnessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#vkey = parseVkey(options.vkey);
  }

  publish(checkpoint: Checkpoint): Promise<ReceiptOf<'witness'>> {
    const { origin, size, root } = checkpoint;
    return within(this.name, this.#options.timeLimitMs ?? TIME_LIMIT_MS, async (signal) => {
      let answer = await this.#add(checkpoint, this.#seen <= size ? this.#seen : 0, signal);
      if (answer.status === 409) {
        answer = await this.#add(checkpoint, this.#sizeIn(answer, size), signal);
        if (answer.status === 409) throw unreachable(this.name, 'its size changed while it was asked');
      }
      this.#refuse(answer, checkpoint);
      const { time, lines } = cosignaturesIn(this.name, answer.body, textOf(checkpoint), this.#vkey);
      this.#seen = size;
      const proof = { cosignatures: lines };
      return { anchor: this.name, kind: this.kind, origin, size, root, attested_at: time, proof };
    });
  }

  async list({ origin }: Wanted): Promise<Anchored[]> {
    const { monitor, timeLimitMs = TIME_LIMIT_MS } = this.#options;
    if (monitor === undefined) return [];
    const url = `${monitor.replace(/\/$/, '')}/${folderOf(origin)}/checkpoint`;
    const { status, body } = await within(this.name, timeLimitMs, (signal) =>
      ask(this.name, { method: 'GET', url, signal, maxBytes: MAX_NOTE_BYTES, knows: [404] }),
    );
    if (status === 404) return [];
    const note = body.toString('utf8');
    return [{ anchor: this.name, kind: this.kind, place: url, note, ...this.#attestedIn(note) }];
  }

  async #add({ note, size }: Checkpoint, old: number, signal: AbortSignal): Promise<Answer> {
    const proof = old > 0 && old < size ? await this.#options.consistency(old, size) : [];
    if (proof.length > MAX_PROOF) throw new Error(`a consistency proof of ${proof.length} hashes`);
    const lines = proof.map((hash) => `${Buffer.from(hash, 'hex').toString('base64')}\n`);
    return await ask(this.name, {
      method: 'POST',
      url: `${this.#options.url.replace(/\/$/, '')}/add-checkpoint`,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: `old ${old}\n${lines.join('')}\n${note}`,
      signal,
      maxBytes: MAX_NOTE_BYTES,
      knows: [403, 404, 409, 422],
    });
  }

  /** From where to try again. */
  #sizeIn({ headers, body }: Answer, size: number): number {
    const text = body.toString('utf8').replace(/\n$/, '');
    const seen = headers.get('content-type') === SIZE_TYPE ? parseSize(text) : undefined;
    if (seen === undefined) throw mismatch(this.name, 'it answered 409 without the size it has seen');
    if (seen <= BigInt(size)) return Number(seen);
    throw refused(
      this.name,
      `it has seen this ledger at size ${seen}, beyond ${size}`,
      'an older copy of this ledger was restored, or another one has its key: run `spanledger verify`',
    );
  }

  #refuse({ status }: Answer, { origin, size }: Checkpoint): void {
    if (status === 403)
      throw refused(
        this.name,
        'it knows no key that signed this checkpoint',
        `give it the ledger's public key, as in the trust file`,
      );
    if (status === 404)
      throw refused(
        this.name,
        `it does not know the log ${origin}`,
        `ask its operator to add the ledger's key`,
      );
    if (status === 422)
      throw refused(
        this.name,
        `it has seen a checkpoint that the one of size ${size} does not continue`,
        'this ledger was rebuilt, or another one has its key: run `spanledger verify`',
      );
  }

  #attestedIn(note: string): { attested_at?: string } {
    try {
      const time = verifyNote(parseNote(note), [this.#vkey])[0]?.time;
      return time === undefined ? {} : { attested_at: timeOf(time) };
    } catch (error) {
      // Whoever compares it with the ledger finds that too.
      if (isSpanledgerError(error, 'note_invalid')) return {};
      throw error;
    }
  }
}

/**
 * The configured witness's good lines of an answer, and their newest time. Those of others count for nothing.
 *
 * @throws SpanledgerError `anchor_mismatch`
 */
function cosignaturesIn(
  anchor: string,
  body: Buffer,
  text: string,
  vkey: Vkey,
): { time: string; lines: string[] } {
  const signatures = signaturesIn(anchor, body);
  const ours = signatures.filter(({ name, keyId }) => name === vkey.name && keyId === vkey.id);
  return { time: attestedBy(anchor, ours, text, vkey), lines: ours.map(signatureLine) };
}

function signaturesIn(anchor: string, body: Buffer): NoteSignature[] {
  const lines = body.toString('utf8').split('\n');
  try {
    if (lines.pop() !== '') throw new Error('it does not end in a line feed');
    return lines.map(parseSignature);
  } catch (error) {
    throw mismatch(anchor, `what it answered are no signatures: ${messageOf(error)}`);
  }
}

/**
 * When a witness has signed a checkpoint's text.
 *
 * @throws SpanledgerError `anchor_mismatch` where it has not, or any of its signatures is bad
 */
export function attestedBy(
  anchor: string,
  signatures: readonly NoteSignature[],
  text: string,
  vkey: Vkey,
): string {
  try {
    const times = signatures.flatMap((each) => verifyNote({ text, signatures: [each] }, [vkey]));
    const newest = Math.max(...times.map(({ time }) => time ?? Number.NEGATIVE_INFINITY));
    if (newest > 0 && Number.isFinite(newest)) return timeOf(newest);
  } catch (error) {
    if (!isSpanledgerError(error, 'note_invalid')) throw error;
    throw mismatch(anchor, `its cosignature is not by ${vkey.name} over this checkpoint: ${error.message}`);
  }
  throw mismatch(
    anchor,
    `it did not sign as ${vkey.name}`,
    'is its vkey in the settings the one it cosigns with?',
  );
}

/** @param seconds since the epoch; a year of five digits is none */
function timeOf(seconds: number): string {
  return fromMicroseconds(Math.min(seconds, 253_402_300_799) * 1e6);
}
