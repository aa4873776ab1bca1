import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { contentKeysOf, createContentKeys } from '../config/content-keys.ts';
import { createDeployment, type Deployment, openDeployment } from '../config/deployment.ts';
import { enrolmentIn } from '../config/enrolment.ts';
import { DEFAULT_DIR, type Layout, layoutOf } from '../config/layout.ts';
import { createLedgerKey, type LedgerKeySource } from '../config/ledger-key.ts';
import { VERSION } from '../config/package.ts';
import { originOf, type Settings, settingsOf } from '../config/settings.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { Journal, listJournals } from '../journal/journal.ts';
import { FileLock } from '../journal/lock.ts';
import { LEDGER_KEY } from '../keeper.ts';
import { Writer } from '../pipeline.ts';
import { compilePolicy, type Policy } from '../policy/policy.ts';
import { policyOf } from '../policy/schema.ts';
import { vaults } from '../policy/vaulting.ts';
import { type Shipment, ship } from '../ship.ts';
import { Store } from '../store/client.ts';
import { askHost, type Host, type KeeperAsk } from '../store/guest.ts';
import { migrate } from '../store/migrate.ts';
import { StoreTarget } from '../store/target.ts';
import type { Target } from '../target/target.ts';
import type { ContentKeys } from '../vault/content-keys.ts';
import { type Output, output } from './output.ts';
import { Progress } from './progress.ts';

/** What every command takes. */
export interface LedgerOptions {
  dir?: string;
  url?: string;
  /** A settings file; else the directory's own, if there is one. */
  config?: string;
  json?: boolean;
}

/** A deployment and its store, open: a command's ground to stand on. */
export class Ledger {
  readonly deployment: Deployment;
  readonly store: Store;
  /** The store, as where journals ship to. */
  readonly target: Target;
  #settings: Settings | undefined;
  #policy: Policy | undefined;
  #contentKeys: ContentKeys | undefined;
  readonly #config: string | undefined;
  /** The store was found not to hold what it had confirmed. */
  #isAmiss = false;
  /** Journals warned of. */
  readonly #broken = new Set<string>();
  /** Journals another process held when they were last looked at, and which, as it says. */
  readonly #holders = new Map<string, string | undefined>();

  readonly #host: Host | undefined;

  private constructor(
    deployment: Deployment,
    store: Store,
    host: Host | undefined,
    config: string | undefined,
  ) {
    this.#host = host;
    this.#config = config;
    this.deployment = deployment;
    this.store = store;
    this.target = new StoreTarget(store);
  }

  /** Read at first use, as the policy in it. */
  get settings(): Settings {
    this.#settings ??= settingsOf(this.deployment.layout, process.env, this.#config);
    return this.#settings;
  }

  /** Compiled at first use: it needs the master key, which whoever only reads may not have. */
  get policy(): Policy {
    this.#policy ??= compilePolicy(this.deployment.master, policyOf(this.settings.policy));
    return this.#policy;
  }

  /** Of whoever seals contents: read at first use, and made where the directory is to hold it and has none. */
  get contentKeys(): ContentKeys {
    this.#contentKeys ??= createContentKeys(this.deployment.layout, this.#keySource);
    return this.#contentKeys;
  }

  /**
   * Of whoever reads contents.
   *
   * @throws SpanledgerError `content_refused` where there is none.
   */
  get givenContentKeys(): ContentKeys {
    return contentKeysOf(this.deployment.layout, this.#keySource);
  }

  /** The ledger's name in all that it signs. */
  get origin(): string {
    return originOf(this.deployment.ledgerId, this.settings, process.env);
  }

  /** Where the key is that signs the ledger's checkpoints. */
  get ledgerKeySource(): LedgerKeySource {
    return { origin: this.origin, env: process.env, keys: this.settings.keys };
  }

  /**
   * The ledger's key and the trust file, so that whoever verifies here has something to believe. Not in place of a lost
   * one, nor beside that of the sidecar which an app here records by.
   */
  makeKeys(): string[] {
    const { layout } = this.deployment;
    const isKept = listJournals(layout.journals).some((name) => roleOf(name) === 'control');
    return isKept || existsSync(layout.relayFile) ? [] : createLedgerKey(layout, this.ledgerKeySource);
  }

  /** For whoever records spans: better to hear of a missing key now than at the first content. */
  requireKeys(): void {
    if (vaults(this.policy.document)) void this.contentKeys;
  }

  get #keySource() {
    return { env: process.env, command: this.settings.vault.key_command };
  }

