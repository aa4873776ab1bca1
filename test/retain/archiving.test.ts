import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MANIFEST_NAME, type Manifest } from '../../src/chain/manifest.ts';
import { parseVkey } from '../../src/chain/vkey.ts';
import { type CheckedArchive, checkArchives } from '../../src/retain/archive/check.ts';
import type { RunOptions } from '../../src/retain/retention.ts';
import type { Store } from '../../src/store/client.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { verify } from '../../src/verify/verify.ts';
import { AgedWriter, CLASSES, DAY, present } from '../support/aged-ledger.ts';
import { forgeManifest, listing } from '../support/archive-kit.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../support/keeper-kit.ts';
import { codeOf, LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';
import { mountMissing, resizeDisk, smallDisk } from '../support/tmpfs.ts';

const TRUST = { ...trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given'), source: 'local' } as const;
const NOW = Math.floor(Date.now() / 1_000);
/** Of records so many days old, by class: the last that has not expired. */
const KEPT_DAYS = { hipaa: 2220, financial: 2585, soc2: 395, default: 395 };

let dir: string;
let archives: string;
let store: Store;
let kept: Awaited<ReturnType<typeof keeperIn>>;
let writer: AgedWriter;
let recorded: { id: string; of: (typeof CLASSES)[number]; days: number }[];

beforeEach(async () => {
  dir = join(memoryFolder(), 'ledger');
  archives = join(dir, '..', 'archives');
  store = await openStore(dir);
  writer = new AgedWriter(dir, store);
  kept = await keeperIn(dir, store, { archives });
  recorded = [];
  for (let days = 2_800; days > 0; days -= 350)
    for (const of of CLASSES) recorded.push({ id: writer.record(NOW - days * DAY, of), of, days });
  await writer.ship();
});
afterEach(async () => {
  await writer.close();
  await kept.close();
  await store.close();
});

const run = (options: Partial<RunOptions> = {}) =>
  kept.retention.run({ keep: () => kept.keeper.keep(), ...options });
const sorted = (ids: readonly string[]) =>
  [...ids].sort((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1]));
const due = () => recorded.filter(({ of, days }) => days > KEPT_DAYS[of]).map(({ id }) => id);
const staying = () => recorded.map(({ id }) => id).filter((id) => !due().includes(id));
const archivable = () => recorded.filter(({ of }) => of !== 'default');

async function expectAllDone(): Promise<void> {
  expect(sorted(await present(store))).toEqual(sorted(staying()));
  const result = await verify(store, { ledgerId: LEDGER_ID, trust: TRUST });
  expect(result.findings.filter(({ severity }) => severity === 'critical')).toEqual([]);
  expect(result).toMatchObject({ status: 'valid', expired: due().length });
}

describe('six years of four classes', () => {
  it('are archived, confirmed, expired and purged, and the ledger verifies', async () => {
    const dry = await run({ isDry: true });
    expect(dry).toMatchObject({ archived: 0, purged: 0 });
    expect([await told(store, 'archive_confirmed'), await kept.retention.archives()]).toEqual([[], []]);

    const [both, again] = await Promise.all([run(), run()]);
    expect(both.archived + again.archived).toBe(archivable().length);
    expect(both.purged + again.purged).toBe(due().length);
    expect([both.unarchived, again.unarchived]).toEqual([0, 0]);
    await expectAllDone();

    const listed = await kept.retention.archives();
    expect(listed.map(({ to }) => to)).toEqual(readdirSync(archives).sort());
    expect(listed.every(({ state }) => state === 'confirmed')).toBe(true);
    expect(listed.reduce((all, { rows }) => all + rows, 0)).toBe(archivable().length);
    const known = new Set(listed.map(({ manifest }) => manifest));
    for (const { control } of await told(store, 'records_expired')) {
      const { class: of, archive } = control as unknown as { class: string; archive: string };
      expect([of, of === 'default' ? archive === 'none' : known.has(archive)]).toEqual([of, true]);
    }

    expect(await run()).toMatchObject({ archived: 0, due: 0, expired: 0, purged: 0 });
    const status = await kept.retention.status();
    for (const each of status.partitions.filter(({ retention_class }) => retention_class !== 'default'))
      expect(each).toMatchObject({ archived: each.records, due: 0, overdue: 0 });
  });
});

describe('an archive', () => {
  const KEYS = [parseVkey(LEDGER_SIGNER.vkey)];
  const check = async (keys = KEYS) => {
    const checked: CheckedArchive[] = [];
    for await (const each of checkArchives(archives, keys)) checked.push(each);
    return checked.slice(0, 2);
  };
  const codes = async (keys = KEYS) =>
    (await check(keys)).map(({ problems }) => problems.map(({ code }) => code));

  it('is checked by its files: who signed it, its bytes, and whether its rows are what it says', async () => {
    await run();
    const [one, two] = (await check()).map(({ to }) => join(archives, to));
    expect(await codes()).toEqual([[], []]);
    // Without a key: neither manifest nor checkpoint counts.
    expect(await codes([])).toEqual([
      ['manifest_invalid', 'manifest_invalid'],
      ['manifest_invalid', 'manifest_invalid'],
    ]);
    const whole = readFileSync(join(one!, MANIFEST_NAME));
    const name = 'records-000001.parquet';
    const good = readFileSync(join(one!, name));
    const forged = async (change: (manifest: Manifest) => Partial<Manifest>) => {
      await forgeManifest(one!, (manifest) => ({ ...manifest, ...change(manifest) }));
      const [found] = await codes();
      writeFileSync(join(one!, MANIFEST_NAME), whole);
      return found;
    };
    expect(await forged(() => ({ partition: '203001' }))).toEqual(['archive_mismatch']);
    expect(await forged(() => ({ retention_class: 'other' }))).toEqual(['archive_mismatch']);
    expect(await forged(() => ({ checkpoint: 'none' }))).toEqual(['manifest_invalid']);
    writeFileSync(join(one!, name), readFileSync(join(two!, name)));
    expect(await codes()).toEqual([['archive_mismatch'], []]);
    expect(await forged(({ files: [file] }) => ({ files: [{ ...file!, ...listing(one!, name) }] }))).toEqual([
      'archive_mismatch',
    ]);
    writeFileSync(join(one!, name), good);
    writeFileSync(join(one!, 'more'), '');
    expect(await codes()).toEqual([['archive_unlisted'], []]);
  });
});

describe('a folder for archives that fails', () => {
  const nothingHappened = async () => {
    expect(await told(store, 'archive_confirmed')).toEqual([]);
    expect(await told(store, 'records_expired')).toEqual([]);
    expect(sorted(await present(store))).toEqual(sorted(recorded.map(({ id }) => id)));
  };

  it('is none: nothing is confirmed, nothing leaves, and the next run completes', async () => {
    writeFileSync(archives, 'a file');
    expect(await codeOf(() => run())).toBe('archive_failed');
    await nothingHappened();
    await kept.close();
    archives = `${archives}-2`;
    kept = await keeperIn(dir, store, { archives });
    await run();
    await expectAllDone();
  });

  it.skipIf(mountMissing() !== undefined)(
    'is read-only, then full: nothing is confirmed, nothing leaves, and the next run completes',
    async () => {
      smallDisk(archives, 'size=4k');
      resizeDisk(archives, 'ro');
      expect(await codeOf(() => run())).toBe('archive_failed');
      await nothingHappened();
      resizeDisk(archives, 'rw');
      expect(await codeOf(() => run())).toBe('archive_failed');
      await nothingHappened();
      resizeDisk(archives, 'size=64m');
      await run();
      await expectAllDone();
    },
  );

  it('answers with other bytes than were written: nothing is confirmed, nothing leaves, and the next run completes', async () => {
    const save = store.save.bind(store);
    store.save = async (query, path, parameters) => {
      // As a disk that takes what it is given, and keeps none of it.
      await save(
        { ...query, sql: query.sql.replace('WHERE', 'WHERE toHour(expires_at) = 99 AND') },
        path,
        parameters,
      );
    };
    expect(await codeOf(() => run())).toBe('archive_failed');
    await nothingHappened();
    expect(readdirSync(archives).filter((name) => !name.startsWith('.'))).toEqual([]);
    store.save = save;
    await run();
    await expectAllDone();
    expect(readdirSync(archives).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(existsSync(archives)).toBe(true);
  });
});
