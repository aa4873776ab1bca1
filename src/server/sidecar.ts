import { hash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { replaceFile } from '../config/durable.ts';
import type { Layout } from '../config/layout.ts';
import type { Settings } from '../config/settings.ts';
import type { SpanledgerError } from '../errors.ts';
import type { Writer } from '../pipeline.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { isSameKeys, type MasterKeys } from '../policy/keyring.ts';
import { compilePolicy, type Policy } from '../policy/policy.ts';
import { policyOf } from '../policy/schema.ts';
import { vaults } from '../policy/vaulting.ts';
import { canonicalJson } from '../record/canonical.ts';
import { Shipper } from '../shipper.ts';
import type { Store } from '../store/client.ts';
import type { Host } from '../store/guest.ts';
import type { Target } from '../target/target.ts';
import type { ContentKeys } from '../vault/content-keys.ts';
import { adminRoutes, type Health } from './admin.ts';
import { Budget } from './budget.ts';
import { DeniedReads } from './denied.ts';
import { Forward } from './forward.ts';
import { engineRoutes, hostRoutes, keeperRoutes } from './host.ts';
import { type HttpOptions, HttpServer } from './http.ts';
import { Intake } from './intake.ts';
import type { Keeping } from './keeping.ts';
import { type Address, certificatesOf, refuseOpen, textOf } from './listen.ts';
import { errorFields, type Logger } from './log.ts';
import { Metrics } from './metrics.ts';
import { OtlpGrpc } from './otlp-grpc.ts';
import { otlpRoutes } from './otlp-http.ts';
import { readingsOf } from './readings.ts';
import { Relay } from './relay.ts';
import { Tokens } from './tokens.ts';
import { UnderstandingPool } from './understanding-pool.ts';

export interface SidecarOptions {
  layout: Layout;
  ledgerId: string;
  /** The ledger's name in all that it signs. */
  origin: string;
  policy: Policy;
  /** What its keyed digests come from, oldest first: threads that understand compile the policy anew. */
  master: MasterKeys;
  store: Store;
  target: Target;
  writer: Writer;
  settings: Settings;
  /** The keeper, where this process is to be it: started and stopped by whoever made it. */
  keeping?: Keeping;
  /** Those of the writer. */
  contentKeys?: () => ContentKeys;
  otlp: Address;
  grpc: Address;
  admin: Address;
  log: Logger;
}

/** Where it listens. */
export interface Listening {
  otlp: string;
  grpc: string;
  admin: string;
}

/** What is queued for the other backend has so long to leave at the end, in milliseconds. */
const FORWARD_CLOSE_MS = 5_000;
/** And a shipment: a store that hangs keeps nobody from ending. */
const SHIP_CLOSE_MS = 10_000;

/**
 * The sidecar, put together: OTLP over HTTP and gRPC, and the relay, into one journal; the journal to its target;
 * what is there to be seen of it, to whoever runs it; and the other commands of its directory let in.
 */
export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #shipper: Shipper;
  readonly #forward: Forward | undefined;
  readonly #otlp: HttpServer;
  readonly #grpc: OtlpGrpc;
  readonly #admin: HttpServer;
  readonly #metrics: Metrics;
  readonly #tokens: Tokens;
  readonly #intake: Intake;
  #policy: Policy;
  #master: MasterKeys;
  #understanding: UnderstandingPool;
  readonly #deniedReads: DeniedReads;
  readonly #denied: NonNullable<HttpOptions['denied']>;
  #host: { server: HttpServer; sessions: Store[]; token: string } | undefined;
  #isDraining = false;
  #broken: (error: SpanledgerError) => void = () => {};
  /** Resolves with why, should the journal break: then nothing can be acknowledged any more by this process. */
  readonly broken: Promise<SpanledgerError>;

  /** @throws SpanledgerError `usage_invalid` for an address that would be open, `config_invalid` */
  constructor(options: SidecarOptions) {
    const { settings, writer, target, policy, master, log } = options;
    this.#options = options;
    this.broken = new Promise((resolve) => {
      this.#broken = resolve;
    });
    this.#policy = policy;
    this.#master = master;
    this.#tokens = new Tokens(settings.tokens);
    const tokens = this.#tokens;
    this.#refuseOpen(settings);
    const certificates = certificatesOf(settings.serve.tls);

    this.#shipper = new Shipper(writer, target, {
      shipped: ({ again, stopped }) => {
        if (again > 0)
          log.warn({ records: again }, 'the store had lost confirmed records; they were sent again');
        for (const { chainId, kind, seq } of stopped) log.error({ chain_id: chainId, seq }, kind);
      },
      failed: (error) => {
        log.warn(errorFields(error), 'the store does not take records; they wait in the journal');
        this.#look();
      },
    });
    const { forward } = settings.serve;
    this.#forward = forward === undefined ? undefined : new Forward(forward);
    const budget = new Budget(settings.serve.max_held_bytes);
    this.#understanding = new UnderstandingPool({ master, document: policy.document });
    this.#intake = new Intake({
      writer,
      understanding: this.#understanding,
      wake: () => this.#shipper.wake(),
    });
    const intake = this.#intake;
    this.#metrics = new Metrics(
      readingsOf({ intake, budget, shipper: this.#shipper, forward: this.#forward, journal: writer.journal }),
      options.keeping?.counts,
    );

    this.#deniedReads = new DeniedReads(writer, () => this.#shipper.wake());
    this.#denied = (refusal, attempt) => this.#deniedReads.note({ ...attempt, status: refusal.status });
    const common: Omit<HttpOptions, 'routes'> = {
      tokens,
      certificates,
      denied: this.#denied,
      answered: (path, status, milliseconds) => {
        this.#metrics.answered('http', path, status, milliseconds);
        if (status >= 500) this.#look();
      },
      failed: (error, path) => log.error({ path, ...errorFields(error) }, 'a request failed'),
    };
    const taking = { intake, budget, forward: this.#forward };
    const relay = new Relay({
      ...options,
      policy: () => this.#policy.document,
      wake: () => this.#shipper.wake(),
      budget,
    });
    this.#otlp = new HttpServer({ ...common, routes: [...otlpRoutes(taking), ...relay.routes] });
    this.#grpc = new OtlpGrpc({
      ...taking,
      tokens,
      certificates,
      answered: (path, code, milliseconds) => {
        this.#metrics.answered('grpc', path, code, milliseconds);
        if (code !== 0) this.#look();
      },
      failed: common.failed!,
    });
    const health = () => this.#health();
    this.#admin = new HttpServer({ ...common, routes: adminRoutes({ metrics: this.#metrics, health }) });
  }

  /**
   * Listens everywhere, begins to ship, and leaves `serve.json` for other commands.
   *
   * @throws SpanledgerError `config_invalid` where an address is taken.
   */
  async start(): Promise<Listening> {
    const { otlp, grpc, admin, settings, log } = this.#options;
    const scheme = settings.serve.tls === undefined ? 'http' : 'https';
    try {
      await this.#letIn();
      const listening = {
        otlp: `${scheme}://${textOf(await this.#otlp.listen(otlp))}`,
        grpc: textOf(await this.#grpc.listen(grpc)),
        admin: `${scheme}://${textOf(await this.#admin.listen(admin))}`,
      };
      this.#shipper.start();
      log.info(listening, 'listening');
      return listening;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Takes over the tokens and the policy of new settings: what was taken is recorded under the policy it came under,
   * then the chain ends, and its successor tells of the change. Addresses, TLS and `forward` stay as they are.
   *
   * @throws SpanledgerError `usage_invalid` where an address would be open: nothing has changed. `journal_broken`, or
   * `config_invalid` where contents are to be vaulted and their key is not to be had: the tokens have.
   */
  async reload(settings: Settings): Promise<void> {
    this.#refuseOpen(settings);
    this.#tokens.replace(settings.tokens);
    const { log, contentKeys } = this.#options;
    log.info({ tokens: settings.tokens.length }, 'the tokens are taken over');
    const document = policyOf(settings.policy);
    if (canonicalJson(document) === canonicalJson(this.#policy.document)) return;
    if (vaults(document)) contentKeys?.();
    await this.#turn(this.#master, document);
    log.info({}, 'the policy has changed');
  }

  /**
   * Takes over the master keys as they are now, in the same way: the next chain tells which key pseudonyms are under.
   *
   * @throws SpanledgerError `journal_broken`
   */
  async rekey(master: MasterKeys): Promise<void> {
    if (isSameKeys(master, this.#master)) return;
    await this.#turn(master, this.#policy.document);
    const [pseudonym_key, ...older] = this.#policy.keyring.ids;
    this.#options.log.info({ pseudonym_key, older }, 'the keys have changed');
  }

  /** All of it at once: what is understood under one policy and key is never sealed under another. */
  async #turn(master: MasterKeys, document: PolicyDocument): Promise<void> {
    const { writer } = this.#options;
    const policy = compilePolicy(master, document);
    const before = this.#understanding;
    await this.#intake.turn(() => {
      writer.turn(policy);
      this.#policy = policy;
      this.#master = master;
      this.#understanding = new UnderstandingPool({ master, document });
      return this.#understanding;
    });
    await before.close();
    this.#shipper.wake();
  }

  #refuseOpen(settings: Settings): void {
    const { otlp, grpc, admin } = this.#options;
    const addresses = { 'otlp-listen': otlp, 'otlp-grpc-listen': grpc, 'admin-listen': admin };
    for (const [what, address] of Object.entries(addresses))
      refuseOpen(address, `--${what}`, settings.serve, settings.tokens.length > 0);
  }

  /**
   * Takes nothing new, answers what is under way, sends on what is queued, and lets a shipment come to its end.
   *
   * @returns false where a shipment would not end: then the journal must be left to it.
   */
  async stop(): Promise<boolean> {
    this.#isDraining = true;
    await Promise.all([this.#otlp.close(), this.#grpc.close()]);
    await this.#understanding.close();
    await this.#forward?.close(FORWARD_CLOSE_MS);
    const isOver = await this.#shipper.stop(SHIP_CLOSE_MS);
    await this.#admin.close();
    if (this.#host !== undefined) {
      this.#lockOut(this.#host.token);
      await this.#host.server.close();
      for (const session of this.#host.sessions) await session.close();
    }
    this.#deniedReads.close();
    return isOver;
  }

  /** For the engine only where nobody else gets to it: a server takes other clients itself. */
  async #letIn(): Promise<void> {
    const { store, layout, writer, keeping } = this.#options;
    const routes = hostRoutes({
      shipped: () => this.#shipper.shipped(),
      quarantined: () => writer.journal.quarantined(),
      verified: (status) => this.#metrics.verified(status),
    });
    if (keeping !== undefined) routes.push(...keeperRoutes(keeping));
    const sessions: Store[] = [];
    if (store.where === 'embedded') {
      const [full, readOnly] = [await store.beside(), await store.beside()];
      await readOnly.readOnly();
      sessions.push(full, readOnly);
      routes.push(...engineRoutes({ store: full, readOnly }));
    }
    const token = randomBytes(32).toString('base64url');
    const server = new HttpServer({
      tokens: new Tokens([{ subject: 'serve.json', sha256: hash('sha256', token), rights: ['admin'] }]),
      denied: this.#denied,
      routes,
    });
    this.#host = { server, sessions, token };
    const address = `http://${textOf(await server.listen({ host: '127.0.0.1', port: 0 }))}`;
    const host: Host = { address, token, pid: process.pid };
    replaceFile(layout.serveFile, `${JSON.stringify(host)}\n`);
  }

  /** The store was found not to hold what it had confirmed. */
  get isAmiss(): boolean {
    return this.#shipper.counts.stopped > 0;
  }

  /** On one server there may be two of this directory: `serve.json` is that of the last. */
  #lockOut(token: string): void {
    const { serveFile } = this.#options.layout;
    if (existsSync(serveFile) && readFileSync(serveFile, 'utf8').includes(token))
      rmSync(serveFile, { force: true });
  }

  #look(): void {
    const { refusal } = this.#options.writer.journal;
    if (refusal?.code === 'journal_broken') this.#broken(refusal);
  }

  #health(): Health {
    const { journal } = this.#options.writer;
    const reason = this.#isDraining ? 'draining' : journal.refusal?.code;
    return {
      ready: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      journal: { bytes: journal.bytes, oldest_unshipped_seconds: journal.oldestUnshippedSeconds(Date.now()) },
      store: { reachable: !this.#shipper.counts.isFailing },
    };
  }
}
