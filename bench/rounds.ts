import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { payloadDigest, recordHash, ZERO_HASH } from '../src/chain/entry.ts';
import { LocalSigner } from '../src/chain/signer.ts';
import { systemClock } from '../src/clock.ts';
import { layoutOf } from '../src/config/layout.ts';
import { Journal } from '../src/journal/journal.ts';
import { Keeper } from '../src/keeper.ts';
import { Writer } from '../src/pipeline.ts';
import { compilePolicy } from '../src/policy/policy.ts';
import { canonicalJson } from '../src/record/canonical.ts';
import { control } from '../src/record/control.ts';
import { Store } from '../src/store/client.ts';
import { migrate } from '../src/store/migrate.ts';
import { StoreTarget } from '../src/store/target.ts';

const LEDGER_ID = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
const ORIGIN = `spanledger.local/${LEDGER_ID}`;
const FEW = 100;
const ROUNDS = 7;

/** What a round costs where many chains have ended, against one where few have: next to nothing more. */
export async function benchRounds(chains = 100_000): Promise<void> {
  const few = await roundOf(FEW);
  const many = await roundOf(chains);
  console.log(`rounds: ${few.toFixed(1)} ms with ${FEW} closed chains, ${many.toFixed(1)} ms with ${chains}`);
  console.log(`  ratio ${(many / few).toFixed(2)}`);
}

/** Median milliseconds of a round in which nothing has moved, beside so many chains that are closed. */
async function roundOf(closed: number): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'spanledger-bench-'));
  const store = await Store.embedded(layoutOf(dir));
  try {
    await migrate(store);
    for (let at = 0; at < closed; at += 10_000) await insertClosed(store, Math.min(10_000, closed - at));
    const journal = Journal.open(join(dir, 'journal', 'control-00000001'))!;
    const signer = new LocalSigner(ORIGIN, randomBytes(32));
    const policy = compilePolicy({ id: 'k1', secret: randomBytes(32) });
    const common = { ledgerId: LEDGER_ID, origin: ORIGIN, clock: systemClock };
    const writer = new Writer({
      ...common,
      journal,
      policy,
      writer: 'control',
      version: '0',
      control: signer,
    });
    const own = () => new Set<string>();
    const target = new StoreTarget(store);
    const keeper = await Keeper.open({
      ...common,
      writer,
      store,
      target,
      signer,
      own,
      writers: [],
      anchors: [],
    });
    await keeper.keep();
    const took: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const started = performance.now();
      await keeper.keep();
      took.push(performance.now() - started);
    }
    await keeper.close();
    await writer.close();
    await journal.close();
    return took.sort((a, b) => a - b)[ROUNDS >> 1]!;
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Chains of two records, as a version without keys wrote them: the first round lists them as they are. */
async function insertClosed(store: Store, chains: number): Promise<void> {
  const now = systemClock();
  const expiresAt = 4_102_444_800;
  const stamp = { salt: 'AAAAAAAAAAAAAAAAAAAAAA', recorded_at: '2026-01-01T00:00:00.000000Z' };
  const opened = { role: 'records', writer: 'bench', version: '0', policy_digest: ZERO_HASH };
  const payloads = [control('chain_opened', opened, now), control('chain_closed', {}, now)].map((draft) =>
    canonicalJson({ ...draft, ...stamp }),
  );
  let rows = '';
  for (let i = 0; i < chains; i++) {
    const chainId = randomBytes(16).toString('hex');
    let prevHash = ZERO_HASH;
    for (const [seq, payload] of payloads.entries()) {
      const entry = { ledgerId: LEDGER_ID, chainId, seq, expiresAt, prevHash };
      prevHash = recordHash({ ...entry, payloadDigest: payloadDigest(payload) });
      rows += `${chainId}\t${seq}\tledger\t${expiresAt}\t${prevHash.replace(/../g, '\\x$&')}\t${payload}\n`;
    }
  }
  await store.insert(
    'INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload) FORMAT TabSeparated',
    rows,
  );
}
