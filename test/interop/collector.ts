import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { until } from './until.ts';

/** A configuration of deploy/collector. */
export type Configuration = 'in-front' | 'in-front-grpc' | 'in-front-memory' | 'behind';

/** Where it listens, what it sends to and where its queue is: what the configurations take from outside. */
export interface Places {
  OTLP_HTTP_LISTEN: string;
  OTLP_GRPC_LISTEN: string;
  METRICS_PORT: string;
  QUEUE_DIR: string;
  SPANLEDGER_HTTP?: string;
  SPANLEDGER_GRPC?: string;
  BACKEND_HTTP?: string;
}

/** The real OpenTelemetry Collector, with a configuration that users are given. */
export class Collector {
  readonly #places: Places;
  readonly #process: ChildProcess;

  private constructor(places: Places, process: ChildProcess) {
    this.#places = places;
    this.#process = process;
  }

  static async start(configuration: Configuration, places: Places): Promise<Collector> {
    const found = inject('collector');
    if ('missing' in found) throw new Error(found.missing);
    const config = join('deploy/collector', `${configuration}.yaml`);
    const child = spawn(found.path, ['--config', config], {
      env: { ...process.env, ...places },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (text: Buffer) => {
        said += text.toString();
        if (said.includes('Everything is ready')) resolve();
      });
    });
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`the Collector ended: ${said}`)));
    await Promise.race([ready, ended]);
    ended.catch(() => {});
    return new Collector(places, child);
  }

  async kill(): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  /** Requests that wait or are under way. */
  async queued(): Promise<number> {
    return sum(await this.#metrics(), /^otelcol_exporter_queue_size\{/);
  }

  /**
   * Resolves when everything it ever took has been acknowledged by whom it sends to.
   *
   * @throws when it gave something up.
   */
  async drained(): Promise<void> {
    await until(async () => {
      const metrics = await this.#metrics();
      const lost = metrics.match(/^otelcol_exporter_(send|enqueue)_failed_\w+\{.*\} [^0].*$/m);
      if (lost !== null) throw new Error(`the Collector gave up: ${lost[0]}`);
      const taken = sum(metrics, /^otelcol_receiver_accepted_(spans|log_records)/);
      const sent = sum(metrics, /^otelcol_exporter_sent_(spans|log_records)/);
      // A queue that outlived a kill makes it send more than this process took.
      return sent >= taken && sum(metrics, /^otelcol_exporter_queue_size\{/) === 0;
    });
  }

  async #metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#places.METRICS_PORT}/metrics`)).text();
  }
}

function sum(metrics: string, name: RegExp): number {
  const lines = metrics.split('\n').filter((line) => name.test(line));
  return lines.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
}
