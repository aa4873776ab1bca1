import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderOf, MAX_NOTE_BYTES, placeOf } from '../../src/anchor/anchor.ts';
import { DirectoryAnchor } from '../../src/anchor/directory.ts';
import { checkpointOf, ORIGIN, refusalOf } from '../support/anchors/checkpoints.ts';
import { temporaryFolder } from '../support/cli.ts';
import { mountMissing, smallDisk } from '../support/tmpfs.ts';

function folder() {
  const path = temporaryFolder();
  return { path, anchor: new DirectoryAnchor({ name: 'worm', path }) };
}

describe('a directory', () => {
  it('keeps a checkpoint in a file of its own, whole, for everybody to read and nobody to change', async () => {
    const { path, anchor } = folder();
    const checkpoint = checkpointOf(42);
    const { origin, size, root, note } = checkpoint;
    const file = placeOf(ORIGIN, 42);
    expect(file).toBe(`${hash('sha256', ORIGIN)}/0000000000000042.checkpoint`);
    expect(await anchor.publish(checkpoint)).toEqual({
      anchor: 'worm',
      kind: 'directory',
      origin,
      size,
      root,
      proof: { file, sha256: hash('sha256', note) },
    });
    expect(readFileSync(join(path, file), 'utf8')).toBe(note);
    expect(statSync(join(path, file)).mode & 0o222).toBe(0);
    expect(readdirSync(join(path, folderOf(ORIGIN)))).toEqual(['0000000000000042.checkpoint']);
  });

  it('gives the same receipt for the same checkpoint, also to several at once', async () => {
    const { path, anchor } = folder();
    const receipts = await Promise.all(Array.from({ length: 8 }, () => anchor.publish(checkpointOf(7))));
    for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
    expect(readdirSync(join(path, folderOf(ORIGIN)))).toHaveLength(1);
  });

  it('lists the checkpoints of one ledger by size, and nothing else that lies there', async () => {
    const { path, anchor } = folder();
    expect(await anchor.list({ origin: ORIGIN })).toEqual([]);
    for (const size of [1_000, 9, 80]) await anchor.publish(checkpointOf(size));
    await anchor.publish(checkpointOf(5, undefined, 'another/ledger'));
    const mine = join(path, folderOf(ORIGIN));
    writeFileSync(join(mine, '.draft-00'), 'half');
    writeFileSync(join(mine, 'README'), '');
    const listed = await anchor.list({ origin: ORIGIN });
    expect(listed).toEqual(
      [9, 80, 1_000].map((size) => ({
        anchor: 'worm',
        kind: 'directory',
        place: placeOf(ORIGIN, size),
        note: checkpointOf(size).note,
      })),
    );
    expect(await anchor.list({ origin: ORIGIN, from: 80 })).toEqual(listed.slice(1));
  });

  it('never overwrites another checkpoint of that size', async () => {
    const { path, anchor } = folder();
    await anchor.publish(checkpointOf(3));
    const other = checkpointOf(3, 'ab'.repeat(32));
    expect(await refusalOf(anchor.publish(other))).toMatchObject({
      code: 'anchor_refused',
      message: expect.stringContaining(placeOf(ORIGIN, 3)),
      hint: expect.stringContaining('verify'),
    });
    expect(readFileSync(join(path, placeOf(ORIGIN, 3)), 'utf8')).toBe(checkpointOf(3).note);
  });

  it('tells of a file that was altered what stands in it now, and takes it for none of ours', async () => {
    const { path, anchor } = folder();
    await anchor.publish(checkpointOf(3));
    const file = join(path, placeOf(ORIGIN, 3));
    for (const altered of ['', `${checkpointOf(3).note} `, 'x'.repeat(MAX_NOTE_BYTES * 2)]) {
      rmSync(file);
      writeFileSync(file, altered);
      const [listed] = await anchor.list({ origin: ORIGIN });
      expect(listed!.note).toBe(altered.slice(0, MAX_NOTE_BYTES + 1));
      expect((await refusalOf(anchor.publish(checkpointOf(3)))).code).toBe('anchor_refused');
    }
  });

  it('that is not mounted is not made: nobody would see what is put there', async () => {
    const path = join(temporaryFolder(), 'mount');
    const anchor = new DirectoryAnchor({ name: 'worm', path });
    const refusal = { code: 'anchor_unreachable', hint: expect.stringContaining('mounted') };
    expect(await refusalOf(anchor.publish(checkpointOf(1)))).toMatchObject(refusal);
    expect(await refusalOf(anchor.list({ origin: ORIGIN }))).toMatchObject(refusal);
    writeFileSync(path, '');
    expect(await refusalOf(anchor.publish(checkpointOf(1)))).toMatchObject(refusal);
  });

  it('whose file is another thing is unreachable, and stays as it is', async () => {
    const { path, anchor } = folder();
    mkdirSync(join(path, placeOf(ORIGIN, 3)), { recursive: true });
    expect((await refusalOf(anchor.publish(checkpointOf(3)))).code).toBe('anchor_unreachable');
    symlinkSync('/nowhere/at/all', join(path, placeOf(ORIGIN, 4)));
    expect((await refusalOf(anchor.publish(checkpointOf(4)))).code).toBe('anchor_unreachable');
  });

  const missing = mountMissing();
  it.skipIf(missing)(
    `on a full disk says so, and takes it again${missing ? `: skipped, ${missing}` : ''}`,
    async () => {
      const path = join(temporaryFolder(), 'disk');
      smallDisk(path, 'size=64k');
      const anchor = new DirectoryAnchor({ name: 'worm', path });
      await anchor.publish(checkpointOf(1));
      const ballast = join(path, 'ballast');
      try {
        writeFileSync(ballast, Buffer.alloc(64 * 1024));
      } catch {
        // as full as it gets
      }
      expect(await refusalOf(anchor.publish(checkpointOf(2)))).toMatchObject({
        code: 'anchor_unreachable',
        message: expect.stringContaining('ENOSPC'),
        hint: expect.stringContaining('space'),
      });
      expect(readdirSync(join(path, folderOf(ORIGIN)))).toEqual(['0000000000000001.checkpoint']);
      rmSync(ballast);
      await anchor.publish(checkpointOf(2));
      expect(await anchor.list({ origin: ORIGIN })).toHaveLength(2);
    },
  );
});
