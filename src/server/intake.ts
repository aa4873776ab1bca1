import type { Writer } from '../pipeline.ts';
import type { Encoding, Signal } from './answers.ts';
import { Gate } from './gate.ts';
import type { Understanding } from './understanding.ts';

/** What became of a request: how many of its items are in quarantine, and what to tell the sender of them. */
export interface Taken {
  rejected: number;
  message: string;
}

/** What came in since the process began. */
export interface IntakeCounts {
  spans: number;
  mapped: number;
  records: number;
  duplicates: number;
  conflicts: number;
  quarantined: number;
  unknown: number;
  unattributed: number;
}

export interface IntakeOptions {
  writer: Writer;
  understanding: Understanding;
  /** Something was recorded, and may be shipped. */
  wake?: () => void;
}

/** Where OTLP comes in, by whatever transport: decoded, understood, and durable when `take` resolves. */
export class Intake {
  readonly counts: IntakeCounts = {
    spans: 0,
    mapped: 0,
    records: 0,
    duplicates: 0,
    conflicts: 0,
    quarantined: 0,
    unknown: 0,
    unattributed: 0,
  };
  readonly #options: IntakeOptions;
  readonly #gate = new Gate();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /**
   * Runs `work`, which changes the policy, when all that was taken under the one before is recorded.
   *
   * @param work answers how to understand from now on.
   */
  async turn(work: () => Understanding): Promise<void> {
    await this.#gate.alone(async () => {
      this.#options.understanding = work();
    });
  }

  /**
   * Records one request. When it resolves, `fdatasync` has returned: requests that come while one sync runs share
   * the next. What is quarantined is kept, and the sender is told, so that nobody sends it again or thinks it
   * recorded. Metrics are taken for nothing.
   *
   * @param tenant of the token it came under.
   * @throws SpanledgerError `otlp_undecodable`, `journal_full`, `journal_broken`: nothing of it is acknowledged.
   */
  async take(signal: Signal, encoding: Encoding, body: Uint8Array, tenant?: string): Promise<Taken> {
    if (signal === 'metrics') return { rejected: 0, message: '' };
    return this.#gate.pass(() => this.#record(signal, encoding, body, tenant));
  }

  async #record(
    signal: 'traces' | 'logs',
    encoding: Encoding,
    body: Uint8Array,
    tenant: string | undefined,
  ): Promise<Taken> {
    const { writer, understanding, wake } = this.#options;
    const { items, spans } = await understanding.read(signal, encoding, body, tenant);
    this.counts.spans += spans;
    if (items.length === 0) return { rejected: 0, message: '' };
    const receipt = await writer.append(items);
    wake?.();
    const { mapped, duplicates, conflicts, quarantined, unknown, unattributed } = receipt;
    const records = Object.values(receipt.records).reduce((sum, count) => sum + count, 0);
    const added = { mapped, records, duplicates, conflicts, quarantined, unknown, unattributed };
    for (const [name, count] of Object.entries(added)) this.counts[name as keyof IntakeCounts] += count;
    const message = quarantined === 0 ? '' : `${quarantined} could not be understood and are in quarantine`;
    return { rejected: quarantined, message };
  }
}
