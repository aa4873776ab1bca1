import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ledger } from '../src/cli/ledger.ts';
import { output } from '../src/cli/output.ts';
import { decodeTracesProtobuf } from '../src/otlp/protobuf-traces.ts';
import { confirm, insertRecords } from '../src/store/records.ts';
import { Gathering } from '../src/target/batch.ts';
import { understand } from '../src/understand.ts';
import { requests } from './workload.ts';

/** Requests between two shipments. */
const SHIP_EVERY = 10;

/** What each stage of the way costs a span, alone: on the clock, and in processor time of all threads. */
export async function benchStages(spans = 20_000): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const ledger = await Ledger.open({ dir }, 'write');
  const { policy, store } = ledger;
  const journal = ledger.takeJournal('bench');
  const writer = ledger.writer(journal, 'bench');
  const bodies = [...requests(spans)];
  const stages = new Stages();
  let records = 0;
  for (const round of ['warm', 'measured']) {
    if (round === 'measured') stages.clear();
    for (const [i, body] of (round === 'warm' ? [...requests(5_000)] : bodies).entries()) {
      const { spans: decoded } = await stages.run('decode', () => decodeTracesProtobuf(body));
      const items = await stages.run('understand', () => decoded.map((span) => understand(span, policy)));
      await stages.run('settle, seal, commit', () => writer.commit(items));
      await stages.run('flush', () => journal.flush());
      if (i % SHIP_EVERY < SHIP_EVERY - 1) continue;
      const gathering = new Gathering();
      const end = await stages.run('read from the journal', () => {
        let last: Parameters<typeof journal.markShipped>[0] | undefined;
        for (const each of journal.unshipped()) {
          if (!gathering.take(each.record)) break;
          last = each.end;
        }
        return last!;
      });
      const batch = gathering.batch!;
      await stages.run('insert', () => insertRecords(store, batch, batch, 'once'));
      await stages.run('confirm', () => confirm(store, batch));
      await stages.run('mark as shipped', async () => {
        journal.markShipped(end);
        await journal.flush();
      });
      if (round === 'measured') records += batch.length;
    }
  }
  console.log(`stages: ${spans} spans, ${records} records shipped`);
  stages.print(spans);
  await writer.close();
  await ledger.ship(writer, output(true));
  await journal.close();
  await ledger.close();
  rmSync(dir, { recursive: true, force: true });
}

class Stages {
  readonly #costs = new Map<string, { clock: number; processor: number }>();

  async run<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const clock = performance.now();
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    const cost = this.#costs.get(name) ?? { clock: 0, processor: 0 };
    cost.clock += (performance.now() - clock) * 1_000;
    cost.processor += user + system;
    this.#costs.set(name, cost);
    return result;
  }

  clear(): void {
    this.#costs.clear();
  }

  print(spans: number): void {
    const sum = { clock: 0, processor: 0 };
    for (const [name, { clock, processor }] of this.#costs) {
      line(name, clock / spans, processor / spans);
      sum.clock += clock;
      sum.processor += processor;
    }
    line('all', sum.clock / spans, sum.processor / spans);
  }
}

function line(name: string, clock: number, processor: number): void {
  console.log(
    `  ${name.padEnd(22)} ${clock.toFixed(1).padStart(6)} µs a span, ${processor.toFixed(1).padStart(6)} µs of processor time`,
  );
}
