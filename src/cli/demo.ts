import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_DIR } from '../config/layout.ts';
import { SpanledgerError } from '../errors.ts';
import type { AuditRecord } from '../record/record.ts';
import { type AccessReport, accessReport } from '../report/access.ts';
import { timeline, timelineLines } from '../report/timeline.ts';
import { AuditSpanProcessor } from '../sdk/processor.ts';
import { ship } from '../ship.ts';
import type { Store } from '../store/client.ts';
import type { Verification } from '../verify/findings.ts';
import { verify } from '../verify/verify.ts';
import { holdKeeper } from './keeper.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { Inked, indented, ink, inked, type Output, table, visible } from './output.ts';
import { trustIn } from './trust.ts';
import { verificationLines } from './verify.ts';

export interface DemoOptions extends LedgerOptions {
  keep?: boolean;
}

/**
 * The main job in one command: an agent's spans become records in a real ClickHouse, are verified, answer who
 * saw a patient's data, and a forged copy is found out. 0 when all of that was seen.
 */
export async function demo(options: DemoOptions, out: Output): Promise<number> {
  if (options.url !== undefined)
    throw new SpanledgerError('usage_invalid', 'the demo runs on the embedded ClickHouse', {
      hint: 'leave out --url',
    });
  const dir = directoryFor(options);
  const kept = options.dir !== undefined || options.keep === true;
  try {
    out.line(ink.bold('spanledger: a medical-records agent, recorded, verified, and one forgery found'));
    const result = await record(dir, out);
    const tampered = await tamperWithACopy(dir, out);
    const { records, verification, report } = result;
    out.document({ records, verify: verification, report, tampered });
    if (kept) out.line(inked`\nThe ledger is in ${dir}. Next: spanledger timeline conv-7f3a --dir ${dir}`);
    return verification.status === 'valid' && tampered.status === 'tampered' ? 0 : 1;
  } finally {
    if (!kept) rmSync(dir, { recursive: true, force: true });
  }
}

/** A ledger that is there already is never touched. */
function directoryFor({ dir, keep }: DemoOptions): string {
  const wanted = dir ?? (keep === true ? DEFAULT_DIR : undefined);
  if (wanted === undefined) return mkdtempSync(join(tmpdir(), 'spanledger-demo-'));
  if (existsSync(wanted) && readdirSync(wanted).length > 0) {
    throw new SpanledgerError('usage_invalid', `${wanted} is not empty`, {
      hint: 'give the demo a directory of its own with --dir',
    });
  }
  return wanted;
}

async function record(dir: string, out: Output) {
  const { BasicTracerProvider, resourceFromAttributes, MedicalRecordsAgent, dayAtTheHospital } =
    await loadSdk();
  const processor = new AuditSpanProcessor({ dir, writer: 'medrec' });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'medrec' }),
    spanProcessors: [processor],
  });
  const ledger = await Ledger.embedded(dir, 'write');
  try {
    const { writer } = processor.audit;
    const landing = new Landing(ledger.store, out);
    await dayAtTheHospital(new MedicalRecordsAgent(provider.getTracer('medrec')), async () => {
      await provider.forceFlush();
      await ship(writer, ledger.target);
      await landing.show();
    });
    await writer.close();
    await ship(writer, ledger.target);
    await landing.show();
    await provider.shutdown();
    await signed(ledger, out);

    const verification = await verified(ledger);
    out.line(inked`\n${ink.bold('Verified')}`);
    for (const line of verificationLines(verification)) out.line(indented(line));
    await showCounts(ledger.store, out);
    out.line(inked`\n${ink.bold('A conversation')}`);
    for (const line of timelineLines(await timeline(ledger.store, 'conv-7f3a'))) out.line(`  ${clip(line)}`);
    const report = await reportOn(ledger, verification);
    showReport(report, out);
    return { records: verification.records_checked, verification, report };
  } finally {
    await ledger.close();
  }
}

/** By the key that the directory itself says is the ledger's. */
function verified({ store, deployment: { ledgerId, layout } }: Ledger): Promise<Verification> {
  return verify(store, { ledgerId, trust: trustIn(layout) ?? null });
}

/** What any keeper does every few minutes. */
async function signed(ledger: Ledger, out: Output): Promise<void> {
  const held = (await holdKeeper(ledger))!;
  try {
    const { round, listed, checkpoint } = await held.keeper.keep();
    out.line(inked`\n${ink.bold('Signed')}`);
    out.line(
      inked`  round ${round}: ${listed.length} chain; checkpoint of ${checkpoint.size} records by ${held.keeper.vkey}`,
    );
  } finally {
    await held.release();
  }
}

async function loadSdk() {
  try {
    const { BasicTracerProvider } = await import('@opentelemetry/sdk-trace-base');
    const { resourceFromAttributes } = await import('@opentelemetry/resources');
    const { MedicalRecordsAgent, dayAtTheHospital } = await import('./demo-agent.ts');
    return { BasicTracerProvider, resourceFromAttributes, MedicalRecordsAgent, dayAtTheHospital };
  } catch (cause) {
    throw new SpanledgerError('dependency_missing', 'the demo needs the OpenTelemetry SDK', {
      cause,
      hint: 'npm install @opentelemetry/api @opentelemetry/sdk-trace-base @opentelemetry/resources chdb',
    });
  }
}