  /**
   * Opens the directory's embedded ClickHouse, or the server that --url or CLICKHOUSE_URL names.
   *
   * While a `serve` has the directory open, its engine is asked through it.
   *
   * @param mode `read` needs the directory and its schema to be there, `write` makes them, `serve` is the one
   * that lets others in.
   */
  static async open(options: LedgerOptions, mode: Mode): Promise<Ledger> {
    return Ledger.#on(
      directoryOf(options).dir,
      options.url ?? process.env.CLICKHOUSE_URL,
      mode,
      options.config,
    );
  }

  /** On the directory's embedded ClickHouse, whatever the environment says. */
  static async embedded(dir: string, mode: Mode): Promise<Ledger> {
    return Ledger.#on(dir, undefined, mode);
  }

  static async #on(dir: string, url: string | undefined, mode: Mode, config?: string): Promise<Ledger> {
    const deployment = mode === 'read' ? openDeployment(dir, process.env) : deploymentIn(dir);
    const { layout } = deployment;
    // What an app's journals hold is the whole ledger until a command opens its database for the first time.
    const isUnopened = url === undefined && !existsSync(layout.clickhouse);
    if (mode === 'read' && isUnopened && existsSync(layout.storeLock)) throw databaseGone(layout.clickhouse);
    const { store, host } =
      url === undefined
        ? await embeddedIn(layout, mode)
        : { store: Store.server(url), host: mode === 'serve' ? undefined : hostIn(layout) };
    try {
      // Of a process that is gone, whose port may be another's by now.
      if (mode === 'serve' && url === undefined) rmSync(layout.serveFile, { force: true });
      const isNew = mode !== 'read' || isUnopened;
      if (isNew) await migrate(store);
      const ledger = new Ledger(deployment, store, host, config);
      if (isNew) ledger.makeKeys();
      return ledger;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * A writer of this ledger in a journal of its role; whoever asked for it closes both.
   *
   * @param control of the keeper: the key of its chain.
   */
  writer(journal: Journal, name: string, control?: { vkey: string }): Writer {
    const { ledgerId } = this.deployment;
    const policyOf = () => this.policy;
    return new Writer({
      journal,
      // Shipping what is sealed already needs none, and so no key.
      get policy() {
        return policyOf();
      },
      ledgerId,
      clock: systemClock,
      writer: name,
      version: VERSION,
      origin: this.origin,
      ...(control === undefined ? enrolmentIn(process.env) : { control }),
      contentKeys: () => this.contentKeys,
    });
  }

  /** Takes over a journal of the role that nobody holds, or makes one; a broken one is warned of and passed by. */
  takeJournal(role: string, out: Output = output(false), maxBytes?: number): Journal {
    const { journals } = this.deployment.layout;
    for (const name of listJournals(journals)) {
      const journal = roleOf(name) === role ? this.#journal(name, out, maxBytes) : undefined;
      if (journal !== undefined) return journal;
    }
    for (;;) {
      // Somebody who looks for one to take over may lock it first.
      const journal = Journal.open(join(journals, `${role}-${randomBytes(4).toString('hex')}`), maxBytes);
      if (journal !== undefined) return journal;
    }
  }

  /**
   * Carries what waits in journals nobody holds to the store: a writer that died, an app without a database; and
   * has a `serve` that lets us in carry its own, so that what it acknowledged is in the answer. A journal
   * that is broken, or that of a `serve` which does not answer, is warned of, and keeps nobody from what the store has.
   */
  async drain(out: Output): Promise<void> {
    await this.#eachJournal(out, async (journal, name) => {
      const vkey = journal.get(LEDGER_KEY) as string | undefined;
      const writer = this.writer(journal, roleOf(name), vkey === undefined ? undefined : { vkey });
      const { stopped } = await this.ship(writer, out);
      await writer.close();
      if (stopped.length > 0) await this.ship(writer, out);
    });
    await this.#askForAll('ship', out);
  }

  /** What journals keep that could not be understood: those nobody holds, and that of a `serve` that lets us in. */
  async quarantined(out: Output): Promise<Map<string, unknown>> {
    const found = new Map<string, unknown>();
    await this.#eachJournal(out, async (journal) => {
      for (const [digest, kept] of journal.quarantined()) found.set(digest, kept);
    });
    const text = (await this.#askForAll('quarantine', out)) ?? '[]';
    for (const [digest, kept] of JSON.parse(text) as [string, unknown][]) found.set(digest, kept);
    return found;
  }

  /** Tells a `serve` that lets us in what its ledger was found to be. */
  async tellVerified(status: string): Promise<void> {
    await this.#ask('verified', JSON.stringify({ status }));
  }

  /** Those nobody holds, one after another; who holds the others is known afterwards. */
  async #eachJournal(out: Output, work: (journal: Journal, name: string) => Promise<void>): Promise<void> {
    const { journals } = this.deployment.layout;
    this.#holders.clear();
    for (const name of listJournals(journals)) {
      const journal = this.#journal(name, out);
      if (journal === undefined) {
        if (!this.#broken.has(name)) this.#holders.set(name, FileLock.holder(join(journals, name, 'lock')));
        continue;
      }
      try {
        try {
          await work(journal, name);
        } finally {
          await journal.close();
        }
      } catch (error) {
        if (!isOfJournal(error)) throw error;
        this.#warnOf(name, error, out);
      }
    }
  }

  /** What a `serve` that lets us in answers for its own journal; of a journal nobody answers for it is said. */
  async #askForAll(what: 'ship' | 'quarantine', out: Output): Promise<string | undefined> {
    const answer = await this.#ask(what);
    for (const [name, holder] of this.#holders) {
      const isAnswered = answer !== undefined && holder === String(this.#host?.pid);
      // An app that runs ships its own, as ever.
      if (isAnswered || (what === 'ship' && roleOf(name) !== 'serve')) continue;
      out.log(
        `Warning: the journal ${name} is held by another process (${holder ?? 'unknown'}) and was left out: what only that journal has is missing from this answer.`,
      );
    }
    return answer;
  }

  /**
   * Asks the keeper in a `serve` that lets us in.
   *
   * @returns undefined where none does, or it is not the keeper.
   * @throws SpanledgerError as the keeper's own work did.
   */
  async askKeeper(what: KeeperAsk, body?: string): Promise<string | undefined> {
    const { layout } = this.deployment;
    const host = this.#host ?? hostIn(layout);
    // Of one that died its port may be anybody's now.
    if (host === undefined || FileLock.holder(layout.keeperLock) !== String(host.pid)) return undefined;
    return askHost(host, what, body);
  }

  /**
   * Undefined where no `serve` lets us in; with a server as the store also where it doesn't answer as it should:
   * then the store is there without it.
   */
  async #ask(what: 'ship' | 'quarantine' | 'verified', body?: string): Promise<string | undefined> {
    const host = this.#host;
    if (host === undefined || this.store.where === 'embedded')
      return host && (await askHost(host, what, body));
    // Of one that died its port may be anybody's now.
    if (![...this.#holders.values()].includes(String(host.pid))) return undefined;
    try {
      return await askHost(host, what, body);
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
      return undefined;
    }
  }

  /** Undefined while another process has it, or when it does not open. */
  #journal(name: string, out: Output, maxBytes?: number): Journal | undefined {
    try {
      return Journal.open(join(this.deployment.layout.journals, name), maxBytes);
    } catch (error) {
      this.#warnOf(name, error, out);
      return undefined;
    }
  }

  #warnOf(name: string, error: unknown, out: Output): void {
    if (this.#broken.has(name)) return;
    this.#broken.add(name);
    const hint = isSpanledgerError(error) ? error.hint : undefined;
    out.log(
      `Warning: the journal ${name} is left out: ${messageOf(error)}. Records in it that were not shipped yet are missing from this answer.${hint === undefined ? '' : ` Try: ${hint}`}`,
    );
  }

  /** What the command exits with: 1, a bad answer, where the store has lost or exchanged what it had confirmed. */
  exitCode(code = 0): number {
    return this.#isAmiss ? 1 : code;
  }

  /** Ships a journal, with progress, and says of all that had to be sent again, and of every chain stopped. */
  async ship(writer: Writer, out: Output): Promise<Shipment> {
    const progress = new Progress('shipped');
    const shipment = await ship(writer, this.target, (records) => progress.update(records));
    progress.done();
    if (shipment.again > 0)
      out.log(
        `Warning: the store no longer had ${shipment.again} records it had confirmed; the journal still did, and they were sent again`,
      );
    for (const { chainId, kind, seq } of shipment.stopped) {
      this.#isAmiss = true;
      const what =
        kind === 'fork'
          ? 'another record stands in the store'
          : 'the store no longer has the record it had confirmed, nor has the journal';
      out.log(
        `Warning: ${kind} at ${chainId}:${seq}: ${what}. The ledger says so now; what was left to ship of that chain is recorded again in its successor.`,
      );
    }
    return shipment;
  }

  async close(): Promise<void> {
    await this.store.close();
  }
}

