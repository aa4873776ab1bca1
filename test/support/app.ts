import { spawn } from 'node:child_process';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Ran } from './cli.ts';
import { recordsIn } from './sdk.ts';

export const REGISTER = ['--import', 'spanledger/register'];

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  /** Arguments of Node's own. @default REGISTER */
  node?: readonly string[];
  /** Another Node.js. */
  exec?: string | undefined;
  /** @default this package's folder */
  cwd?: string;
}

/** The environment of an app of a test, with nothing of the caller's own configuration. */
export function appEnv(dir: string, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) =>
      !/^(SPANLEDGER_|OTEL_|CLICKHOUSE_|NODE_OPTIONS$|FORCE_COLOR$|VITEST|NODE_V8_COVERAGE)/.test(name),
  );
  return { ...Object.fromEntries(clean), SPANLEDGER_DIR: dir, OTEL_SERVICE_NAME: 'app', ...env };
}

/** Runs an app of test/instrumentation/apps to its end. */
export function runApp(dir: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(options.exec ?? process.execPath, [...(options.node ?? REGISTER), ...args], {
    env: appEnv(dir, options.env),
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ran: Ran = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ran.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ran.stderr += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...ran, code }));
  });
}

/** What an app has left in its journals, but what tells of chains. */
export async function recordedIn(dir: string): Promise<AuditRecord[]> {
  return (await recordsIn(dir)).filter(({ action }) => !/^(chain_|checkpoint$)/.test(action));
}

/** `action phase tool`, sorted: what came of it, in whatever order. */
export function told(records: readonly AuditRecord[]): string[] {
  return records
    .map(({ action, phase, tool }) =>
      [action, phase, tool?.name].filter((each) => each !== undefined).join(' '),
    )
    .sort();
}
