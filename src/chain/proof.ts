import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { parseSize } from './checkpoint.ts';
import { type Entry, entryText } from './entry.ts';
import { isHash } from './merkle.ts';
import { formatTlogProof, parseTlogProof, type TlogProof } from './tlog-proof.ts';

/**
 * That a record stands in a ledger, in one file that needs nothing beside it but the ledger's public key (SPEC.md,
 * "Proofs"): the record, the round of the control chain that lists its chain, and a C2SP proof that the round stands
 * below a ledger checkpoint. Here is its form; `check-proof.ts` says what it proves.
 */
export interface Proof {
  record: Placed;
  /** Absent for a record of the control chain, which stands below the checkpoint itself. */
  listed?: Listed;
  /** Of the round, else of the record. */
  ledger: TlogProof;
}

/** A record at its place, with its payload or without. */
export interface Placed {
  entry: Entry & { seq: bigint };
  payload?: string;
}

/** How a record stands among those of its chain that a round lists. */
export interface Listed {
  /** Of the chain in that round. */
  size: bigint;
  /** Siblings from the record to the chain's root, hex. */
  hashes: readonly string[];
  round: Placed & { payload: string };
}

const FIRST_LINE = 'spanledger/proof/v1';
/** Far more than the largest record and the longest round. */
export const MAX_PROOF_BYTES = 64 * 1024 * 1024;
/** A tree of 2^63 leaves is 63 levels high. */
const MAX_HASHES = 63;

/** @throws SpanledgerError `proof_invalid` or `note_invalid` for what `parseProof` would refuse */
export function formatProof({ record, listed, ledger }: Proof): string {
  const chain = listed === undefined ? '' : `${chainText(listed)}\nround\n${placedText(listed.round)}`;
  const text = `${FIRST_LINE}\n\nrecord\n${placedText(record)}${chain}\n${formatTlogProof(ledger)}`;
  parseProof(text);
  return text;
}

function placedText({ entry, payload }: Placed): string {
  return entryText(entry) + (payload === undefined ? '' : `payload ${payload}\n`);
}

function chainText({ size, hashes }: Listed): string {
  if (!hashes.every(isHash)) throw new SpanledgerError('proof_invalid', 'a hash is not 64 hex digits');
  return `size ${size}\n${hashes.map((each) => `${base64Of(Buffer.from(each, 'hex'))}\n`).join('')}`;
}

/**
 * Checks form only: every line is one of those that `formatProof` writes, and writes again to the byte.
 *
 * @throws SpanledgerError `proof_unreadable` for what is no proof at all; `proof_invalid`, `note_invalid` with the
 * number of the line
 */
export function parseProof(file: string | Uint8Array): Proof {
  const lines = new Lines(textOf(file));
  if (lines.next() !== FIRST_LINE) throw unreadable(`it does not begin with the line ${FIRST_LINE}`);
  lines.expect('');
  lines.expect('record');
  const record = { entry: readEntry(lines), ...readPayload(lines) };
  const listed = readListed(lines);
  lines.expect('');
  return { record, ...(listed === undefined ? {} : { listed }), ledger: readLedger(lines) };
}

function textOf(file: string | Uint8Array): string {
  if (file.length > MAX_PROOF_BYTES) throw unreadable(`it is longer than ${MAX_PROOF_BYTES} bytes`);
  if (typeof file === 'string') return file;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file);
  } catch (cause) {
    throw unreadable('it is not UTF-8', cause);
  }
}

const HEX = '[0-9a-f]{64}';
/** Below 2^53. */
const SECONDS = '0|[1-9][0-9]{0,14}';
const ENTRY: readonly [string, RegExp][] = [
  ['the first line of an entry', /^spanledger\/entry\/v1$/],
  ['the id of a ledger', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/],
  ['the id of a chain', /^[a-z0-9][a-z0-9._-]{0,127}$/],
  ['a seq', /^(?:0|[1-9][0-9]{0,18})$/],
  ['a time in Unix seconds', new RegExp(`^(?:${SECONDS})$`)],
  ['a hash of 64 lower-case hex digits', new RegExp(`^${HEX}$`)],
  ['a digest of 64 lower-case hex digits', new RegExp(`^${HEX}$`)],
];

function readEntry(lines: Lines): Placed['entry'] {
  const [, ledgerId, chainId, decimal, seconds, prevHash, payloadDigest] = ENTRY.map(([what, form]) => {
    const line = lines.next();
    return form.test(line) ? line : lines.refuse(`it is not ${what}`);
  }) as [string, string, string, string, string, string, string];
  const seq = parseSize(decimal) ?? lines.refuse('its seq is not below 2^63');
  return { ledgerId, chainId, seq, expiresAt: Number(seconds), prevHash, payloadDigest };
}

const PAYLOAD = 'payload ';

function readPayload(lines: Lines): { payload?: string } {
  return lines.peek().startsWith(PAYLOAD) ? { payload: lines.next().slice(PAYLOAD.length) } : {};
}

function readListed(lines: Lines): Listed | undefined {
  if (lines.peek() === '') return undefined;
  const size = parseSize(/^size (\S+)$/.exec(lines.next())?.[1] ?? '');
  if (size === undefined) lines.refuse('it is neither a payload nor a size');
  const hashes: string[] = [];
  for (let line = lines.next(); line !== ''; line = lines.next()) {
    const bytes = bytesOfBase64(line);
    if (bytes?.length !== 32) lines.refuse('it is not the base64 of 32 bytes');
    if (hashes.push(bytes!.toString('hex')) > MAX_HASHES)
      lines.refuse(`there are more than ${MAX_HASHES} hashes`);
  }
  lines.expect('round');
  const entry = readEntry(lines);
  const { payload } = readPayload(lines);
  if (payload === undefined) return lines.refuse('the payload of the round is not there');
  return { size: size!, hashes, round: { entry, payload } };
}

/** To the end of the file, which a signature is. */
function readLedger(lines: Lines): TlogProof {
  const ledger = parseTlogProof(lines.rest());
  if (ledger.extra !== undefined) return lines.refuse('nothing vouches for what is extra');
  return ledger;
}

class Lines {
  readonly #text: string;
  #at = 0;
  #number = 0;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string {
    const line = this.peek();
    this.#at += line.length + 1;
    this.#number++;
    return line;
  }

  peek(): string {
    const end = this.#text.indexOf('\n', this.#at);
    if (end < 0) throw this.#at === 0 ? unreadable('it has no lines') : this.refuse('it ends too early');
    return this.#text.slice(this.#at, end);
  }

  rest(): string {
    return this.#text.slice(this.#at);
  }

  expect(line: string): void {
    if (this.next() !== line) this.refuse(line === '' ? 'it is not empty' : `it is not "${line}"`);
  }

  refuse(what: string): never {
    throw new SpanledgerError('proof_invalid', `not a proof: line ${this.#number}: ${what}`);
  }
}

function unreadable(why: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('proof_unreadable', `not a proof: ${why}`, {
    cause,
    hint: 'give a file that `spanledger prove` wrote, whole',
  });
}
