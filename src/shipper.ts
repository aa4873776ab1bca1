import { clearTimeout, setTimeout } from 'node:timers';
import { SpanledgerError } from './errors.ts';
import type { Writer } from './pipeline.ts';
import { type Shipment, ship } from './ship.ts';
import type { Target } from './target/target.ts';

/** What was acknowledged gathers so long before it is sent, so that many small requests make one insert. */
const GATHER_MS = 200;
/** With nothing to send, how often it is looked whether the store still has what it confirmed. */
const LOOK_MS = 30_000;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 30_000;

export interface ShipperCounts {
  records: number;
  batches: number;
  retries: number;
  /** Confirmed once, gone since, and sent again. */
  again: number;
  /** Chains of which the store held something else, or nothing. */
  stopped: number;
  /** Of the last shipment that carried anything. */
  milliseconds: number;
  /** The last shipment failed. */
  isFailing: boolean;
}

export interface ShipperEvents {
  shipped(shipment: Shipment): void;
  failed(error: unknown): void;
}

interface Waiting {
  /** It stands before this place of the journal. */
  end: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Carries a journal to its target as long as the process lives, however often the target is away. */
export class Shipper {
  readonly counts: ShipperCounts = {
    records: 0,
    batches: 0,
    retries: 0,
    again: 0,
    stopped: 0,
    milliseconds: 0,
    isFailing: false,
  };
  readonly #writer: Writer;
  readonly #target: Target;
  readonly #events: ShipperEvents;
  readonly #isGuest: boolean;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** Something was recorded since the last shipment began. */
  #isDue = false;
  #waiting: Waiting[] = [];
  #alarm: () => void = () => {};

  /** @param isGuest of an app: between shipments it keeps no process running that has nothing else to do. */
  constructor(writer: Writer, target: Target, events: ShipperEvents, isGuest = false) {
    this.#writer = writer;
    this.#target = target;
    this.#events = events;
    this.#isGuest = isGuest;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was recorded. While the target fails it waits its time: who records often must not hammer at it. */
  wake(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    if (!this.counts.isFailing) this.#alarm();
  }

  /**
   * Resolves when all that was durable before the call has been shipped, however much comes meanwhile. Rejects as that
   * shipment fails, or at the end.
   */
  async shipped(): Promise<void> {
    if (this.#stopped) throw stopping();
    const { end } = this.#writer.journal;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ end, resolve, reject });
      this.#alarm();
    });
  }

  /**
   * Lets a shipment under way come to its end, so many milliseconds at most. What is not shipped yet stays in the
   * journal.
   *
   * @returns false where it goes on, and nobody else may ship that journal yet.
   */
  async stop(within: number): Promise<boolean> {
    this.#stopped = true;
    this.#alarm();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, within, false);
    });
    // Whoever waits for this keeps the process for it, also where nothing else does.
    const isOver = await Promise.race([Promise.resolve(this.#running).then(() => true), late]);
    clearTimeout(timer);
    for (const each of this.#waiting.splice(0)) each.reject(stopping());
    return isOver;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      this.#isDue = false;
      const waiting = new Set(this.#waiting);
      try {
        await this.#ship();
        failures = 0;
        // What follows the last record is in no shipment.
        for (const each of this.#take((one) => waiting.has(one))) each.resolve();
        await this.#rest();
      } catch (error) {
        failures += 1;
        this.counts.retries += 1;
        this.counts.isFailing = true;
        this.#events.failed(error);
        for (const each of this.#take((one) => waiting.has(one))) each.reject(error);
        await this.#sleep(backOff(failures));
      }
    }
  }

  async #ship(): Promise<void> {
    const started = performance.now();
    let done = 0;
    const shipment = await ship(this.#writer, this.#target, (records) => {
      this.counts.records += records - done;
      this.counts.batches += 1;
      this.counts.isFailing = false;
      done = records;
      const { lsn } = this.#writer.journal.shipped;
      for (const each of this.#take(({ end }) => end <= lsn)) each.resolve();
    });
    this.counts.isFailing = false;
    this.counts.again += shipment.again;
    this.counts.stopped += shipment.stopped.length;
    if (shipment.records > 0) this.counts.milliseconds = performance.now() - started;
    if (shipment.records + shipment.again + shipment.stopped.length > 0) this.#events.shipped(shipment);
  }

  /** Some of those who wait, who wait no more. */
  #take(some: (waiting: Waiting) => boolean): Waiting[] {
    const taken = this.#waiting.filter(some);
    this.#waiting = this.#waiting.filter((each) => !taken.includes(each));
    return taken;
  }

  async #rest(): Promise<void> {
    if (!this.#isDue) await this.#sleep(LOOK_MS);
    // What came may be the first of many.
    if (this.#isDue) await this.#sleep(GATHER_MS);
  }

  /** Until the time is over, or somebody waits, or it is to stop. */
  async #sleep(ms: number): Promise<void> {
    if (this.#stopped || this.#waiting.length > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      if (this.#isGuest) timer.unref();
      this.#alarm = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#alarm = () => {};
  }
}

function stopping(): SpanledgerError {
  return new SpanledgerError('store_unreachable', 'the serving process is stopping', {
    hint: 'try again when it is gone',
  });
}

/** Full jitter, so that many writers do not come back at once. */
function backOff(failures: number): number {
  return Math.random() * Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10));
}
