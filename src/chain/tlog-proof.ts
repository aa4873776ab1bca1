import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { type OpenedCheckpoint, openCheckpoint, parseCheckpoint, parseSize } from './checkpoint.ts';
import { isHash, verifyInclusion } from './merkle.ts';
import type { Vkey } from './vkey.ts';

/** That a leaf stands in a log, on one page, to be checked offline: https://c2sp.org/tlog-proof. */
export interface TlogProof {
  readonly index: bigint;
  /** Siblings from the leaf to the root, hex. */
  readonly proof: readonly string[];
  /** A signed note, to the letter. */
  readonly checkpoint: string;
  /** Whatever else the reader needs. Nothing vouches for it. */
  readonly extra?: Uint8Array;
}

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^63 leaves is 63 levels high. */
const MAX_HASHES = 63;
const MAX_LENGTH = 4_000_000;

/** @throws SpanledgerError `proof_invalid` or `note_invalid` for what `parseTlogProof` would refuse */
export function formatTlogProof({ index, proof, checkpoint, extra }: TlogProof): string {
  if (!proof.every(isHash)) throw invalid('a hash is not 64 lower-case hex digits');
  const lines = [
    FIRST_LINE,
    ...(extra === undefined ? [] : [`extra ${base64Of(extra)}`]),
    `index ${index}`,
    ...proof.map((each) => base64Of(Buffer.from(each, 'hex'))),
  ];
  const text = `${lines.join('\n')}\n\n${checkpoint}`;
  parseTlogProof(text);
  return text;
}

/** Checks form only. @throws SpanledgerError `proof_invalid`, or `note_invalid` for its checkpoint */
export function parseTlogProof(text: string): TlogProof {
  if (text.length > MAX_LENGTH) throw invalid('it is too long');
  const at = text.indexOf('\n\n');
  if (at < 0) throw invalid('it has no blank line before its checkpoint');
  const [first, ...lines] = text.slice(0, at).split('\n');
  if (first !== FIRST_LINE) throw invalid(`it does not begin with ${FIRST_LINE}`);
  const extra = lines[0]?.startsWith('extra ') ? bytesOf(lines.shift()!.slice('extra '.length)) : undefined;
  const index = parseSize(/^index (\S+)$/.exec(lines.shift() ?? '')?.[1] ?? '');
  if (index === undefined) throw invalid('its index is not a decimal below 2^63 without leading zeros');
  if (lines.length > MAX_HASHES) throw invalid(`it has more than ${MAX_HASHES} hashes`);
  const proof = lines.map((line) => {
    const bytes = bytesOf(line);
    if (bytes.length !== 32) throw invalid('a hash is not of 32 bytes');
    return bytes.toString('hex');
  });
  const checkpoint = text.slice(at + 2);
  parseCheckpoint(checkpoint);
  return { index, proof, checkpoint, ...(extra === undefined ? {} : { extra }) };
}

function bytesOf(base64: string): Buffer {
  const bytes = bytesOfBase64(base64);
  if (bytes === undefined || bytes.length === 0) throw invalid('it holds something that is not base64');
  return bytes;
}

/**
 * The checkpoint that proves the leaf. Whether enough witnesses have seen it is `quorumMet`'s to say.
 *
 * @param leaf the leaf's hash, recomputed from what it is said to be
 * @throws SpanledgerError `proof_invalid` or `note_invalid` where it proves nothing
 */
export function openTlogProof(proof: TlogProof, leaf: string, keys: readonly Vkey[]): OpenedCheckpoint {
  const checkpoint = openCheckpoint(proof.checkpoint, keys);
  const { size, root } = checkpoint;
  if (!verifyInclusion({ index: proof.index, size, leaf, proof: proof.proof, root }))
    throw invalid(`its hashes do not lead from this leaf at ${proof.index} to the root of its checkpoint`);
  return checkpoint;
}

function invalid(what: string): SpanledgerError {
  return new SpanledgerError('proof_invalid', `not a proof of inclusion: ${what}`);
}
