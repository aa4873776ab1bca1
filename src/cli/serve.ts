import { unwatchFile, watchFile } from 'node:fs';
import { settingsOf } from '../config/settings.ts';
import { isSpanledgerError } from '../errors.ts';
import type { Writer } from '../pipeline.ts';
import { addressOf } from '../server/listen.ts';
import { errorFields, type Logger, newLog } from '../server/log.ts';
import { Sidecar } from '../server/sidecar.ts';
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
  const otlp = address('otlp-listen', options.otlpListen, serve.otlp_listen, '127.0.0.1:4318');
  const grpc = address('otlp-grpc-listen', options.otlpGrpcListen, serve.otlp_grpc_listen, '127.0.0.1:4317');
  const admin = address('admin-listen', options.adminListen, serve.admin_listen, '127.0.0.1:4319');
  const ledger = await Ledger.open(options, 'serve');
  try {
    const journal = ledger.takeJournal('serve', out, serve.max_journal_bytes);
    try {
      const writer = ledger.writer(journal, 'serve');
      const { deployment, policy, store, target } = ledger;
      const { layout, ledgerId, master } = deployment;
      const sidecar = new Sidecar({
        layout,
        ledgerId,
        policy,
        master,
        store,
        target,
        writer,
        settings,
        otlp,
        grpc,
        admin,
        log,
      });
      const stopping = signalled();
      const listening = await sidecar.start();
      const unfollow = followSettings(options, sidecar, log);
      out.document({ ready: true, ...listening });
      out.line(
        inked`Taking OTLP at ${listening.otlp}/v1/traces and /v1/logs, and by gRPC at ${listening.grpc}`,
      );
      out.line(inked`Metrics and health at ${listening.admin}; the ledger is ${layout.dir}`);
      const broken = await Promise.race([stopping.then(() => undefined), sidecar.broken]);
      unfollow();
      log.info(broken === undefined ? {} : { code: broken.code }, 'draining');
      const isShippable = await sidecar.stop();
      // Whatever starts this process again finds in the journal what was acknowledged.
      if (broken !== undefined) throw broken;
      const ship = async () => {
        if (isShippable) await withinTime(ledger.ship(writer, out), DRAIN_MS);
      };
      if (!(await isClosed(writer))) {
        // It takes not even the chain's end: what makes room comes first.
        await ship();
        await isClosed(writer);
      }
      await ship();
      log.info({}, 'stopped');
    } finally {
      await journal.close();
    }
    return 0;
  } finally {
    await ledger.close();
    // A peer that never came through TLS has a connection that nobody else ends.
    setTimeout(() => process.exit(), EXIT_MS).unref();
  }
}

/** How often it is looked whether the settings file is another, in milliseconds. */
const WATCH_MS = 2_000;

/**
 * On SIGHUP, and where the settings file is another, tokens and policy are taken over. Settings with a mistake are
 * told, and change nothing.
 */
function followSettings(options: ServeOptions, sidecar: Sidecar, log: Logger): () => void {
  const layout = directoryOf(options);
  const path = options.config ?? process.env.SPANLEDGER_CONFIG ?? layout.settingsFile;
  let last = Promise.resolve();
  const reload = () => {
    last = last
      .then(() => sidecar.reload(settingsOf(layout, process.env, options.config)))
      .catch((error: unknown) => log.error(errorFields(error), 'the settings are not taken over'));
  };
  process.on('SIGHUP', reload);
  watchFile(path, { interval: WATCH_MS }, reload);
  return () => {
    process.off('SIGHUP', reload);
    unwatchFile(path, reload);
  };
}

/** Flags over variables over the file over defaults. */
function address(name: string, flag: string | undefined, inFile: string | undefined, otherwise: string) {
  const variable = `SPANLEDGER_${name.toUpperCase().replaceAll('-', '_')}`;
  return addressOf(flag ?? process.env[variable] ?? inFile ?? otherwise, `--${name}`);
}

/** The first signal drains, the second ends at once: what was acknowledged is in the journal. */
async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
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

/** The store may be away: then the journal keeps what is left. */
async function withinTime(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([
    work.then(
      () => undefined,
      () => undefined,
    ),
    timeout,
  ]);
  clearTimeout(timer);
}
