import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built command line, with nothing of the caller's own configuration. */
export function spanledger(
  args: readonly string[],
  options: { input?: string | Uint8Array; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const { SPANLEDGER_DIR: _dir, CLICKHOUSE_URL: _url, SPANLEDGER_LEDGER_ID: _id, ...env } = process.env;
  const child = spawn(process.execPath, ['dist/src/cli/main.js', ...args], {
    env: { ...env, NO_COLOR: '1', ...options.env },
  });
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.stderr += text));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...ran, code }));
  });
}

/** The one JSON document that `--json` promises on stdout. */
export function documentOf<T>(ran: Ran): T {
  return JSON.parse(ran.stdout) as T;
}

/** A folder that is gone when the test is. */
/** What a command says is amiss: on a machine that has much to do, it tells of its progress besides. */
export function complaints({ stderr }: Pick<Ran, 'stderr'>): string {
  return stderr.replace(/^\w+: \d+( of \d+)? \(\d+ a second.*\)\n/gm, '');
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'spanledger-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
