import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trustFile } from '../../src/verify/trust.ts';
import type { VerifyOptions } from '../../src/verify/verify.ts';
import { FabricatedChain, FabricatedLine, ORIGIN, START, signerOf } from '../support/fabricated-ledger.ts';
import { memoryFolder, openStore } from '../support/ledger-kit.ts';
import { TamperedLedger, told } from '../support/tampered-ledger.ts';

/* ATTACKS.md, rows 36, 37, 39, 41 and 43 to 49: what has left, and whether it might. */

const ledger = new TamperedLedger();
beforeAll(async () => {
  ledger.store = await openStore(join(memoryFolder(), 'ledger'));
  await ledger.keep();
});
beforeEach(async () => {
  await ledger.reset();
  ({ a, line } = begun());
});
afterAll(() => ledger.store.close());

const TRUST = { ...trustFile(`${signerOf(ORIGIN, 9).vkey}\n`, 'given'), source: 'local' } as const;
/** When all of `a` has expired: 395 days after the start, and some more. */
const LATER = START + 400 * 86_400;

let a: FabricatedChain;
let line: FabricatedLine;

/** A chain of ten records that expire between its opening and its end, in a round. */
function begun() {
  const a = new FabricatedChain('a').open();
  for (let i = 1; i <= 10; i++) a.add('gap', { n: i }, START + i, { retention_class: 'default' });
  a.close(START + 11);
  const line = new FabricatedLine()
    .open()
    .round([a], START + 65)
    .checkpoint(START + 66);
  return { a, line };
}

type Ranges = [number, number][];

const expire = (ranges: Ranges, more: { [field: string]: unknown } = {}) =>
  line.add(
    'records_expired',
    { ranges: { a: ranges }, class: 'default', archive: 'none', as_of: LATER, ...more },
    LATER,
  );
const erase = (...seqs: number[]) =>
  line.add(
    'records_erased',
    { records: seqs.map((seq) => ({ id: `a:${seq}`, record_hash: a.records[seq]!.recordHash })) },
    LATER,
  );
const hold = (id: string, ranges: Ranges, action: 'placed' | 'extended' = 'placed') =>
  line.add(`legal_hold_${action}`, { hold_id: id, covers: { a: ranges } }, LATER);
const release = (id: string, type: 'admin' | 'user' | 'system' = 'admin') =>
  line.add('legal_hold_released', { hold_id: id }, LATER, { actor: { type, id: 'ann' } });

const at = (from: number, to = from) => `chain_id = 'a' AND seq BETWEEN ${from} AND ${to}`;

async function put(): Promise<void> {
  await ledger.put([...a.rows, ...line.checkpoint(LATER + 1).rows]);
}

/** As retention and erasure leave it. */
async function purge(from: number, to = from, reason: 'expired' | 'erased' = 'expired'): Promise<void> {
  await ledger.bury(at(from, to), reason);
  await ledger.remove(at(from, to));
}

const verify = (options: Partial<VerifyOptions> = {}) =>
  ledger.verify({ trust: TRUST, asOf: LATER + 60, ...options });
const findings = async (options: Partial<VerifyOptions> = {}) =>
  told(await verify(options)).filter((each) => !each.startsWith('time_unattested'));

describe('what has lawfully left', () => {
  it('by expiry and by erasure: valid, and counted', async () => {
    expire([
      [1, 4],
      [6, 7],
    ]);
    erase(9, 10);
    await put();
    await purge(1, 4);
    await purge(6, 7);
    await purge(9, 10, 'erased');
    expect(await verify()).toMatchObject({
      status: 'valid',
      findings: [{ code: 'time_unattested', chain_id: '' }],
      records_checked: a.size + line.size,
      expired: 6,
      erased: 2,
      on_hold: 0,
    });
  });

  it('in several expiries, each for a part of what lies beside each other', async () => {
    expire([[1, 4]]);
    expire([[5, 7]]);
    await put();
    await purge(1, 7);
    expect(await findings()).toEqual([]);
  });

  it('around what is on hold, which is counted once', async () => {
    hold('h', [[4, 5]]);
    hold('h', [[5, 6]], 'extended');
    hold('other', [
      [6, 6],
      [10, 99],
    ]);
    expire([
      [1, 3],
      [7, 9],
    ]);
    await put();
    await purge(1, 3);
    await purge(7, 9);
    expect(await verify()).toMatchObject({ status: 'valid', expired: 6, on_hold: 5 });
    expect(await findings()).toEqual([]);
  });

  it('after the hold was released, or before it was placed', async () => {
    hold('h', [[1, 3]]);
    release('h');
    expire([[1, 4]]);
    hold('late', [[4, 6]]);
    await put();
    await purge(1, 4);
    expect(await verify()).toMatchObject({ status: 'valid', on_hold: 3 });
    expect(await findings()).toEqual([]);
  });

  it('and has not left yet: its tombstone demands nothing', async () => {
    await put();
    await ledger.bury(at(1, 3));
    await ledger.bury(at(5), 'erased');
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], expired: 0, erased: 0 });
  });
});

