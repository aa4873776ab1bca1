import { appendFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { control } from '../../src/record/control.ts';
import { archiveClosed } from '../../src/retain/archive/job.ts';
import { archivesIn, type Confirmation } from '../../src/retain/archive/partition.ts';
import { count, type Places, union } from '../../src/retain/ranges.ts';
import type { Store } from '../../src/store/client.ts';
import { LEDGER_SIGNER } from '../support/keeper-kit.ts';
import {
  LEDGER_ID,
  memoryFolder,
  ORIGIN,
  openJournal,
  openStore,
  POLICY,
  ship,
  writerIn,
} from '../support/ledger-kit.ts';

const DAY = 86_400;
/** 2026-03-01T00:00:00Z, in Unix seconds. */
const NOW = 1_772_323_200;
const root = memoryFolder();
const store: Store = await openStore(join(root, 'ledger'));
afterAll(() => store.close());

let path = '';
let made = 0;
let line: Confirmation[] = [];
beforeEach(async () => {
  for (const table of ['audit_records', 'audit_tombstones'])
    await store.command(`TRUNCATE TABLE spanledger.${table}`);
  path = join(root, `archives-${made++}`);
  line = [];
});

const placesIn = (each: Confirmation): Places => new Map(Object.entries(each.ranges));

/** As the keeper does: what is confirmed is all it knows of archives. */
function archive(change: { confirm?: (confirmation: Confirmation) => Promise<void> } = {}) {
  return archiveClosed({
    store,
    path,
    ledgerId: LEDGER_ID,
    origin: ORIGIN,
    checkpoint: 'a checkpoint',
    signer: LEDGER_SIGNER,
    now: NOW * 1e6,
    document: POLICY.document,
    line: {
      confirmed: async () => new Map(line.map((each) => [each.manifest, placesIn(each)])),
      confirm: async (confirmation) => void line.push(confirmation),
      ...change,
    },
  });
}

/** Records of a class, as old as that in days, in a chain of their own: each by its place. */
async function record(...records: [retentionClass: string, days: number][]): Promise<Place[]> {
  let now = 0;
  const places: Place[] = [];
  const journal = openJournal(join(root, `journal-${made++}`));
  const writer = writerIn(journal, () => now);
  for (const [retention_class, days] of records) {
    now = (NOW - days * DAY) * 1e6;
    const [chain, seq] = writer.tell({ ...control('gap', { spans: 1 }, now), retention_class }).split(':');
    places.push([chain!, Number(seq)]);
  }
  await ship(writer, store);
  await journal.close();
  return places;
}

type Place = [chain: string, seq: number];

/** As a confirmation has them. */
function ranges(...places: Place[]): { [chain: string]: [number, number][] } {
  return { [places[0]![0]]: places.map(([, seq]) => [seq, seq]) };
}

describe('a partition that is closed', () => {
  it('is copied to a folder of its own, and confirmed: of classes that are to be, and of months that have passed', async () => {
    const [old, other, , next] = await record(
      ['hipaa', 100],
      ['soc2', 99],
      ['default', 98],
      ['hipaa', 97],
      ['hipaa', 1],
    );
    const done = await archive();
    expect(done).toEqual(line);
    const told = done.map(({ retention_class, rows, ranges: of }) => [retention_class, rows, of]);
    // The month of the last one has not passed; what opens the chain, and its checkpoints, are of the ledger itself.
    expect(told).toEqual([
      ['hipaa', 2, ranges(old!, next!)],
      ['soc2', 1, ranges(other!)],
    ]);
    const kept = await archivesIn(path, LEDGER_ID);
    expect(kept.map(({ to, digest }) => [to, digest])).toEqual(
      done.map(({ to, manifest }) => [to, manifest]).sort(),
    );
    for (const { manifest } of kept)
      expect(manifest).toMatchObject({ kind: 'partition', ledger_id: LEDGER_ID });
    expect(readdirSync(path).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is not copied again, and what comes late is, by itself', async () => {
    await record(['hipaa', 100]);
    await archive();
    expect(await archive()).toEqual([]);
    const late = await record(['hipaa', 100]);
    expect((await archive()).map((each) => each.ranges)).toEqual([ranges(...late)]);
    expect(count(union(...line.map(placesIn)))).toBe(2);
  });

  it('is confirmed by the next run, where one ended between its copy and its record', async () => {
    await record(['hipaa', 100]);
    const dies = archive({ confirm: () => Promise.reject(new Error('killed')) });
    await expect(dies).rejects.toThrow('killed');
    const [kept] = await archivesIn(path, LEDGER_ID);
    expect((await archive()).map(({ manifest }) => manifest)).toEqual([kept!.digest]);
    expect(readdirSync(path)).toEqual([kept!.to]);
  });

  it('is copied anew where a run ended in the middle of it', async () => {
    await record(['hipaa', 100]);
    const [whole] = await archive();
    const [, month] = /^hipaa-(\d{6})-/.exec(whole!.to)!;
    rmSync(join(path, whole!.to), { recursive: true });
    line = [];
    mkdirSync(join(path, `.hipaa-${month}.partial`), { recursive: true });
    writeFileSync(join(path, `.hipaa-${month}.partial`, 'records-000001.parquet'), 'half');
    expect(await archive()).toHaveLength(1);
    expect(readdirSync(path)).toEqual([line[0]!.to]);
  });

  it('is not confirmed where its copy is not what the store has', async () => {
    await record(['hipaa', 100]);
    const dies = archive({ confirm: () => Promise.reject(new Error('killed')) });
    await expect(dies).rejects.toThrow('killed');
    const [kept] = await archivesIn(path, LEDGER_ID);
    const good = join(root, `good-${made++}`);
    cpSync(join(path, kept!.to), good, { recursive: true });
    appendFileSync(join(path, kept!.to, 'records-000001.parquet'), 'x');
    const refused = (error: unknown) => isSpanledgerError(error, 'archive_failed');
    await expect(archive()).rejects.toSatisfy(refused);
    rmSync(join(path, kept!.to), { recursive: true });
    cpSync(good, join(path, kept!.to), { recursive: true });
    await store.command('TRUNCATE TABLE spanledger.audit_records');
    await expect(archive()).rejects.toSatisfy(refused);
    expect(line).toEqual([]);
  });
});
