import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ledger } from '../src/cli/ledger.ts';
import { output } from '../src/cli/output.ts';
import { decodeTracesProtobuf } from '../src/otlp/protobuf-traces.ts';
import { understand } from '../src/understand.ts';
import { Judge } from '../src/verify/judge.ts';
import { sqlScanner } from '../src/verify/sql-scanner.ts';
import { verify } from '../src/verify/verify.ts';
import { requests } from './workload.ts';

const ROUNDS = 3;

/**
 * Verification of one table beside a bare `SELECT SHA256(payload)` scan of it, in turn. The budget speaks of
 * the hashes; the canonical form of every payload is read in this process and is told apart.
 */
export async function benchVerify(spans = 100_000): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const ledger = await Ledger.open({ dir }, 'write');
  const journal = ledger.takeJournal('bench');
  const writer = ledger.writer(journal, 'bench');
  for (const body of requests(spans)) {
    await writer.append(decodeTracesProtobuf(body).spans.map((span) => understand(span, ledger.policy)));
  }
  await writer.close();
  await ledger.ship(writer, output(true));
  await journal.close();
  const { ledgerId } = ledger.deployment;
  const { store } = ledger;
  const [{ rows, bytes, disk }] = (await store.query<{ rows: string; bytes: string; disk: string }>(
    "SELECT count() AS rows, sum(length(payload)) AS bytes, (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'audit_records') AS disk FROM spanledger.audit_records",
  )) as [{ rows: string; bytes: string; disk: string }];
  console.log(
    `verify: ${rows} records, ${Math.round(Number(bytes) / Number(rows))} B payload, ${Math.round(Number(disk) / Number(rows))} B a record on disk`,
  );
  const times = { scan: [] as number[], hashes: [] as number[], sql: [] as number[], node: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    times.scan.push(
      await timed(() => store.query('SELECT sum(cityHash64(SHA256(payload))) FROM spanledger.audit_records')),
    );
    times.hashes.push(
      await timed(async () => {
        const judge = new Judge({ ledgerId, asOf: 0 });
        for await (const found of sqlScanner(store, ledgerId).scan())
          found.what === 'row' ? judge.row(found) : judge.stretch(found);
        judge.finish();
        if (judge.records !== Number(rows) || judge.findings.length > 0)
          throw new Error('the ledger does not verify');
      }),
    );
    times.sql.push(await timed(() => verify(store, { ledgerId, engine: 'sql' })));
    times.node.push(await timed(() => verify(store, { ledgerId, engine: 'node' })));
  }
  const scan = median(times.scan);
  const line = (name: string, ms: number) =>
    console.log(
      `  ${name.padEnd(34)} ${Math.round(ms)} ms, ${Math.round(Number(rows) / ms)}k records/s, ${(scan / ms).toFixed(2)} of the scan`,
    );
  line('bare SHA256 scan', scan);
  line('hashes, links and columns (sql)', median(times.hashes));
  line('all, with canonical form (sql)', median(times.sql));
  line('all, in this process (node)', median(times.node));
  console.log(`  ${Math.round(process.memoryUsage().rss / 2 ** 20)} MB RSS at the end`);
  await ledger.close();
  rmSync(dir, { recursive: true, force: true });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