describe('36 a record that is to be purged', () => {
  it.each([1, 5])('without a tombstone: %d', async (seq) => {
    await put();
    await ledger.update(`purge_after = '2099-01-01 00:00:00'`, at(seq));
    expect(await findings()).toEqual([`tombstone_mismatch a:${seq}`]);
  });

  it('with one, demands nothing', async () => {
    await put();
    await ledger.bury(at(5));
    await ledger.update(`purge_after = '2099-01-01 00:00:00'`, at(5));
    expect(await findings()).toEqual([]);
  });
});

describe('tombstones', () => {
  it('37 with an earlier expiry do not hash', async () => {
    expire([[4, 4]]);
    await put();
    await ledger.bury(at(4), 'expired', { expires_at: 'expires_at - 86400' });
    await ledger.remove(at(4));
    expect(await findings()).toContain('record_mismatch a:4');
  });

  it('41 that no expiry covers, or not all of them', async () => {
    expire([[2, 4]]);
    await put();
    await purge(1, 6);
    expect(await findings()).toEqual(['tombstone_mismatch a:1', 'tombstone_mismatch a:5-6']);
  });

  it('41 of a ledger without a keeper, which says nothing of them', async () => {
    await ledger.put(a.rows);
    await purge(2, 3);
    await purge(5, 6, 'erased');
    expect(await findings()).toEqual(['tombstone_mismatch a:2-3', 'erasure_unrecorded a:5-6']);
  });

  it('41 covered twice', async () => {
    expire([[1, 4]]);
    expire([[4, 6]]);
    await put();
    await purge(1, 6);
    expect(await findings()).toEqual(['tombstone_mismatch a:4']);
  });

  it('41 covered by what no checkpoint covers, or does not hash: it excuses nothing', async () => {
    expire([[1, 4]]);
    await ledger.put([...a.rows, ...line.rows]);
    await purge(1, 4);
    await expect(findings()).resolves.toEqual(['tombstone_mismatch a:1-4']);
    await ledger.update(
      `payload = replaceOne(payload, '[1,4]', '[1,5]')`,
      `chain_id = 'control' AND seq = 3`,
    );
    expect(await findings()).toEqual([
      'tombstone_mismatch a:1-4',
      'record_mismatch control:3',
      // Its time is not believed either: the line ends a year before.
      'chain_stale control:3',
    ]);
  });

  it('41 covered by what a chain of records says', async () => {
    const b = new FabricatedChain('b', signerOf(`${ORIGIN}/b`, 2)).open(LATER);
    b.add(
      'records_expired',
      { ranges: { a: [[1, 4]] }, class: 'default', archive: 'none', as_of: LATER },
      LATER,
    );
    await ledger.put(b.close(LATER).rows);
    await put();
    await purge(1, 4);
    expect(await findings()).toEqual(['tombstone_mismatch a:1-4']);
  });

  it.each([
    [
      'ranges that are not ascending',
      {
        ranges: {
          a: [
            [4, 5],
            [1, 2],
          ],
        },
      },
    ],
    ['a range that ends before it begins', { ranges: { a: [[4, 3]] } }],
    ['no time', { as_of: 'now' }],
    ['an archive that is none', { archive: 'yes' }],
  ])('41 covered by %s', async (_, more) => {
    expire([[4, 4]], more);
    await put();
    await purge(4);
    expect(await findings()).toEqual(['tombstone_mismatch a:4', 'checkpoint_invalid control:3']);
  });

  it('39 of what had not expired by the time its expiry names', async () => {
    expire([[1, 6]], { as_of: a.records[4]!.expiresAt });
    await put();
    await purge(1, 6);
    expect(await findings()).toEqual(['purged_before_expiry a:6']);
  });
});

