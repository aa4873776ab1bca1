import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { KeepingCounts } from './keeping.ts';
import { addKeeping } from './keeping-metrics.ts';

/** Numbers that somebody else keeps, read when they are asked for: by name, its help and what it is now. */
export interface Reading {
  name: string;
  help: string;
  kind: 'counter' | 'gauge';
  /** Undefined while there is none. */
  read(): number | undefined;
}

/** What `/metrics` tells, in the Prometheus text format. Names hold units, values no content. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram<'transport' | 'path' | 'code'>;
  readonly #verified: Gauge<'status'>;

  /** @param keeping the keeper's, where it is in this process. */
  constructor(readings: readonly Reading[], keeping?: KeepingCounts) {
    collectDefaultMetrics({ register: this.#registry });
    for (const reading of readings) this.#add(reading);
    if (keeping !== undefined) addKeeping(this.#registry, keeping);
    this.#requests = new Histogram({
      name: 'spanledger_request_duration_seconds',
      help: 'Requests, by how long they took to be answered: a success after fdatasync.',
      labelNames: ['transport', 'path', 'code'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [this.#registry],
    });
    this.#verified = new Gauge({
      name: 'spanledger_last_verification_timestamp_seconds',
      help: 'When `spanledger verify` last came to this status.',
      labelNames: ['status'],
      registers: [this.#registry],
    });
  }

  answered(transport: 'http' | 'grpc', path: string, code: number, milliseconds: number): void {
    this.#requests.observe({ transport, path, code: String(code) }, milliseconds / 1_000);
  }

  verified(status: string): void {
    this.#verified.set({ status }, Date.now() / 1_000);
  }

  async text(): Promise<{ type: string; body: string }> {
    return { type: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #add({ name, help, kind, read }: Reading): void {
    const registers = [this.#registry];
    if (kind === 'gauge') {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          const value = read();
          if (value === undefined) this.remove();
          else this.set(value);
        },
      });
    } else {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read() ?? 0);
        },
      });
    }
  }
}
