import { type StatsListener, unwatchFile, watchFile } from 'node:fs';
import { constants } from 'node:os';
import { masterKeysOf } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { readSettings, settingsOf } from '../config/settings.ts';
import { isSpanledgerError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { Writer } from '../pipeline.ts';
import { Keeping } from '../server/keeping.ts';
import { certificatesOf, listensAt, refuseOpen } from '../server/listen.ts';
import { errorFields, type Logger, newLog } from '../server/log.ts';
import { Sidecar } from '../server/sidecar.ts';
import { holdKeeper } from './keeper.ts';
import { directoryOf, Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';

export interface ServeOptions extends LedgerOptions {
  otlpListen?: string;
  otlpGrpcListen?: string;
  adminListen?: string;
}

/** How long a drain may take to bring the last records to the store: what is left is shipped at the next start. */
const DRAIN_MS = 30_000;
/** All is closed and said, and still something keeps the process. */
const EXIT_MS = 1_000;

/**
 * The sidecar: takes OTLP, answers when it is durable in the journal, and carries it to the store. SIGTERM and
 * SIGINT drain: nothing new is taken, what is under way is answered, the chain is closed and shipped.
 */
export async function serveCommand(options: ServeOptions, out: Output): Promise<number> {
  // Before anything is opened: a mistake in it should leave nothing behind.
  const settings = settingsOf(directoryOf(options), process.env, options.config);
  const { serve } = settings;
  const log = newLog(process.env.SPANLEDGER_LOG_LEVEL ?? 'info');
  const otlp = listensAt('otlp-listen', process.env, serve, options.otlpListen);
  const grpc = listensAt('otlp-grpc-listen', process.env, serve, options.otlpGrpcListen);
  const admin = listensAt('admin-listen', process.env, serve, options.adminListen);
  for (const [name, each] of Object.entries({ otlp, 'otlp-grpc': grpc, admin }))
    refuseOpen(each, `--${name}-listen`, serve, settings.tokens.length > 0);
  certificatesOf(serve.tls);
  const ledger = await Ledger.open(options, 'serve');
  try {
    const journal = ledger.takeJournal('serve', out, serve.max_journal_bytes);
    try {
      ledger.requireKeys();
      const writer = ledger.writer(journal, 'serve');
      const { deployment, policy, store, target } = ledger;
      const { layout, ledgerId, master } = deployment;
      const keeping = keepingOf(ledger, journal, log);
      const sidecar = new Sidecar({
        layout,
        ledgerId,
        origin: ledger.origin,
        policy,
        master,
        store,
        target,
        writer,
        settings,
        contentKeys: () => ledger.contentKeys,
        ...(keeping === undefined ? {} : { keeping }),
        otlp,
        grpc,
        admin,
        log,
      });
      const stopping = signalled();
      const listening = await sidecar.start();
      keeping?.start();
      const unfollow = followFiles(options, layout, sidecar, log);
      out.document({ ready: true, ...listening });
      out.line(
        inked`Taking OTLP at ${listening.otlp}/v1/traces and /v1/logs, and by gRPC at ${listening.grpc}`,
      );
      out.line(inked`Metrics and health at ${listening.admin}; the ledger is ${layout.dir}`);
      const ends = [stopping.then(() => undefined), sidecar.broken];
      const broken = await Promise.race(keeping === undefined ? ends : [...ends, keeping.broken]);
      unfollow();
      log.info(broken === undefined ? {} : { code: broken.code }, 'draining');
      const isShippable = await sidecar.stop();
      // Whatever starts this process again finds in the journal what was acknowledged.
      if (broken !== undefined) throw broken;
      const ship = () => hasEnded(ledger.ship(writer, out), log);
      // Where it takes not even the chain's end, what makes room comes first. Of one journal there is one shipment.
      const hasRoom = (await isClosed(writer)) || (isShippable && (await ship()) && (await isClosed(writer)));
      if (isShippable && hasRoom) await ship();
      if (keeping !== undefined) await hasEnded(keeping.stop(), log);
      log.info({}, 'stopped');
      if (sidecar.isAmiss) return 1;
    } finally {
      await journal.close();
    }
    return ledger.exitCode();
  } finally {
    await ledger.close();
    // A peer that never came through TLS has a connection that nobody else ends.
    setTimeout(() => process.exit(), EXIT_MS).unref();
  }
}

/** The keeper, as the settings have it; on the embedded engine in a session of its own. */
function keepingOf(ledger: Ledger, journal: Journal, log: Logger): Keeping | undefined {
  const { keeper } = ledger.settings;
  if (!keeper.enabled) return undefined;
  const { store, deployment } = ledger;
  return new Keeping({
    open: async () => {
      if (store.where !== 'embedded') return holdKeeper(ledger, store, journal);
      const session = await store.beside();
      const held = await holdKeeper(ledger, session, journal).catch(async (error: unknown) => {
        await session.close();
        throw error;
      });
      if (held === undefined) await session.close();
      return held && { ...held, release: () => held.release().finally(() => session.close()) };
    },
    ledgerId: deployment.ledgerId,
    roundSeconds: keeper.round_seconds,
    fullEvery: keeper.verify.full_every,
    webhook: keeper.webhook,
    log,
  });
}

/** How often it is looked whether a file is another, in milliseconds. */
const WATCH_MS = 2_000;

/**
 * On SIGHUP, and where the file is another, tokens and policy are taken over from the settings, and the master keys.
 * A file with a mistake is told of, and changes nothing.
 */
function followFiles(options: ServeOptions, layout: Layout, sidecar: Sidecar, log: Logger): () => void {
  const settings = options.config ?? process.env.SPANLEDGER_CONFIG ?? layout.settingsFile;
  let last = Promise.resolve();
  const afterwards = (work: () => Promise<void>, failed: string) => {
    last = last.then(work).catch((error: unknown) => log.error(errorFields(error), failed));
  };
  const rekey = () =>
    afterwards(() => sidecar.rekey(masterKeysOf(layout, process.env)), 'the keys are not taken over');
  // A file that has gone is a mistake, not the defaults: they know neither its tokens nor what it redacts.
  const reload = () =>
    afterwards(() => sidecar.reload(readSettings(settings)), 'the settings are not taken over');
  let isFollowed = true;
  // It stays: without a listener the signal would end a process that drains.
  process.on('SIGHUP', () => {
    if (!isFollowed) return;
    rekey();
    reload();
  });
  const unfollow = [followFile(settings, reload), followFile(layout.masterKeyFile, rekey)];
  return () => {
    isFollowed = false;
    for (const each of unfollow) each();
  };
}

/** Calls back where the file is another, until what it answers is called. */
function followFile(path: string, reload: () => void): () => void {
  // Once nobody writes to it any more: the first half of a file may be whole YAML, with half the rules.
  let settling: NodeJS.Timeout | undefined;
  const changed: StatsListener = (now, before) => {
    // Of a file that never was it is told too, once.
    if (now.mtimeMs === before.mtimeMs && now.ino === before.ino) return;
    clearTimeout(settling);
    settling = setTimeout(reload, WATCH_MS).unref();
  };
  watchFile(path, { interval: WATCH_MS }, changed);
  return () => {
    clearTimeout(settling);
    unwatchFile(path, changed);
  };
}

/** The first signal drains, another ends at once: what was acknowledged is in the journal. */
async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    let isDraining = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isDraining) process.exit(128 + constants.signals[signal]);
        isDraining = true;
        resolve();
      });
    }
  });
}

/** False where the journal is full: the chain stays open, and its successor says so. */
async function isClosed(writer: Writer): Promise<boolean> {
  try {
    await writer.close();
    return true;
  } catch (error) {
    if (isSpanledgerError(error, 'journal_full')) return false;
    throw error;
  }
}

/** False where it takes too long: then it goes on, and the journal must be left to it. The store may be away. */
async function hasEnded(work: Promise<unknown>, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS, false);
  });
  const ended = work.then(
    () => true as const,
    (error: unknown) => {
      log.warn(errorFields(error), 'not all is shipped; the rest is in the journal');
      return true as const;
    },
  );
  const isOver = await Promise.race([ended, late]);
  clearTimeout(timer);
  return isOver;
}