describe('an erasure', () => {
  it('43 that no record tells', async () => {
    erase(3);
    await put();
    await purge(2, 4, 'erased');
    expect(await findings()).toEqual(['erasure_unrecorded a:2', 'erasure_unrecorded a:4']);
  });

  it('43 that no checkpoint covers', async () => {
    erase(3);
    await ledger.put([...a.rows, ...line.rows]);
    await purge(3, 3, 'erased');
    expect(await findings()).toEqual(['erasure_unrecorded a:3']);
  });

  it('44 without a tombstone', async () => {
    erase(3);
    await put();
    await ledger.remove(at(3));
    expect(await findings()).toEqual(['seq_gap a:3']);
  });

  it('45 that names another hash', async () => {
    line.add('records_erased', { records: [{ id: 'a:3', record_hash: a.records[4]!.recordHash }] }, LATER);
    await put();
    await purge(3, 3, 'erased');
    expect(await findings()).toEqual(['erasure_unrecorded a:3']);
  });

  it.each([true, false])('46 of what is still there, with its tombstone: %s', async (isBuried) => {
    erase(3, 5);
    await put();
    await purge(3, 3, 'erased');
    if (isBuried) await ledger.bury(at(5), 'erased');
    expect(await verify()).toMatchObject({ status: 'valid' });
    expect(await findings()).toEqual(['erasure_incomplete a:5']);
  });

  it('46 of what the vault still has', async () => {
    erase(3, 5);
    await put();
    await purge(3, 3, 'erased');
    await purge(5, 5, 'erased');
    await ledger.store.command(
      `INSERT INTO spanledger.audit_content (chain_id, seq, field, retention_class, expires_at, ref, sealed)
       SELECT 'a', arrayJoin([5, 6]), 'result', 'default', ${LATER}, toFixedString('', 32), 'sealed'`,
    );
    try {
      expect(await findings()).toEqual(['erasure_incomplete a:5']);
    } finally {
      await ledger.store.command('TRUNCATE TABLE spanledger.audit_content');
    }
  });

  it('of the ledger’s own line', async () => {
    hold('h', [[1, 3]]);
    const { recordHash } = line.records[3]!;
    line.add('records_erased', { records: [{ id: 'control:3', record_hash: recordHash }] }, LATER);
    await put();
    await ledger.bury(`chain_id = 'control' AND seq = 3`, 'erased');
    await ledger.remove(`chain_id = 'control' AND seq = 3`);
    expect(await findings()).toEqual(['erasure_unrecorded control:3']);
  });
});

describe('a hold', () => {
  it('47 whose record is deleted is missed', async () => {
    hold('h', [[1, 3]]);
    expire([[1, 4]]);
    await put();
    await purge(1, 4);
    await ledger.remove(`chain_id = 'control' AND seq = 3`);
    // Over a hole no checkpoint can be judged, so that what comes after it excuses nothing.
    expect(await findings()).toEqual(['tombstone_mismatch a:1-4', 'seq_gap control:3']);
  });

  it('48 under which records expired, or were erased', async () => {
    hold('h', [[2, 3]]);
    hold('h', [[9, 9]], 'extended');
    expire([[1, 4]]);
    erase(8, 9);
    release('h');
    await put();
    await purge(1, 4);
    await purge(8, 9, 'erased');
    expect(await findings()).toEqual(['purged_under_hold a:2-3', 'purged_under_hold a:9']);
  });

  it('48 released by what no checkpoint covers holds on', async () => {
    hold('h', [[1, 3]]);
    expire([[1, 4]]);
    line.checkpoint(LATER);
    release('h');
    await ledger.put([...a.rows, ...line.rows]);
    expect(await verify()).toMatchObject({ on_hold: 3 });
  });

  it('48 of which another is released', async () => {
    hold('h', [[1, 3]]);
    hold('other', [[3, 4]]);
    release('other');
    expire([[1, 4]]);
    await put();
    await purge(1, 4);
    expect(await findings()).toEqual(['purged_under_hold a:1-2', 'purged_under_hold a:3']);
  });

  it.each(['user', 'system'] as const)('49 released by a %s: a warning', async (type) => {
    hold('h', [[1, 3]]);
    release('h', type);
    await put();
    expect(await verify()).toMatchObject({ status: 'valid', on_hold: 0 });
    expect(await findings()).toEqual([`hold_release_unauthorised control:4`]);
  });
});

describe('what has expired and is still there', () => {
  const DAY = 86_400;
  /** All of `a` has expired 395 days after the start. */
  const overdue = async (days: number) =>
    (await findings({ asOf: START + (395 + days) * DAY })).filter((each) => each.startsWith('expiry'));

  it('is told of once retention has had its time, but not what is on hold', async () => {
    hold('h', [
      [1, 2],
      [9, 9],
    ]);
    hold('other', [[3, 3]]);
    release('other');
    await put();
    expect(await overdue(44)).toEqual([]);
    expect(await overdue(46)).toEqual(['expiry_overdue a:3-10']);
    const { status, findings: found } = await verify({ asOf: START + 441 * DAY });
    expect(status).toBe('valid');
    expect(found).toContainEqual(
      expect.objectContaining({
        code: 'expiry_overdue',
        severity: 'info',
        detail: expect.stringMatching(/^7 records/),
      }),
    );
  });
});
