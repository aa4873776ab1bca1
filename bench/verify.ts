import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signCheckpointSync } from '../src/chain/checkpoint.ts';
import { rootOf } from '../src/chain/merkle.ts';
import { newChain, type SealedRecord, seal } from '../src/chain/seal.ts';
import { LocalSigner } from '../src/chain/signer.ts';
import { systemClock } from '../src/clock.ts';
import { layoutOf } from '../src/config/layout.ts';
import { Journal } from '../src/journal/journal.ts';
import { decodeTracesProtobuf } from '../src/otlp/protobuf-traces.ts';
import { Writer } from '../src/pipeline.ts';
import { compilePolicy } from '../src/policy/policy.ts';
import { control } from '../src/record/control.ts';
import type { RecordDraft } from '../src/record/record.ts';
import { Store } from '../src/store/client.ts';
import { migrate } from '../src/store/migrate.ts';
import { understand } from '../src/understand.ts';
import { COLUMNS, SAID } from '../src/verify/columns.ts';
import type { VerifierState } from '../src/verify/state.ts';
import { judgeLedger, type VerifyOptions } from '../src/verify/verify.ts';
import { requests } from './workload.ts';

const POLICY = compilePolicy({ id: 'k1', secret: randomBytes(32) });
const LEDGER_ID = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
const ROUNDS = 3;
/** Records between two checkpoints, and what an incremental verification finds new. */
const CHECKPOINT_EVERY = 10_000;
const BATCH = 20_000;
/** Larger ledgers are not read whole in this process: it takes as long as all else. */
const FULL_UP_TO = 500_000;

const SCAN = 'SELECT sum(cityHash64(SHA256(payload))) FROM spanledger.audit_records';
const COMPARED = COLUMNS.map(({ stored, expected }) => `${stored} = ${expected}`).join(' AND ');
const COLUMN_SCAN = `WITH ${SAID} AS said SELECT sum(cityHash64(SHA256(payload))), countIf(${COMPARED}) FROM spanledger.audit_records`;

/**
 * Verification of one table beside a bare `SELECT SHA256(payload)` scan of it, in turn; and what 10,000 new records cost
 * at several sizes of the ledger.
 *
 * @param records 5 million by the budget
 */
export async function benchVerify(records = 1_000_000): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const store = await Store.embedded(layoutOf(dir));
  try {
    await migrate(store);
    const chain = new GrowingChain(store, await agentsRecords(join(dir, 'journal')));
    let state: VerifierState | undefined;
    console.log(`verify: 10,000 new records, by the size of the ledger`);
    for (const size of [records / 100, records / 10, records].map((each) =>
      Math.max(each, CHECKPOINT_EVERY),
    )) {
      await chain.growTo(Math.max(size - ROUNDS * CHECKPOINT_EVERY, CHECKPOINT_EVERY));
      state = (await verified(store, state, {})).state!;
      const took: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        await chain.growTo(chain.size + CHECKPOINT_EVERY);
        const known = state;
        took.push(await timed(async () => (state = (await verified(store, known, {})).state!)));
      }
      console.log(`  at ${size} ${Math.round(median(took))} ms`);
    }
    await whole(store);
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function whole(store: Store): Promise<void> {
  const [{ rows, bytes, disk }] = (await store.query<{ rows: string; bytes: string; disk: string }>(
    "SELECT count() AS rows, sum(length(payload)) AS bytes, (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'audit_records') AS disk FROM spanledger.audit_records",
  )) as [{ rows: string; bytes: string; disk: string }];
  const count = Number(rows);
  console.log(
    `verify: ${rows} records, ${Math.round(Number(bytes) / count)} B payload, ${Math.round(Number(disk) / count)} B a record on disk`,
  );
  const works: [name: string, work: () => Promise<unknown>][] = [
    ['bare SHA256 scan', () => store.query(SCAN)],
    ['the same, and columns compared', () => store.query(COLUMN_SCAN)],
    ['verify', () => verified(store, undefined, {})],
  ];
  if (count <= FULL_UP_TO)
    works.push(
      ['verify --full', () => verified(store, undefined, { full: true })],
      ['verify --engine node', () => verified(store, undefined, { engine: 'node' })],
    );
  const took = works.map(() => ({ ms: [] as number[], cpu: [] as number[], rss: 0 }));
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, [, work]] of works.entries()) {
      const cpu = process.cpuUsage();
      const { ms, rss } = await measured(work);
      const { user, system } = process.cpuUsage(cpu);
      took[i]!.ms.push(ms);
      took[i]!.cpu.push((user + system) / 1_000);
      took[i]!.rss = Math.max(took[i]!.rss, rss);
    }
  const [scan] = took.map(({ ms, cpu }) => ({ ms: median(ms), cpu: median(cpu) }));
  for (const [i, [name]] of works.entries()) {
    const [ms, cpu] = [median(took[i]!.ms), median(took[i]!.cpu)];
    console.log(
      `  ${name.padEnd(32)} ${Math.round(ms)} ms, ${Math.round(count / ms)}k records/s, ${(scan!.ms / ms).toFixed(2)} of the scan, ${(scan!.cpu / cpu).toFixed(2)} by processor time, ${Math.round(took[i]!.rss / 2 ** 20)} MB RSS at most`,
    );
  }
}

