import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseTlogProof } from '../../src/chain/tlog-proof.ts';
import { createDeployment } from '../../src/config/deployment.ts';
import { Store } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { spanledger, temporaryFolder } from '../support/cli.ts';
import { FabricatedLedger } from '../support/proof-ledger.ts';

const PAGE = readFileSync('docs/proofs.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));

it('docs/proofs.md has commands that run', async () => {
  const folder = temporaryFolder();
  const { layout, ledgerId } = createDeployment(join(folder, 'ledger'), {});
  const ledger = new FabricatedLedger({ ledgerId });
  ledger.fill('5f0c3b1e9a7d4c2f8e6b0a1d2c3f4e5a', 5);
  ledger.round();
  ledger.checkpoint();
  const store = await Store.embedded(layout);
  await migrate(store);
  await ledger.storeIn(store);
  await store.close();
  for (const file of [layout.trustFile, join(folder, 'trust')]) writeFileSync(file, ledger.trust());
  const place = (word: string) => (/\.proof$|^trust$/.test(word) ? join(folder, word) : word);
  expect(commands).toHaveLength(4);
  for (const command of commands) {
    const args = command.split(' ').slice(1).map(place);
    const env = args[0] === 'prove' ? { SPANLEDGER_DIR: layout.dir } : { SPANLEDGER_DIR: folder };
    const ran = await spanledger(args, { env });
    expect(ran.code, command + ran.stderr).toBe(0);
    expect(ran.stdout).toContain('prove');
  }
  const [whole, bare] = ['record.proof', 'place.proof'].map((name) =>
    readFileSync(join(folder, name), 'utf8'),
  );
  expect(whole).toMatch(/^payload \{"action":"tool_invoked"/m);
  expect(bare).not.toContain('tool_invoked');
  expect(parseTlogProof(whole!.slice(whole!.indexOf('c2sp.org/tlog-proof@v1'))).index).toBe(1n);
});
