import { constants } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { type Decoded, decodeFile } from '../otlp/decode.ts';
import type { Became, Writer } from '../pipeline.ts';
import type { Policy } from '../policy/policy.ts';
import type { Receipt } from '../record/receipt.ts';
import { quarantine, type Understood, understand, understandLogs } from '../understand.ts';
import { type Explained, explain, explainedLines } from './explain.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { indented, type Output, table } from './output.ts';
import { Progress } from './progress.ts';

/** Spans understood at once, and then appended: whom a parent among them is about is known to its children. */
const BATCH_SPANS = 10_000;
/** A file is decoded from one text, and none is longer: 512 MB. */
const MAX_FILE_BYTES = constants.MAX_STRING_LENGTH;

interface Summary {
  files: number;
  spans: number;
  mapped: number;
  not_agent: number;
  quarantined: number;
  duplicates: number;
  /** Spans of none of the dialects that look like an agent's all the same; among the not_agent. */
  unknown: number;
  log_records: number;
  /** Spans whose content the log records hold. */
  contents: number;
  records: { [action: string]: number };
  explained?: Explained[];
  /** Chains of which the store no longer holds what it had confirmed. */
  stopped?: { chain_id: string; kind: string; seq: number }[];
}

export interface IngestOptions extends LedgerOptions {
  /** Tell of each span what it became, and why. */
  explain?: boolean;
}

/** Records the spans of OTLP files. A file that cannot be read or decoded adds nothing, and nothing else is added. */
export async function ingest(files: readonly string[], options: IngestOptions, out: Output): Promise<number> {
  const contents = files.map((file) => ({ file, bytes: read(file) }));
  const sizes = contents.map(({ file, bytes }) => checked(file, bytes));
  const ledger = await Ledger.open(options, 'write');
  try {
    const journal = ledger.takeJournal('cli', out);
    try {
      ledger.requireKeys();
      const writer = ledger.writer(journal, 'cli');
      const { stopped } = await ledger.ship(writer, out);
      const summary: Summary = {
        files: files.length,
        spans: sizes.reduce((sum, { spans }) => sum + spans, 0),
        mapped: 0,
        not_agent: 0,
        quarantined: 0,
        duplicates: 0,
        unknown: 0,
        log_records: sizes.reduce((sum, { logs }) => sum + logs, 0),
        contents: 0,
        records: {},
        ...(options.explain === true ? { explained: [] } : {}),
      };
      const progress = new Progress('spans');
      for (const { bytes } of contents)
        for (const decoded of decodeFile(bytes))
          await append(decoded, writer, ledger.policy, summary, progress);
      progress.done();
      await writer.close();
      stopped.push(...(await ledger.ship(writer, out)).stopped);
      if (stopped.length > 0)
        summary.stopped = stopped.map(({ chainId, kind, seq }) => ({ chain_id: chainId, kind, seq }));
      report(summary, ledger, out);
    } finally {
      await journal.close();
    }
    await ledger.drain(out);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

async function append(
  { spans, logs, unreadable }: Decoded,
  writer: Writer,
  policy: Policy,
  summary: Summary,
  progress: Progress,
): Promise<void> {
  for (const some of inBatches(spans)) {
    const batch = some.map((span) => understand(span, policy));
    const became = new Map<Understood, Became>();
    add(summary, await writer.append(batch, (each, what) => became.set(each, what)));
    for (const [at, span] of some.entries())
      summary.explained?.push(explain(span, batch[at]!, became.get(batch[at]!), policy));
    progress.update(summary.mapped + summary.not_agent, summary.spans);
  }
  for (const some of inBatches(understandLogs(logs, policy))) add(summary, await writer.append(some));
  for (const some of inBatches(unreadable))
    add(summary, await writer.append(some.map((span) => quarantine(span, policy))));
}

function* inBatches<T>(all: readonly T[]): Generator<T[]> {
  for (let i = 0; i < all.length; i += BATCH_SPANS) yield all.slice(i, i + BATCH_SPANS);
}

function add(summary: Summary, receipt: Receipt): void {
  summary.mapped += receipt.mapped;
  summary.not_agent += receipt.notAgent;
  summary.quarantined += receipt.quarantined;
  summary.duplicates += receipt.duplicates;
  summary.unknown += receipt.unknown;
  summary.contents += receipt.contents;
  for (const [action, count] of Object.entries(receipt.records))
    summary.records[action] = (summary.records[action] ?? 0) + count;
}

function report(summary: Summary, ledger: Ledger, out: Output): void {
  const { spans, mapped, not_agent, quarantined, duplicates, records } = summary;
  out.document(summary);
  for (const line of (summary.explained ?? []).flatMap(explainedLines)) out.line(line);
  out.line(
    `${spans} spans: ${mapped} of agents (${duplicates} known already), ${not_agent} of other things, ${quarantined} quarantined`,
  );
  if (summary.log_records > 0)
    out.line(`${summary.log_records} log records: the content of ${summary.contents} spans`);
  const rows = Object.entries(records).sort(([, a], [, b]) => b - a);
  if (rows.length > 0) for (const line of table(['action', 'records'], rows)) out.line(indented(line));
  if (rows.length > 0)
    out.line(
      `In ${ledger.store.where === 'embedded' ? ledger.deployment.layout.dir : ledger.store.where}. Next: spanledger verify`,
    );
  if (summary.unknown > 0)
    out.log(
      `Warning: ${summary.unknown} spans look like an agent's in no dialect known here: --explain tells which`,
    );
  if (quarantined > 0)
    out.log(
      `Warning: ${quarantined} spans could not be understood; they are kept in the journal's quarantine`,
    );
}

function read(file: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    if (file !== '-') refuseLarge(file, statSync(file).size);
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    if (isSpanledgerError(cause)) throw cause;
    throw new SpanledgerError('file_unreadable', `${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'give the path of a file, or - for standard input',
    });
  }
  refuseLarge(file, bytes.length);
  return bytes;
}

function refuseLarge(file: string, bytes: number): void {
  if (bytes <= MAX_FILE_BYTES) return;
  throw new SpanledgerError(
    'file_unreadable',
    `${file} has ${Math.ceil(bytes / 2 ** 20)} MB, and 512 MB are read at once; nothing was recorded`,
    {
      hint: 'split it, JSON by line as `split -C 400m FILE part-` does, or send its spans through the sidecar',
    },
  );
}

interface Size {
  spans: number;
  logs: number;
}

/** How much the file has; everything in it is decoded before anything is written. */
function checked(file: string, bytes: Uint8Array): Size {
  try {
    const size = { spans: 0, logs: 0 };
    for (const { spans, logs, unreadable } of decodeFile(bytes)) {
      size.spans += spans.length + unreadable.length;
      size.logs += logs.length;
    }
    return size;
  } catch (error) {
    if (!(error instanceof SpanledgerError)) throw error;
    throw new SpanledgerError(error.code, `${file}: ${error.message}`, {
      cause: error,
      hint: error.hint ?? 'give OTLP traces or logs as JSON, JSON by line, or protobuf; nothing was recorded',
    });
  }
}
