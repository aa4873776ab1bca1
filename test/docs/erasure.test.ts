import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { spanledger, temporaryFolder } from '../support/cli.ts';
import { callOf, shopIn } from '../support/person-ledger.ts';

const PAGE = readFileSync('docs/erasure.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap((match) => match[1]!.trim().split('\n'));

it('docs/erasure.md has commands that run, one after another', async () => {
  const folder = temporaryFolder();
  const env = { SPANLEDGER_DIR: shopIn(folder) };
  const input = callOf('find_customer', { customer_id: 'CUST-4711' });
  await spanledger(['ingest', '-'], { env, input });
  expect(commands.length).toBeGreaterThan(4);
  for (const command of commands) {
    const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!);
    const args = words.slice(1).map((word) => (word === 'certificate.txt' ? join(folder, word) : word));
    const ran = await spanledger(args, { env });
    expect([command, ran.stderr, ran.code]).toEqual([command, '', 0]);
  }
});