/** Records shown as they land in ClickHouse. */
class Landing {
  count = 0;
  readonly #store: Store;
  readonly #out: Output;

  constructor(store: Store, out: Output) {
    this.#store = store;
    this.#out = out;
  }

  async show(): Promise<void> {
    const rows = await this.#store.query<{ seq: string; payload: string }>(
      'SELECT seq, payload FROM spanledger.audit_records ORDER BY chain_id, seq LIMIT 1000000 OFFSET {count:UInt64}',
      { count: this.count },
    );
    if (this.count === 0 && rows.length > 0)
      this.#out.line(inked`\n${ink.dim('  seq  action                    actor                    what')}`);
    for (const { seq, payload } of rows) this.#out.line(landedLine(seq, JSON.parse(payload) as AuditRecord));
    this.count += rows.length;
  }
}

function landedLine(seq: string, record: AuditRecord): Inked {
  const { outcome, tool, phase, resource } = record;
  const status =
    outcome === undefined ? (phase === 'intent' ? ink.dim('intent') : '') : inkedStatus(outcome.status);
  const what = [tool?.name ?? record.model?.request, resource?.id, status]
    .filter((part): part is string | Inked => part !== undefined && part !== '')
    .map(visible)
    .join(' ');
  const actor = `${record.actor.type} ${record.actor.id}`;
  return inked`  ${seq.padStart(3)}  ${record.action.padEnd(24)}  ${actor.padEnd(23)}  ${new Inked(what)}`;
}

function inkedStatus(status: string): Inked {
  return status === 'success'
    ? ink.green(status)
    : status === 'denied'
      ? ink.yellow(status)
      : ink.red(status);
}

const COUNTS = `
SELECT * FROM
(
SELECT 'action' AS field, toString(action) AS value, count() AS records FROM spanledger.audit_records GROUP BY value
UNION ALL SELECT 'actor', toString(actor_type), count() FROM spanledger.audit_records GROUP BY actor_type
UNION ALL SELECT 'trigger', toString(\`trigger\`), count() FROM spanledger.audit_records WHERE \`trigger\` != '' GROUP BY \`trigger\`
)
ORDER BY field, records DESC, value`;

async function showCounts(store: Store, out: Output): Promise<void> {
  const rows = await store.query<{ field: string; value: string; records: string }>(COUNTS);
  out.line(inked`\n${ink.bold('In the ledger')}`);
  for (const line of table(
    ['field', 'value', 'records'],
    rows.map((row) => [row.field, row.value, Number(row.records)]),
  ))
    out.line(indented(line));
}

const HOUR_MS = 3_600_000;

async function reportOn(ledger: Ledger, verification: Verification): Promise<AccessReport> {
  const { PATIENT } = await import('./demo-agent.ts');
  const at = (offset: number) => new Date(Date.now() + offset).toISOString();
  const query = { subject: PATIENT.patient_id, from: at(-HOUR_MS), to: at(HOUR_MS) };
  return accessReport(ledger.store, ledger.policy.keyring, query, verification.status === 'valid');
}

function showReport(report: AccessReport, out: Output): void {
  out.line(inked`\n${ink.bold(`Who saw or changed the data of patient ${report.patient_id}`)}`);
  const rows = report.accesses.map((access) => [
    access.timestamp.slice(11, 23),
    access.accessed_by,
    access.role ?? '',
    access.tool ?? '',
    access.purpose ?? '',
    access.success ? 'yes' : 'no',
  ]);
  for (const line of table(['time', 'by', 'role', 'tool', 'purpose', 'success'], rows))
    out.line(indented(line));
  out.line(
    `  ${report.total_accesses} accesses by ${report.unique_users} users, integrity ${report.integrity_verified ? 'verified' : 'NOT verified'}`,
  );
}

/** In a copy of the stopped store, whoever may write in the database turns a denied deletion into a success. */
async function tamperWithACopy(dir: string, out: Output): Promise<Verification> {
  const copy = mkdtempSync(join(tmpdir(), 'spanledger-tampered-'));
  try {
    cpSync(dir, copy, { recursive: true });
    const ledger = await Ledger.embedded(copy, 'read');
    try {
      out.line(inked`\n${ink.bold('In a copy, the denied deletion is made a success, by SQL')}`);
      await ledger.store.command(
        `ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, '"status":"denied"', '"status":"success"')
         WHERE action = 'tool_invoked' AND status = 'denied' SETTINGS mutations_sync = 2`,
      );
      const result = await verified(ledger);
      for (const line of verificationLines(result)) out.line(indented(line));
      return result;
    } finally {
      await ledger.close();
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function clip(line: string): string {
  const width = 150;
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}
