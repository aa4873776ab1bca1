import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import type { Writer } from '../pipeline.ts';
import { type Shipment, ship } from '../ship.ts';
import type { Target } from '../target/target.ts';

/** How soon what was acknowledged is on its way to the store. */
const IDLE_MS = 200;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 30_000;

export interface ShipperCounts {
  records: number;
  retries: number;
  /** The last failure, until it has passed. */
  failure: string | undefined;
}

/** Carries a journal to the store as long as the process lives, however often the store is away. */
export class Shipper {
  readonly counts: ShipperCounts = { records: 0, retries: 0, failure: undefined };
  readonly #writer: Writer;
  readonly #target: Target;
  readonly #told: (shipment: Shipment) => void;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(writer: Writer, target: Target, told: (shipment: Shipment) => void) {
    this.#writer = writer;
    this.#target = target;
    this.#told = told;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Lets a shipment under way come to its end. What is not shipped yet stays in the journal. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        const shipment = await ship(this.#writer, this.#target);
        this.counts.records += shipment.records;
        this.counts.failure = undefined;
        failures = 0;
        if (shipment.records > 0 || shipment.stopped.length > 0) this.#told(shipment);
        await this.#pause(IDLE_MS);
      } catch (error) {
        this.counts.retries += 1;
        this.counts.failure = messageOf(error);
        failures += 1;
        await this.#pause(backOff(failures));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/** Full jitter, so that many writers do not come back at once. */
function backOff(failures: number): number {
  return Math.random() * Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
}