/** @throws unless it is valid: a bench of what finds something wrong measures something else. */
async function verified(store: Store, state: VerifierState | undefined, options: Partial<VerifyOptions>) {
  const known = state && { state: { sha256: '', state }, incremental: true };
  const judgement = await judgeLedger(store, { ledgerId: LEDGER_ID, ...known, ...options });
  if (judgement.verification.status !== 'valid')
    throw new Error(`the ledger is ${JSON.stringify(judgement.verification).slice(0, 1_000)}`);
  return judgement;
}

/** What a writer records of an agent's day. */
async function agentsRecords(dir: string): Promise<RecordDraft[]> {
  const journal = Journal.open(dir)!;
  const writer = new Writer({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    clock: systemClock,
    writer: 'bench',
    version: '0',
    origin: `spanledger.local/${LEDGER_ID}`,
  });
  for (const body of requests(20_000))
    await writer.append(decodeTracesProtobuf(body).spans.map((span) => understand(span, POLICY)));
  const records = [...journal.unshipped()].map(({ record }) => JSON.parse(record.payload) as RecordDraft);
  await writer.close();
  await journal.close();
  return records.filter(({ retention_class }) => retention_class !== 'ledger');
}

/** One chain as a writer makes it, from an agent's records again and again. */
class GrowingChain {
  readonly #store: Store;
  readonly #head = newChain(randomBytes(16).toString('hex'));
  readonly #signer = new LocalSigner(`spanledger.local/${LEDGER_ID}/${this.#head.chainId}`, randomBytes(32));
  readonly #drafts: readonly RecordDraft[];
  #next = 0;
  #now = 1_790_000_000_000_000;

  constructor(store: Store, drafts: readonly RecordDraft[]) {
    this.#store = store;
    this.#drafts = drafts;
  }

  get size(): number {
    return this.#head.size;
  }

  async growTo(size: number): Promise<void> {
    while (this.size < size) {
      const batch: SealedRecord[] = [];
      while (batch.length < Math.min(BATCH, size - this.size + batch.length)) batch.push(this.#record());
      const lines = batch.map(
        ({ chainId, seq, retentionClass, expiresAt, recordHash, payload }) =>
          `${chainId}\t${seq}\t${retentionClass}\t${expiresAt}\t${recordHash.replace(/../g, '\\x$&')}\t${payload.replaceAll('\\', '\\\\')}\n`,
      );
      await this.#store.insert(
        'INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload) FORMAT TabSeparated',
        lines.join(''),
      );
    }
  }

  #record(): SealedRecord {
    this.#now += 1_000;
    const { size, tree } = this.#head;
    const draft =
      size === 0
        ? control(
            'chain_opened',
            { role: 'records', writer: 'bench', version: '0', vkey: this.#signer.vkey },
            this.#now,
          )
        : size % CHECKPOINT_EVERY === 0
          ? control('checkpoint', { note: this.#note(size, rootOf(tree)) }, this.#now)
          : this.#drafts[this.#next++ % this.#drafts.length]!;
    const salt = randomBytes(16).toString('base64url');
    return seal(draft, this.#head, {
      ledgerId: LEDGER_ID,
      policy: POLICY.document,
      now: this.#now,
      salt,
    });
  }

  #note(size: number, root: string): string {
    return signCheckpointSync({ origin: this.#signer.name, size: BigInt(size), root }, this.#signer);
  }
}

async function measured(work: () => Promise<unknown>): Promise<{ ms: number; rss: number }> {
  let rss = 0;
  const look = () => (rss = Math.max(rss, process.memoryUsage.rss()));
  const watch = setInterval(look, 20);
  const ms = await timed(work);
  clearInterval(watch);
  look();
  return { ms, rss };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
