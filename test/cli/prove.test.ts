import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createDeployment } from '../../src/config/deployment.ts';
import { Store } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { documentOf, spanledger } from '../support/cli.ts';
import { fileFolder } from '../support/ledger-kit.ts';
import { CONTROL, FabricatedLedger } from '../support/proof-ledger.ts';

const CHAIN = 'a1'.repeat(16);
const TIME = 1_772_366_400;
const folder = fileFolder();
const dir = join(folder, 'ledger');
const proof = join(folder, 'of-4.proof');
const trust = join(folder, 'published');
const code = (ran: { stdout: string }) => (JSON.parse(ran.stdout) as { error: { code: string } }).error.code;
let ledger: FabricatedLedger;

const run = (...args: string[]) => spanledger([...args, '--dir', dir]);
/** Where there is no ledger: as whoever was sent the file. */
const elsewhere = (...args: string[]) => spanledger(args, { env: { SPANLEDGER_DIR: join(folder, 'none') } });

beforeAll(async () => {
  const { layout, ledgerId } = createDeployment(dir, {});
  ledger = new FabricatedLedger({ ledgerId });
  ledger.fill(CHAIN, 7);
  ledger.round();
  ledger.checkpoint();
  await ledger.cosigned(TIME);
  ledger.fill(CHAIN, 9);
  ledger.ownCheckpoint(CHAIN);
  const store = await Store.embedded(layout);
  await migrate(store);
  await ledger.storeIn(store);
  await store.close();
  writeFileSync(layout.trustFile, ledger.trust(true));
  writeFileSync(trust, ledger.trust());
});

describe('spanledger prove', () => {
  it('writes a file for its owner, and `check-proof` needs nothing but a public key', async () => {
    const made = await run('prove', `${CHAIN}:4`, '--out', proof, '--json');
    expect(documentOf(made)).toEqual({ id: `${CHAIN}:4`, file: proof, payload: true });
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(proof, 'utf8')).toBe(ledger.proof(CHAIN, 4));
    expect(statSync(proof).mode & 0o777).toBe(0o600);
    const checked = await elsewhere('check-proof', proof, '--trust', trust, '--json');
    expect(checked).toMatchObject({ code: 0, stderr: '' });
    expect(documentOf(checked)).toMatchObject({
      status: 'proven',
      id: `${CHAIN}:4`,
      ledger_id: ledger.ledgerId,
      record: { action: 'tool_invoked' },
      round: { round: 1, size: 7 },
      checkpoint: { origin: 'ledger.example/test', size: 2 },
      cosigned: [],
      trusted_key: ledger.key.vkey,
      trust: 'given',
    });
    const { stdout } = await run('check-proof', proof);
    expect(stdout.split('\n')).toEqual([
      `proven: ${CHAIN}:4 stands in the ledger ${ledger.ledgerId}`,
      '  tool_invoked of agent triage, recorded at 2026-03-01T12:00:05.000000Z',
      '  its payload may go at 2027-03-31T12:00:05Z',
      '  among the first 7 records of its chain, by round 1 at 2026-03-01T12:00:08.000000Z',
      '  below the checkpoint of ledger.example/test over 2 records',
      '  which witness.example/w1 saw at 2026-03-01T12:00:00Z',
      `  signed by ${ledger.key.vkey}`,
      '',
    ]);
  });

  it('shows nothing of what a record says, where it is asked not to', async () => {
    const file = join(folder, 'without.proof');
    const made = await run('prove', `${CHAIN}:4`, '--out', file, '--without-payload', '--json');
    expect(documentOf(made)).toMatchObject({ payload: false });
    expect(readFileSync(file, 'utf8')).not.toContain('triage');
    const checked = await elsewhere('check-proof', file, '--trust', trust, '--json');
    expect(documentOf(checked)).toMatchObject({ status: 'proven', id: `${CHAIN}:4` });
    expect(documentOf(checked)).not.toHaveProperty('record');
  });

  it('is called after the record where nobody says otherwise, and proves the keeper’s records too', async () => {
    const cwd = join(folder, 'cwd');
    mkdirSync(cwd);
    const main = resolve('dist/src/cli/main.js');
    const args = [main, 'prove', `${CONTROL}:1`, '--dir', dir];
    const env = { PATH: process.env.PATH, NO_COLOR: '1' };
    expect(spawnSync(process.execPath, args, { cwd, env }).status).toBe(0);
    const file = join(cwd, `${CONTROL}-1.proof`);
    const { stdout } = await elsewhere('check-proof', file, '--trust', trust);
    expect(stdout).toContain(`proven: ${CONTROL}:1 stands`);
    expect(stdout).toContain('round of system spanledger');
  });

  it('says what it cannot prove', async () => {
    const file = join(folder, 'no.proof');
    const not = async (id: string, ...more: string[]) => {
      const ran = await run('prove', id, '--out', file, '--json', ...more);
      expect(existsSync(file)).toBe(false);
      return [ran.code, code(ran), ran.stderr] as const;
    };
    const [exit, why, told] = await not(`${CHAIN}:8`);
    expect([exit, why]).toEqual([5, 'unproven']);
    expect(told).toContain(`its chain's own checkpoint ${CHAIN}:9 covers it`);
    expect(told).toContain('Try: make a round and a ledger checkpoint: spanledger checkpoint');
    expect((await not(`${CHAIN}:10`)).slice(0, 2)).toEqual([1, 'record_unknown']);
    expect((await not('nonsense')).slice(0, 2)).toEqual([2, 'usage_invalid']);
    const thief = join(folder, 'thief');
    writeFileSync(thief, new FabricatedLedger({ seed: 9 }).trust());
    expect((await not(`${CHAIN}:4`, '--trust', thief)).slice(0, 2)).toEqual([1, 'proof_invalid']);
  });
});

describe('spanledger check-proof', () => {
  it('refuses with the step that breaks', async () => {
    const file = readFileSync(proof, 'utf8').replace('"café":"open"', '"café":"shut"');
    const ran = await spanledger(['check-proof', '-', '--trust', trust, '--json'], { input: file });
    expect(ran.code).toBe(1);
    expect(documentOf(ran)).toMatchObject({ status: 'refused', step: 'payload', trust: 'given' });
    const { stdout } = await spanledger(['check-proof', '-', '--trust', trust], { input: file });
    expect(stdout).toBe('refused at payload: the payload does not have the digest that its entry names\n');
  });

  it('needs a proof, and a key to rest it on', async () => {
    const none = await elsewhere('check-proof', proof, '--json');
    expect([none.code, code(none)]).toEqual([2, 'usage_invalid']);
    const other = await elsewhere('check-proof', trust, '--trust', trust, '--json');
    expect([other.code, code(other)]).toEqual([2, 'proof_unreadable']);
    const missing = await elsewhere('check-proof', join(folder, 'gone'), '--trust', trust, '--json');
    expect([missing.code, code(missing)]).toEqual([2, 'file_unreadable']);
    const distrusted = await elsewhere('check-proof', proof, '--trust', proof, '--json');
    expect([distrusted.code, code(distrusted)]).toEqual([2, 'trust_invalid']);
  });
});
