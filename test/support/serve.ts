import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

/** A sidecar on free ports, as the command line runs it. */
export interface Serving {
  otlp: string;
  grpc: string;
  admin: string;
  pid: number;
  /** Everything it said on stderr so far. */
  log(): string;
  /** Resolves with its exit code; null where the signal ended it. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

const FREE_PORTS = ['otlp', 'otlp-grpc', 'admin'].flatMap((each) => [`--${each}-listen`, '127.0.0.1:0']);

export async function serve(
  dir: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Serving> {
  const child = spawn(
    process.execPath,
    ['dist/src/cli/main.js', 'serve', '--json', '--dir', dir, ...FREE_PORTS, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`serve ended: ${stderr}`))),
  ])) as [string];
  const { ready, ...listening } = JSON.parse(line) as { ready: boolean } & Omit<Serving, 'stop' | 'log'>;
  if (!ready) throw new Error(`not ready: ${line}`);
  return {
    ...listening,
    pid: child.pid!,
    log: () => stderr,
    async stop(signal) {
      const gone = once(child, 'exit');
      child.kill(signal);
      const [code] = (await gone) as [number | null];
      return code;
    },
  };
}
