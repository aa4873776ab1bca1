import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placesWhere } from '../../src/retain/places.ts';
import { written } from '../../src/retain/ranges.ts';
import type { RunOptions } from '../../src/retain/retention.ts';
import type { Store } from '../../src/store/client.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { verify as verifyStore } from '../../src/verify/verify.ts';
import { AgedWriter, CLASSES, DAY, present } from '../support/aged-ledger.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../support/keeper-kit.ts';
import { codeOf, LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';

const TRUST = { ...trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given'), source: 'local' } as const;
const NOW = Math.floor(Date.now() / 1_000);
/** Of records so many days old, by class: the last that has not expired. */
const KEPT_DAYS = { hipaa: 2220, financial: 2585, soc2: 395, default: 395 };
const ANN = { type: 'admin', id: 'ann' } as const;
const BEN = { type: 'admin', id: 'ben' } as const;

let dir: string;
let store: Store;
let kept: Awaited<ReturnType<typeof keeperIn>>;
let writer: AgedWriter;

beforeEach(async () => {
  dir = join(memoryFolder(), 'ledger');
  store = await openStore(dir);
  writer = new AgedWriter(dir, store);
  kept = await keeperIn(dir, store);
});
afterEach(async () => {
  await writer.close();
  await kept.close();
  await store.close();
});

const run = (options: Partial<RunOptions> = {}) =>
  kept.retention.run({ keep: () => kept.keeper.keep(), ...options });
const verify = () => verifyStore(store, { ledgerId: LEDGER_ID, trust: TRUST });

/** Says of all records of a class that they are in an archive. */
async function confirm(retention_class: string, manifest: string, seqBelow = 1e9): Promise<void> {
  const ranges = written(
    await placesWhere(store, 'retention_class = {class:String} AND seq < {below:UInt64}', {
      class: retention_class,
      below: seqBelow,
    }),
  );
  await kept.keeper.lend(
    async (line) => void line.tell('archive_confirmed', { manifest, retention_class, ranges }),
  );
}

const expectSound = async (expired: number, more: object = {}) => {
  const result = await verify();
  expect(result.findings.filter(({ severity }) => severity === 'critical')).toEqual([]);
  expect(result).toMatchObject({ status: 'valid', expired, ...more });
};

describe('six years of four classes', () => {
  /** Records by class, each with its age in days. */
  const recorded: { id: string; of: (typeof CLASSES)[number]; days: number }[] = [];

  async function record(): Promise<void> {
    recorded.length = 0;
    for (let days = 2_800; days > 0; days -= 350)
      for (const of of CLASSES) recorded.push({ id: writer.record(NOW - days * DAY, of), of, days });
    await writer.ship();
  }
  const due = (classes: readonly string[] = CLASSES) =>
    recorded.filter(({ of, days }) => classes.includes(of) && days > KEPT_DAYS[of]).map(({ id }) => id);
  const all = () => recorded.map(({ id }) => id);
  const but = (gone: readonly string[]) => all().filter((id) => !gone.includes(id));
  const sorted = (ids: readonly string[]) =>
    [...ids].sort((a, b) => Number(a.split(':')[1]) - Number(b.split(':')[1]));

  it('leave when they have expired, those that need an archive when they are in one, and the ledger verifies', async () => {
    await record();
    const dry = await run({ isDry: true });
    expect(dry).toMatchObject({
      dry_run: true,
      due: due().length,
      expired: due(['default']).length,
      purged: 0,
    });
    expect(dry.unarchived).toBe(due(['hipaa', 'financial', 'soc2']).length);
    expect(await present(store)).toEqual(sorted(all()));
    expect(await told(store, 'records_expired')).toEqual([]);

    const first = await run();
    expect(first).toMatchObject({
      dry_run: false,
      time: 'host',
      due: due().length,
      expired: due(['default']).length,
      purged: due(['default']).length,
      unarchived: dry.unarchived,
      held: 0,
      unsound: 0,
      waiting_for_anchor: false,
    });
    expect(sorted(await present(store))).toEqual(sorted(but(due(['default']))));
    await expectSound(due(['default']).length);

    await confirm('hipaa', 'a'.repeat(64));
    await confirm('soc2', 'b'.repeat(64), 16);
    const [both, again] = await Promise.all([run(), run()]);
    expect(both.expired + again.expired).toBe(both.purged + again.purged);
    const archives = (await told(store, 'records_expired')).map(
      ({ control }) => control as unknown as { class: string; archive: string },
    );
    expect(new Set(archives.map((each) => `${each.class} ${each.archive[0]}`))).toEqual(
      new Set(['default n', 'hipaa a', 'soc2 b']),
    );
    const early = recorded
      .filter(({ id, of }) => of === 'soc2' && Number(id.split(':')[1]) < 16)
      .map(({ id }) => id);
    const gone = [...due(['default', 'hipaa']), ...due(['soc2']).filter((id) => early.includes(id))];
    expect(sorted(await present(store))).toEqual(sorted(but(gone)));
    await expectSound(gone.length);

    await confirm('soc2', 'c'.repeat(64));
    await confirm('financial', 'd'.repeat(64));
    await run();
    expect(sorted(await present(store))).toEqual(sorted(but(due())));
    await expectSound(due().length);
    const before = await told(store, 'records_expired');
    expect(await run()).toMatchObject({ due: 0, expired: 0, purged: 0 });
    expect(await told(store, 'records_expired')).toEqual(before);
    const status = await kept.retention.status();
    expect(status.partitions.every((each) => each.due === 0 && each.overdue === 0)).toBe(true);
    expect(status.partitions.reduce((sum, each) => sum + each.records, 0)).toBeGreaterThanOrEqual(
      but(due()).length,
    );
  });

  it('are told of by class and month', async () => {
    await record();
    await confirm('hipaa', 'a'.repeat(64));
    await kept.retention.place({
      case: 'c',
      reason: 'r',
      actor: ANN,
      selection: {
        tenant: 'default',
        chain: [recorded[0]!.id.split(':')[0]!],
        to: new Date((NOW - 2_000 * DAY) * 1_000).toISOString(),
      },
    });
    const status = await kept.retention.status();
    const sum = (of: string, what: 'records' | 'due' | 'held' | 'archived' | 'overdue') =>
      status.partitions
        .filter((each) => each.retention_class === of)
        .reduce((all, each) => all + each[what], 0);
    for (const of of CLASSES) {
      const mine = recorded.filter((each) => each.of === of);
      expect(sum(of, 'records'), of).toBe(mine.length);
      expect(sum(of, 'due'), of).toBe(due([of]).length);
      expect(sum(of, 'held'), of).toBe(mine.filter(({ days }) => days > 2_000).length);
      expect(sum(of, 'archived'), of).toBe(of === 'hipaa' ? mine.length : 0);
      expect(sum(of, 'overdue'), of).toBe(
        mine.filter(({ days }) => days > KEPT_DAYS[of] + 2 && days <= 2_000).length,
      );
    }
    expect(status).toMatchObject({ holds: 1, last_run: null });
  });
});

describe('a hold', () => {
  const subject = (id: string) => ({ resource: { type: 'patient', id, subject: id } });
  const old = NOW - 500 * DAY;

  it('keeps what it is about, extended by what came since, until somebody else releases it', async () => {
    const mine = [
      writer.record(old, 'default', subject('p1')),
      writer.record(old + 2, 'default', subject('p1')),
    ];
    const others = [
      writer.record(old + 3, 'default', subject('p2')),
      writer.record(old + 4, 'default', subject('p3')),
    ];
    await writer.ship();
    const { hold_id, records } = await kept.retention.place({
      case: 'Roe v. Clinic',
      reason: 'litigation',
      until: '2030-01-01T00:00:00Z',
      actor: ANN,
      selection: { tenant: 'default', subject: ['p1'] },
    });
    expect(records).toBe(2);
    const [placed] = await told(store, 'legal_hold_placed');
    expect(JSON.stringify(placed)).not.toContain('"p1"');
    mine.push(writer.record(old + 5, 'default', subject('p1')));
    await writer.ship();
    expect(await run()).toMatchObject({ due: 5, held: 3, expired: 2, purged: 2, extended: 1 });
    expect(await present(store)).toEqual(mine);
    await expectSound(2, { on_hold: 3 });
    expect(await kept.retention.status()).toMatchObject({
      holds: 1,
      partitions: [{ held: 3, overdue: 0, due: 3 }, { due: 0 }],
    });

    expect(await codeOf(() => kept.retention.release({ holdId: hold_id, reason: 'over', actor: ANN }))).toBe(
      'hold_refused',
    );
    await kept.retention.release({ holdId: hold_id, reason: 'over', actor: BEN });
    expect(await codeOf(() => kept.retention.release({ holdId: hold_id, reason: 'over', actor: BEN }))).toBe(
      'usage_invalid',
    );
    expect(await kept.retention.holds()).toMatchObject([
      { id: hold_id, case: 'Roe v. Clinic', placedBy: 'ann', released: { by: 'ben' } },
    ]);
    expect(await run()).toMatchObject({ held: 0, purged: 3 });
    expect(await present(store)).toEqual([]);
    await expectSound(5, { on_hold: 0 });
    expect(others).toHaveLength(2);
  });

  it('placed after the tombstones and before the purge, the row survives', async () => {
    const mine = writer.record(old, 'default', subject('p1'));
    const other = writer.record(old + 2, 'default', subject('p2'));
    await writer.ship();
    await writer.ship();
    // As a run leaves it that died where the checkpoint was to be signed.
    let lent = 0;
    const died = new Error('died');
    const lend = kept.keeper.lend.bind(kept.keeper);
    kept.keeper.lend = (work) =>
      lend((line) =>
        work({
          ...line,
          chains: line.chains,
          told: line.told,
          holds: line.holds,
          checkpoint: async () => {
            lent += 1;
            throw died;
          },
        }),
      );
    await expect(run()).rejects.toBe(died);
    kept.keeper.lend = lend;
    expect(lent).toBe(1);
    expect(await store.query('SELECT count() AS n FROM spanledger.audit_tombstones')).toEqual([{ n: '2' }]);
    expect(await told(store, 'records_expired')).toHaveLength(1);

    const { hold_id } = await kept.retention.place({
      case: 'c',
      reason: 'r',
      actor: ANN,
      selection: { tenant: 'default', resource: ['p1'] },
    });
    expect(await run()).toMatchObject({ held: 1, expired: 0, purged: 1 });
    expect(await present(store)).toEqual([mine]);
    expect(other).not.toBe(mine);
    await expectSound(1, { on_hold: 1 });
    await kept.retention.release({ holdId: hold_id, reason: 'over', actor: BEN });
    expect(await run()).toMatchObject({ held: 0, expired: 0, purged: 1 });
    await expectSound(2, { on_hold: 0 });
  });

  it('is on conversations, users, chains and periods, and one record may be under several', async () => {
    const trace = (n: number) => ({ trace: { trace_id: `${n}`.repeat(32), span_id: `${n}`.repeat(16) } });
    const ids = [
      writer.record(old, 'default', { conversation_id: 'c1', ...trace(1) }),
      writer.record(old + 2, 'default', trace(1)),
      writer.record(old + 3, 'default', { user: { id: 'u1' } }),
      writer.record(old + 4, 'default', { conversation_id: 'c2' }),
      writer.record(old + 4 * DAY, 'default'),
      writer.record(old + 5 * DAY, 'default', { user: { id: 'u2' }, conversation_id: 'c1' }),
    ];
    await writer.ship();
    const chain = ids[0]!.split(':')[0]!;
    const place = async (selection: object) => {
      const told = await kept.retention.place({
        case: 'c',
        reason: 'r',
        actor: ANN,
        selection: { tenant: 'default', ...selection },
      });
      const hold = (await kept.retention.holds()).find(({ id }) => id === told.hold_id)!;
      const covered = ids.filter((id) =>
        hold.covers
          .get(id.split(':')[0]!)
          ?.some(([first, last]) => first <= Number(id.split(':')[1]) && Number(id.split(':')[1]) <= last),
      );
      return covered.map((id) => ids.indexOf(id));
    };
    expect(await place({ conversation: ['c1'] })).toEqual([0, 1, 5]);
    expect(await place({ user: ['u1', 'u2'] })).toEqual([2, 5]);
    expect(await place({ user: ['u2'], conversation: ['c2'] })).toEqual([]);
    expect(
      await place({
        from: new Date((old + 4 * DAY) * 1_000).toISOString(),
        to: new Date((old + 5 * DAY) * 1_000).toISOString(),
      }),
    ).toEqual([4]);
    expect(await place({ conversation: ['c1'], tenant: 'other' })).toEqual([]);
    expect(await codeOf(() => place({}))).toBe('usage_invalid');
    expect(await run()).toMatchObject({ held: 5, purged: 1 });
    expect(await present(store)).toEqual(ids.filter((_, i) => i !== 3));
    expect(await place({ chain: [chain] })).toEqual([0, 1, 2, 3, 4, 5]);
    await expectSound(1);
  });

  it('that is another in the store lets nothing leave', async () => {
    const id = writer.record(old, 'default', subject('p1'));
    await writer.ship();
    await kept.retention.place({
      case: 'c',
      reason: 'r',
      actor: ANN,
      selection: { tenant: 'default', subject: ['p1'] },
    });
    await store.command(
      `ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, '"covers"', '"covered"') WHERE action = 'legal_hold_placed' SETTINGS mutations_sync = 2`,
    );
    expect(await codeOf(() => run())).toBe('retention_refused');
    await kept.close();
    kept = await keeperIn(dir, store);
    const valid = async () => ({ verification: { status: 'valid' } as const });
    expect(await codeOf(() => run({ keep: valid }))).toBe('retention_refused');
    expect(await present(store)).toEqual([id]);
  });
});

it('keeps spans dated 1970 and 2262 a full class from receipt', async () => {
  const dated = (at: string) => ({ occurred_at: `${at}.000000000Z` });
  const ids = [
    writer.record(NOW - 396 * DAY, 'default', dated('1970-01-01T00:00:00')),
    writer.record(NOW - 396 * DAY, 'default', dated('2262-04-11T00:00:00')),
    writer.record(NOW - 394 * DAY, 'default', dated('1970-01-01T00:00:00')),
    writer.record(NOW - 394 * DAY, 'default', dated('2262-04-11T00:00:00')),
  ];
  await writer.ship();
  await run();
  expect(await present(store)).toEqual(ids.slice(2));
  await expectSound(2);
});

it('refuses where the ledger is tampered with, and keeps what does not hash', async () => {
  const old = NOW - 500 * DAY;
  const ids = [0, 1, 2, 3].map((i) => writer.record(old + i, 'default'));
  await writer.ship();
  await kept.keeper.keep();
  // A round has read it before, so that none finds it now.
  const [chain, seq] = ids[1]!.split(':');
  await store.command(
    `ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, '"spans":1', '"spans":2') WHERE chain_id = '${chain}' AND seq = ${seq} SETTINGS mutations_sync = 2`,
  );
  const tampered = async () => ({ verification: { status: 'tampered' } as const });
  expect(await codeOf(() => run({ keep: tampered }))).toBe('retention_refused');
  expect(await run()).toMatchObject({ unsound: 1, purged: 3 });
  expect(await present(store)).toEqual([ids[1]]);
});
