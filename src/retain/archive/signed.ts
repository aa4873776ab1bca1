import { openCheckpoint } from '../../chain/checkpoint.ts';
import type { ReadManifest } from '../../chain/manifest.ts';
import { verifyNote } from '../../chain/note.ts';
import type { Vkey } from '../../chain/vkey.ts';
import { isSpanledgerError, messageOf } from '../../errors.ts';

/** Why a manifest is none of its ledger, by the keys that may sign for it; undefined where it is. */
export function whyUnsigned(
  { note, manifest }: Pick<ReadManifest, 'note' | 'manifest'>,
  keys: readonly Vkey[],
): string | undefined {
  try {
    const isOwn = verifyNote(note, keys).some(({ vkey }) => vkey.name === manifest.origin);
    return isOwn ? undefined : `it is not signed by a key of ${manifest.origin}`;
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    return error.message;
  }
}

/** The checkpoint that a manifest has, or why it is none of its ledger. */
export function checkpointOf(
  { manifest: { checkpoint, origin } }: Pick<ReadManifest, 'manifest'>,
  keys: readonly Vkey[],
): ReturnType<typeof openCheckpoint> | string {
  try {
    const opened = openCheckpoint(checkpoint, keys);
    return opened.origin === origin ? opened : `its checkpoint: it is of ${opened.origin}`;
  } catch (error) {
    return `its checkpoint: ${messageOf(error)}`;
  }
}
