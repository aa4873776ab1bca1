import { type ParsedCheckpoint, parseCheckpoint } from '../chain/checkpoint.ts';
import { verifyNote } from '../chain/note.ts';
import { parseVkey, type Vkey } from '../chain/vkey.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';

/** A checkpoint in a chain, and what the chain is there. */
export interface NoteInPlace {
  chainId: string;
  seq: bigint;
  /** Undefined where the record has none. */
  note: string | undefined;
  /** Recomputed over all records before it; undefined where one of them is missing. */
  root: string | undefined;
}

export type NoteVerdict =
  | { kind: 'good'; checkpoint: ParsedCheckpoint }
  /** As far as can be seen: nothing was left to compare it with. */
  | { kind: 'unchecked' }
  | { kind: 'invalid' | 'untrusted' | 'mismatch'; why: string };

/**
 * Whether a note is a checkpoint of these records: of that origin, as large as its place, signed by one of the keys,
 * over the root that they have. `keys` are those that may sign at that place.
 */
export function judgeNote({ seq, note, root }: NoteInPlace, keys: readonly Vkey[]): NoteVerdict {
  if (note === undefined) return { kind: 'invalid', why: 'it holds no checkpoint' };
  let checkpoint: ParsedCheckpoint;
  try {
    checkpoint = parseCheckpoint(note);
  } catch (error) {
    return { kind: 'invalid', why: messageOf(error) };
  }
  const { origin, size } = checkpoint;
  if (size !== seq) return { kind: 'invalid', why: `its checkpoint is of size ${size}, not of its place` };
  const names = new Set(keys.map(({ name }) => name));
  if (names.size > 0 && !names.has(origin))
    return {
      kind: 'invalid',
      why: `its checkpoint is of ${JSON.stringify(origin)}, not of ${[...names].join(', ')}`,
    };
  const { signatures } = checkpoint.note;
  const isKnown = keys.some(({ name, id }) =>
    signatures.some((each) => each.name === name && each.keyId === id),
  );
  if (!isKnown) return { kind: 'untrusted', why: 'its checkpoint is not signed by a key that may' };
  try {
    verifyNote(checkpoint.note, keys);
  } catch (error) {
    return { kind: 'invalid', why: messageOf(error) };
  }
  if (root === undefined) return { kind: 'unchecked' };
  if (root !== checkpoint.root)
    return { kind: 'mismatch', why: 'the records before it have another root than its checkpoint says' };
  return { kind: 'good', checkpoint };
}

/** The key of a writer, as its chain or a round names it: of that chain alone. */
export function writerKey(vkey: string, chainId: string): Vkey | undefined {
  try {
    const key = parseVkey(vkey);
    return key.name.endsWith(`/${chainId}`) ? key : undefined;
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}
