import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { memoryFolder, openJournal, openStore, ship } from '../support/ledger-kit.ts';
import { TamperedLedger, told } from '../support/tampered-ledger.ts';
import { toolSaying, vaultWriter } from '../support/vault-kit.ts';

/* ATTACKS.md, "Content", 8 to 10: what is done to the vault itself. */

const folder = memoryFolder();
const ledger = new TamperedLedger();
const COLUMNS = 'chain_id, seq, field, retention_class, expires_at, ref, sealed';
const KEYS = 'key_id, subject, master, wrapped';
/** Of the records, and of their contents. */
const EXPIRES = { inTime: 0, tooLate: 4_102_444_801 };
let chain: string;

beforeAll(async () => {
  ledger.store = await openStore(join(folder, 'ledger'));
  const journal = openJournal(join(folder, 'journal'));
  const writer = vaultWriter(journal);
  await writer.append(Array.from({ length: 5 }, (_, i) => toolSaying({ at: i }, `result ${i}`)));
  await writer.close();
  chain = journal.chain!.chainId;
  await ship(writer, ledger.store);
  await journal.close();
  await ledger.keep();
  await ledger.store.command(
    `CREATE TABLE kept.content ENGINE = Memory AS SELECT ${COLUMNS} FROM spanledger.audit_content`,
  );
  await ledger.store.command(
    `CREATE TABLE kept.keys ENGINE = Memory AS SELECT ${KEYS} FROM spanledger.audit_content_keys`,
  );
});
beforeEach(async () => {
  await ledger.reset();
  for (const [table, kept, columns] of [
    ['audit_content', 'content', COLUMNS],
    ['audit_content_keys', 'keys', KEYS],
  ]) {
    await ledger.store.command(`TRUNCATE TABLE spanledger.${table}`);
    await ledger.store.command(
      `INSERT INTO spanledger.${table} (${columns}) SELECT ${columns} FROM kept.${kept} SETTINGS insert_deduplicate = 0`,
    );
  }
});
afterAll(() => ledger.store.close());

const at = (seq: number, field = 'result') => `seq = ${seq} AND field = '${field}'`;
const change = (sql: string) =>
  ledger.store.command(`ALTER TABLE spanledger.audit_content ${sql} SETTINGS mutations_sync = 2`);
const put = (values: string, where: string) =>
  ledger.store.command(
    `INSERT INTO spanledger.audit_content (${COLUMNS}) SELECT ${values} FROM kept.content WHERE ${where} SETTINGS insert_deduplicate = 0`,
  );
const findings = async (asOf?: number) => {
  const verification = await ledger.verify(asOf === undefined ? {} : { asOf });
  // Its records have expired too, and nobody takes them away.
  const findings = verification.findings.filter(({ severity }) => severity !== 'info');
  expect(verification.status).toBe(findings.length > 0 ? 'tampered' : 'valid');
  return told({ ...verification, findings }, { [chain]: 'A' });
};

describe('the vault', () => {
  it.each<[attack: string, tamper: () => Promise<unknown>, findings: string[]]>([
    ['nothing', async () => {}, []],
    [
      '8 a bit of a ciphertext',
      () =>
        change(
          `UPDATE sealed = concat(substring(sealed, 1, 30), char(bitXor(reinterpretAsUInt8(substring(sealed, 31, 1)), 1)), substring(sealed, 32)) WHERE ${at(2)}`,
        ),
      ['content_mismatch A:2'],
    ],
    ['8 a ciphertext emptied', () => change(`UPDATE sealed = '' WHERE ${at(2)}`), ['content_mismatch A:2']],
    [
      '8 a ciphertext and its ref',
      () => change(`UPDATE sealed = concat(sealed, 'x'), ref = SHA256(concat(sealed, 'x')) WHERE ${at(2)}`),
      ['content_mismatch A:2'],
    ],
    [
      '8 all of them',
      () => change('UPDATE sealed = reverse(sealed) WHERE 1'),
      [1, 2, 3, 4, 5].flatMap((seq) => [`content_mismatch A:${seq}`, `content_mismatch A:${seq}`]),
    ],
    [
      '9 the bytes of two records exchanged',
      async () => {
        await change(`DELETE WHERE ${at(2)} OR ${at(4)}`);
        for (const [to, from] of [
          [2, 4],
          [4, 2],
        ] as const)
          await put(
            `chain_id, seq, field, retention_class, expires_at, ref, (SELECT any(sealed) FROM kept.content WHERE ${at(from)})`,
            at(to),
          );
      },
      ['content_mismatch A:2', 'content_mismatch A:4'],
    ],
    [
      '9 the rows of two records exchanged',
      () =>
        change(`DELETE WHERE ${at(2)} OR ${at(4)}`).then(() =>
          put(`chain_id, 6 - seq, field, retention_class, expires_at, ref, sealed`, `${at(2)} OR ${at(4)}`),
        ),
      ['content_mismatch A:2', 'content_mismatch A:4'],
    ],
    [
      '9 two fields of one record exchanged',
      () =>
        change('DELETE WHERE seq = 2').then(() =>
          put(
            `chain_id, seq, if(field = 'result', 'arguments', 'result'), retention_class, expires_at, ref, sealed`,
            'seq = 2',
          ),
        ),
      ['content_mismatch A:2', 'content_mismatch A:2'],
    ],
    ['10 one removed', () => change(`DELETE WHERE ${at(2)}`), ['content_mismatch A:2']],
    [
      '10 the first and the last removed',
      () => change(`DELETE WHERE ${at(1, 'arguments')} OR ${at(5)}`),
      ['content_mismatch A:1', 'content_mismatch A:5'],
    ],
    [
      '10 the key removed',
      () => ledger.store.command('TRUNCATE TABLE spanledger.audit_content_keys'),
      [1, 2, 3, 4, 5].flatMap((seq) => [`content_mismatch A:${seq}`, `content_mismatch A:${seq}`]),
    ],
    ['a row twice, as by a line that was cut', () => put(COLUMNS, at(2)), []],
    [
      'a row of nobody beside them',
      () => put(`chain_id, seq, field, retention_class, expires_at, SHA256('x'), 'x'`, at(2)),
      [],
    ],
    [
      'a forged row beside the right one',
      () => put(`chain_id, seq, field, retention_class, expires_at, ref, 'x'`, at(2)),
      ['content_mismatch A:2'],
    ],
  ])('%s', async (_, tamper, found) => {
    await tamper();
    expect(await findings()).toEqual(found);
  });

  it('may be empty of what has expired, as the records say it, and of nothing else', async () => {
    await change('DELETE WHERE 1');
    expect(await findings(EXPIRES.inTime)).toHaveLength(10);
    expect(await findings(EXPIRES.tooLate)).toEqual([]);
    await put(`chain_id, seq, field, retention_class, expires_at, ref, 'x'`, at(2));
    expect(await findings(EXPIRES.tooLate)).toEqual(['content_mismatch A:2']);
  });

  it('is judged beside a record that is amiss, and tells nothing of that one', async () => {
    await ledger.update(`payload = replaceOne(payload, '"v":1', '"v":2')`, 'seq = 3');
    await change('DELETE WHERE seq IN (3, 4)');
    expect(await findings()).toEqual(['record_mismatch A:3', 'content_mismatch A:4', 'content_mismatch A:4']);
  });
});
