import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const SCRIPT = 'test/support/journal-child.ts';

export const CHILD_COMMAND = [process.execPath, '--import', 'tsx', SCRIPT];

/** Another process, and the JSON values it says, a line each. */
export class Child {
  readonly process: ChildProcess;
  /** Everything it has said so far; whole once it has ended. */
  readonly said: unknown[] = [];
  /** Resolves when it is gone and everything it said has been read. */
  readonly gone: Promise<{ code: number | null; signal: string | null }>;
  stderr = '';
  #listeners: (() => void)[] = [];
  #ended = false;

  constructor([command, ...args]: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(command!, args, { env: { ...process.env, ...env } });
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.said.push(JSON.parse(line));
      this.#tell();
    });
    this.gone = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('close', (code, signal) => {
        this.#ended = true;
        this.#tell();
        resolve({ code, signal });
      });
    });
    onTestFinished(() => void this.process.kill('SIGKILL'));
  }

  /** Resolves when it has said so many things. */
  async heard(count: number): Promise<unknown[]> {
    while (this.said.length < count) {
      if (this.#ended) throw new Error(`the child ended early: ${this.stderr || JSON.stringify(this.said)}`);
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
    return this.said;
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.gone;
  }

  #tell(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

export function journalChild(...args: readonly string[]): Child {
  return new Child([...CHILD_COMMAND, ...args]);
}
