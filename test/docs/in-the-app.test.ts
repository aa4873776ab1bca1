import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { appEnv } from '../support/app.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

const PAGE = readFileSync('docs/in-the-app.md', 'utf8');
const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) => block!.trim().split('\n'));

it('docs/in-the-app.md has commands that do what it says', async () => {
  const dir = temporaryFolder();
  const [app, ...more] = commands.map((command) => command.split(' '));
  expect(app?.[0]).toBe('node');
  const ran = spawnSync(process.execPath, app!.slice(1), { env: appEnv(dir), encoding: 'utf8' });
  expect(ran.status, ran.stderr).toBe(0);
  const [timeline, ...none] = more;
  expect(none).toEqual([]);
  const { code, stdout } = await spanledger([...timeline!.slice(1), '--dir', dir]);
  expect(code).toBe(0);
  expect(stdout).toContain('User nurse-17 (nurse)');
  expect(stdout).toContain('✅ access_patient_record({"patient_id":"P-1042"})');
  expect(stdout).toContain('❌ access_patient_record({"patient_id":"P-9"})');
  expect(stdout).not.toContain('078-05-1120');
  const verified = await spanledger(['verify', '--dir', dir, '--json']);
  expect(documentOf(verified)).toMatchObject({ status: 'valid' });
});

it('names settings of the environment that are read', () => {
  const code = [
    'src/sdk/process-door.ts',
    'src/sdk/audit.ts',
    'src/sdk/relay-terms.ts',
    'src/sdk/shipping.ts',
    'src/config/enrolment.ts',
    'src/config/settings.ts',
  ]
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  for (const [name] of PAGE.matchAll(/\bSPANLEDGER_[A-Z_]+|\bCLICKHOUSE_URL/g)) expect(code).toContain(name);
});
