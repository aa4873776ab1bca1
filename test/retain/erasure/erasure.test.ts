import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkCertificate } from '../../../src/chain/certificate.ts';
import { parseTrust } from '../../../src/chain/trust.ts';
import type { Writer } from '../../../src/pipeline.ts';
import { control } from '../../../src/record/control.ts';
import type { RecordDraft } from '../../../src/record/record.ts';
import type { Erasing } from '../../../src/retain/erasure/erasing.ts';
import { Erasure } from '../../../src/retain/erasure/erasure.ts';
import { ship as shipTo } from '../../../src/ship.ts';
import type { Store } from '../../../src/store/client.ts';
import { StoreTarget } from '../../../src/store/target.ts';
import { trustFile } from '../../../src/verify/trust.ts';
import { verify as verifyStore } from '../../../src/verify/verify.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../../support/keeper-kit.ts';
import { fileFolder, LEDGER_ID, ORIGIN, openJournal, openStore } from '../../support/ledger-kit.ts';
import { openAll, toolSaying, VAULTING, vaultWriter } from '../../support/vault-kit.ts';

const TRUST = { ...trustFile(`${LEDGER_SIGNER.vkey}\n`, 'given'), source: 'local' } as const;
const CANARY = 'PAT-CANARY-77';
const ANN = { type: 'admin', id: 'ann' } as const;
const DAY = 86_400;
const NOW = Math.floor(Date.now() / 1_000);

let dir: string;
let store: Store;
let kept: Awaited<ReturnType<typeof keeperIn>>;
let writer: Writer;
/** Seconds, of the writer and of the eraser. */
let now: number;

beforeEach(async () => {
  now = NOW;
  dir = join(fileFolder(), 'ledger');
  store = await openStore(dir);
  writer = vaultWriter(openJournal(join(dir, 'journal', 'app-00000001')), { clock: () => now * 1e6 });
  kept = await keeperIn(dir, store);
});
afterEach(async () => {
  await writer.close();
  await ship();
  await writer.journal.close();
  await kept.close();
  await store.close();
});

const ship = () => shipTo(writer, new StoreTarget(store));

function erasure(more: Partial<Erasing> = {}): Erasure {
  return new Erasure({
    store,
    ledgerId: LEDGER_ID,
    origin: ORIGIN,
    policy: () => VAULTING,
    clock: () => now * 1e6,
    signer: () => kept.keeper.signer,
    checkpoint: () => kept.keeper.checkpoint,
    lend: (work) => kept.keeper.lend(work),
    forget: async (gone) => ((await writer.journal.forget(gone)) ? [] : ['app-00000001']),
    ...more,
  });
}
const ASKED = { subjects: [CANARY], tenant: 'default', reason: 'request 17', actor: ANN };
const erase = () => erasure().erase(ASKED, () => kept.keeper.keep());

/** Records about the person, of a class, and one about somebody else. */
function record(retention_class: string, more: Partial<RecordDraft> = {}): string {
  const draft: RecordDraft = {
    ...control('gap', {}, now * 1e6),
    action: 'data_accessed',
    actor: { type: 'agent', id: 'claims' },
    retention_class,
    resource: { type: 'patient', id: CANARY },
    details: { note: `diagnosis-of-${CANARY}-secret` },
    ...more,
  };
  delete draft.control;
  return writer.tell(draft);
}

const other = (retention_class: string) =>
  record(retention_class, { resource: { type: 'patient', id: 'PAT-OTHER' }, details: { note: 'other' } });

/** Files of the directory that hold some text, at any depth. */
function holding(text: string | Buffer): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
}

