import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunOptions } from '../../src/retain/retention.ts';
import type { Store } from '../../src/store/client.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { verify } from '../../src/verify/verify.ts';
import { AgedWriter, CLASSES, DAY, present } from '../support/aged-ledger.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../support/keeper-kit.ts';
import { LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';

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