export type Mode = 'read' | 'write' | 'serve';

export function directoryOf({ dir }: LedgerOptions): Layout {
  return layoutOf(dir ?? process.env.SPANLEDGER_DIR ?? DEFAULT_DIR);
}

/** The directory's engine: in this process, or in the `serve` that has it open. */
export async function embeddedIn(
  layout: Layout,
  mode: Mode | 'look',
): Promise<{ store: Store; host?: Host }> {
  try {
    return { store: await Store.embedded(layout, mode === 'look' ? 'to-look' : 'to-work') };
  } catch (error) {
    const host = mode !== 'serve' && isSpanledgerError(error, 'directory_busy') ? hostIn(layout) : undefined;
    // Of a process that is gone: whoever has its port now would be believed.
    if (host === undefined || String(host.pid) !== FileLock.holder(layout.storeLock)) throw error;
    return { store: Store.through(host), host };
  }
}

/** Undefined where none is left, or it is just being written. */
function hostIn({ serveFile }: Layout): Host | undefined {
  try {
    const host = JSON.parse(readFileSync(serveFile, 'utf8')) as Host | null;
    return host ?? undefined;
  } catch {
    return undefined;
  }
}

function deploymentIn(dir: string): Deployment {
  try {
    return createDeployment(dir, process.env);
  } catch (error) {
    const cannotWrite = isSpanledgerError(error, 'config_invalid') && error.hint === undefined && error.cause;
    if (!cannotWrite) throw error;
    throw new SpanledgerError('config_invalid', error.message, {
      cause: error.cause,
      hint: 'name a directory this user may write in, by --dir or SPANLEDGER_DIR; is its disk full, or mounted read-only?',
    });
  }
}

export function databaseGone(path: string): SpanledgerError {
  return new SpanledgerError('store_schema', `the database that was in ${path} is gone`, {
    hint: 'restore it from a backup; or make it anew by `spanledger migrate`: what the journals still hold is sent again, and the ledger says what is lost',
  });
}

/** `role-xxxxxxxx` */
function roleOf(journal: string): string {
  return journal.slice(0, journal.lastIndexOf('-'));
}

/** A store that fails concerns every journal, and a bug is no journal's fault. */
function isOfJournal(error: unknown): boolean {
  return isSpanledgerError(error) ? error.code.startsWith('journal_') : isSystemError(error);
}

/** Of Node, for a file or folder: it has an errno code. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'errno' in error;
}