/** What is stored as it is: sealed contents of the person's records, and the keys that open them. */
async function mySealed(): Promise<Buffer[]> {
  const rows = await store.query<{ bytes: string }>(
    `SELECT base64Encode(sealed) AS bytes FROM spanledger.audit_content WHERE (chain_id, seq) IN (SELECT chain_id, seq FROM spanledger.audit_records WHERE payload LIKE '%${CANARY}%')
     UNION ALL SELECT base64Encode(audit_content_keys.wrapped) FROM spanledger.audit_content_keys WHERE lower(hex(key_id)) IN
     (SELECT audit_content.key_id FROM spanledger.audit_content WHERE (chain_id, seq) IN (SELECT chain_id, seq FROM spanledger.audit_records WHERE payload LIKE '%${CANARY}%'))`,
  );
  return rows.map(({ bytes }) => Buffer.from(bytes, 'base64'));
}

/** Parts on disk that the engine does not read: what is in them is compressed, and there all the same. */
async function leftParts(): Promise<string[]> {
  const rows = await store.query<{ path: string }>(
    "SELECT path FROM system.parts WHERE database = 'spanledger' AND active",
  );
  const active = new Set(rows.map(({ path }) => path.replace(/.*\/store\//, '').replace(/\/$/, '')));
  return readdirSync(join(dir, 'clickhouse', 'store'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('/checksums.txt'))
    .map((name) => name.replace('/checksums.txt', ''))
    .filter((part) => !active.has(part) && !part.includes('tmp_'));
}

/** Tables of the database that say it in any column, as the engine reads them. */
async function saying(text: string): Promise<string[]> {
  const tables = await store.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = 'spanledger' AND engine = 'MergeTree'",
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await store.text(
      `SELECT * FROM spanledger.${name} SETTINGS asterisk_include_alias_columns = 1, asterisk_include_materialized_columns = 1`,
      'JSONEachRow',
    );
    if (rows.includes(text)) found.push(name);
  }
  return found;
}

const verify = () => verifyStore(store, { ledgerId: LEDGER_ID, trust: TRUST });

describe('an erasure', () => {
  it('leaves nothing of a person in any file, and a ledger that verifies', async () => {
    const mine = [record('default'), record('soc2')];
    other('default');
    await writer.append([toolSaying({ patient_id: CANARY }, 'vaulted')]);
    mine.push(record('default'));
    await ship();
    const before = await openAll(store);
    expect(holding(CANARY)).not.toEqual([]);
    expect(await saying(CANARY)).toEqual(['audit_records']);
    const sealed = await mySealed();
    expect(sealed).toHaveLength(3);
    for (const each of sealed) expect(holding(each)).not.toEqual([]);

    const plan = await erasure().plan(ASKED);
    expect(plan).toMatchObject({ state: 'planned', request_id: null, kept: [] });
    expect(plan.erase).toBeGreaterThanOrEqual(mine.length);
    expect(await told(store, 'erasure_requested')).toEqual([]);

    const done = await erase();
    expect(done).toMatchObject({
      state: 'complete',
      erase: plan.erase,
      erased: plan.erase,
      kept: [],
      waiting: [],
    });
    expect(holding(CANARY)).toEqual([]);
    for (const each of sealed) expect(holding(each)).toEqual([]);
    expect(await saying(CANARY)).toEqual([]);
    expect(await leftParts()).toEqual([]);
    expect(await saying('PAT-OTHER')).toEqual(['audit_records']);
    const verified = await verify();
    expect(verified.findings).toEqual([]);
    expect(verified).toMatchObject({ status: 'valid', erased: plan.erase });

    const [certificate, ...more] = done.certificates;
    expect(more).toEqual([]);
    expect(certificate).not.toContain(CANARY);
    const trust = parseTrust(`${LEDGER_SIGNER.vkey}\n`);
    const checked = checkCertificate(certificate!, trust);
    expect(checked).toMatchObject({ status: 'proven', records: plan.erase });
    if (checked.status !== 'proven') return;
    const ids = checked.certificate.erased.flatMap(({ records }) => records.map(({ id }) => id));
    expect(ids).toEqual(expect.arrayContaining(mine));
    expect(checkCertificate(certificate!.replace(ids[0]!, `${ids[0]!}0`), trust)).toMatchObject({
      status: 'refused',
      step: 'signature',
    });
    expect(before.length).toBeGreaterThan((await openAll(store)).length);
    expect(await openAll(store)).not.toContain(expect.stringContaining('does not open'));

    // Nothing is left to do, and nothing is told twice.
    expect(await erasure().runDue()).toEqual([]);
    expect(await erase()).toMatchObject({ state: 'nothing', records: 0 });
    expect(await erasure().resume(done.request_id!)).toMatchObject({ state: 'complete', erased: plan.erase });
    expect((await verify()).findings).toEqual([]);
  });

  it('defers what a law keeps, says until when, and does it when that is over', async () => {
    now = NOW - 400 * DAY;
    const old = record('hipaa');
    record('default');
    await ship();
    now = NOW;
    const done = await erase();
    expect(done).toMatchObject({ state: 'complete', records: 2, erase: 1, erased: 1 });
    expect(done.kept).toMatchObject([{ why: 'law', basis: 'hipaa', records: 1 }]);
    const until = Date.parse(done.kept[0]!.until!) / 1_000;
    expect(until).toBeGreaterThan(NOW + (2_190 - 401) * DAY);
    expect(await saying(CANARY)).toEqual(['audit_records']);
    // Records as old as these are of a chain that has been silent for long.
    const isCritical = ({ severity }: { severity: string }) => severity === 'critical';
    const judged = await verify();
    expect(judged.findings.filter(isCritical)).toEqual([]);
    expect(judged).toMatchObject({ status: 'valid', erased: 1 });
    expect(await erase()).toMatchObject({ state: 'refused', records: 1, erase: 0, certificates: [] });
    now = until - 1;
    expect(await erasure().runDue()).toEqual([]);
    now = until;
    const [ran] = await erasure().runDue();
    expect(ran).toMatchObject({ id: done.request_id, waiting: [] });
    expect(ran!.erased.flatMap(({ records }) => records.map(({ id }) => id))).toContain(old);
    now = NOW;
    expect(holding(CANARY)).toEqual([]);
    expect(await saying(CANARY)).toEqual([]);
    const after = await verify();
    expect(after.findings.filter(isCritical)).toEqual([]);
    expect(after).toMatchObject({ status: 'valid', erased: 2 });
  });

  it('is not complete, nor certified, while an archive has a copy', async () => {
    const [chain, seq] = record('default').split(':') as [string, string];
    await ship();
    const ranges = { [chain]: [[Number(seq), Number(seq)]] };
    const confirmed = { manifest: 'a'.repeat(64), retention_class: 'default', ranges };
    await kept.keeper.lend(async (line) => void line.tell('archive_confirmed', confirmed));
    const done = await erase();
    expect(done).toMatchObject({ state: 'incomplete', erased: 1, certificates: [] });
    expect(done.waiting).toEqual([expect.stringContaining('has copies of 1 of the records')]);
    expect(await saying(CANARY)).toEqual([]);
  });

  it('leaves what a hold keeps until it is released', async () => {
    record('default');
    const held = record('default', { conversation_id: 'case-9' });
    await ship();
    const { hold_id } = await kept.retention.place({
      case: '12',
      reason: 'lawsuit',
      actor: ANN,
      selection: { conversation: ['case-9'], tenant: 'default' },
    });
    const done = await erase();
    expect(done).toMatchObject({ state: 'complete', records: 2, erase: 1, erased: 1 });
    expect(done.kept).toEqual([{ why: 'hold', basis: hold_id, until: null, records: 1 }]);
    expect(await erasure().runDue()).toEqual([]);
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], erased: 1, on_hold: 1 });
    await kept.retention.release({ holdId: hold_id, reason: 'over', actor: { type: 'admin', id: 'ben' } });
    const [ran] = await erasure().runDue();
    expect(ran?.erased.flatMap(({ records }) => records.map(({ id }) => id))).toContain(held);
    expect(holding(CANARY)).toEqual([]);
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], erased: 2 });
  });
});
