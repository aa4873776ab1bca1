import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { openDeployment } from '../../../src/config/deployment.ts';
import { byTool, EVER, type ToolUse } from '../../../src/report/questions.ts';
import type { Store } from '../../../src/store/client.ts';
import type { Verification } from '../../../src/verify/findings.ts';
import { verify } from '../../../src/verify/verify.ts';
import { documentOf, spanledger } from '../../support/cli.ts';
import type { Asked, ServedClickHouse } from '../../support/served-clickhouse.ts';
import { Sidecar, type SidecarSetup } from '../../support/sidecar.ts';
import { Load } from './load.ts';

/** The server of a fault, and the engine behind it. */
export interface Server {
  served: ServedClickHouse;
  store: Store;
}

/** What is in the ledger after all. */
export interface Found {
  acknowledged: number;
  once: number;
  lost: number;
  doubled: number;
  status: Verification['status'];
  /** Codes of the verifier's findings, and kinds of what the ledger itself tells in `fork_detected`; each once. */
  findings: string[];
}

const OUTCOMES = `action = 'tool_invoked' AND phase = 'outcome'`;
const SPANS = `SELECT span_id, count() AS n FROM spanledger.audit_records WHERE ${OUTCOMES} GROUP BY span_id`;
const COUNTED = 'SELECT span_id, count() AS n FROM spanledger.tool_calls GROUP BY span_id';
const TOLD = `SELECT DISTINCT JSONExtractString(payload, 'control', 'kind') AS kind FROM spanledger.audit_records WHERE action = 'fork_detected'`;
const BACKWARDS = `SELECT count() AS n FROM (SELECT JSONExtractString(payload, 'recorded_at') AS at,
  lagInFrame(at) OVER (PARTITION BY chain_id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS before
  FROM spanledger.audit_records) WHERE at < before`;

/** Where a fault strikes: a directory, its sidecars, who sends to them, and, for some, a server as their store. */
export class Ground {
  readonly folder: string;
  readonly dir: string;
  readonly load = new Load();
  readonly #server: Server | undefined;
  readonly #sidecars: Sidecar[] = [];

  constructor(server: Server | undefined) {
    this.#server = server;
    this.folder = mkdtempSync(join(tmpdir(), 'spanledger-fault-'));
    this.dir = join(this.folder, 'ledger');
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  get served(): ServedClickHouse {
    return this.#server!.served;
  }

  get store(): Store {
    return this.#server!.store;
  }

  /** Starts one, which nobody sends to yet. */
  start(setup: Partial<SidecarSetup> = {}): Sidecar {
    const sidecar = new Sidecar({ dir: this.dir, url: this.#server?.served.url, ...setup });
    this.#sidecars.push(sidecar);
    return sidecar;
  }

  /** Starts one, and sends to it alone once it listens. */
  async up(setup: Partial<SidecarSetup> = {}): Promise<Sidecar> {
    const sidecar = this.start(setup);
    await this.aim(sidecar);
    return sidecar;
  }

  /** Sends to these once they listen, as they must. */
  async aim(...sidecars: readonly Sidecar[]): Promise<void> {
    const all = await Promise.all(sidecars.map(({ listening }) => listening));
    for (const [i, each] of all.entries())
      if (each === undefined) throw new Error(`serve ended: ${sidecars[i]!.stderr}`);
    this.load.aim(...all);
  }

  /** Has every one that runs drain, which must go well. */
  async stopAll(codes: readonly number[] = [0]): Promise<void> {
    const running = this.#sidecars.filter(
      ({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null,
    );
    for (const sidecar of running) expect(codes, sidecar.stderr).toContain(await sidecar.stop());
  }

  /** Resolves when all that was acknowledged is in the store, by no other doing than the sidecar's own. */
  async arrived(): Promise<void> {
    for (;;) {
      const there = new Set((await this.#rows<{ span_id: string }>(SPANS)).map(({ span_id }) => span_id));
      if ([...this.load.acknowledged].every((span) => there.has(span))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The last batch, once all that was acknowledged is there and the sidecar has read it back. */
  async confirmed(): Promise<Asked['parameters']> {
    await this.arrived();
    const [row] = await this.#rows<{ last: string }>('SELECT max(seq) AS last FROM spanledger.audit_records');
    for (;;) {
      const confirm = this.served.asked.findLast(({ step }) => step === 'confirm');
      if (confirm?.parameters.last === row!.last) return confirm.parameters;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /**
   * What is in the ledger when every sidecar has gone.
   *
   * @param by `records`: the rows themselves. `views`: what is asked of them, where two sidecars may each have one.
   */
  async found(by: 'records' | 'views' = 'records'): Promise<Found> {
    const { status, findings } = await this.#verified();
    const rows = await this.#rows<{ span_id: string; n: string }>(by === 'views' ? COUNTED : SPANS);
    const told = await this.#rows<{ kind: string }>(TOLD);
    const [backwards] = await this.#rows<{ n: string }>(BACKWARDS);
    expect(Number(backwards!.n), 'recorded_at ran backwards in a chain').toBe(0);
    const uses = await this.#uses();
    const { acknowledged } = this.load;
    const total = uses.reduce((sum, use) => sum + use.total_calls, 0);
    expect(total, 'calls by `query by_tool`').toBe(acknowledged.size);

    const counts = new Map(rows.map(({ span_id, n }) => [span_id, Number(n)]));
    return {
      acknowledged: acknowledged.size,
      once: [...acknowledged].filter((span) => counts.get(span) === 1).length,
      lost: [...acknowledged].filter((span) => !counts.has(span)).length,
      doubled: [...counts.values()].filter((n) => n > 1).length,
      status,
      findings: [...new Set([...findings.map(({ code }) => code), ...told.map(({ kind }) => kind)])].sort(),
    };
  }

  // A server's engine is in this process, and asked as the commands ask it.

  async #rows<Row>(sql: string): Promise<Row[]> {
    return this.#server === undefined ? this.#run<Row[]>('sql', sql) : this.store.query<Row>(sql);
  }

  async #verified(): Promise<Verification> {
    if (this.#server === undefined) return this.#run<Verification>('verify');
    const { ledgerId } = openDeployment(this.dir, {});
    return verify(this.store, { ledgerId });
  }

  async #uses(): Promise<ToolUse[]> {
    return this.#server === undefined ? this.#run<ToolUse[]>('query', 'by_tool') : byTool(this.store, EVER);
  }

  /** A command on the directory; a bad answer is one too. */
  async #run<T>(...command: readonly string[]): Promise<T> {
    const ran = await spanledger([...command, '--dir', this.dir, '--json']);
    if (ran.code !== 0 && ran.code !== 1) throw new Error(`${command.join(' ')}: ${ran.stderr}`);
    return documentOf<T>(ran);
  }
}
