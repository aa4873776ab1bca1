import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { payloadDigest } from '../chain/entry.ts';
import { systemClock } from '../clock.ts';
import { createContentKeys } from '../config/content-keys.ts';
import { createDeployment, type Deployment, type Environment } from '../config/deployment.ts';
import { enrolmentIn } from '../config/enrolment.ts';
import { DEFAULT_DIR, type Layout } from '../config/layout.ts';
import { VERSION } from '../config/package.ts';
import { originOf, settingsOf } from '../config/settings.ts';
import { isSpanledgerError } from '../errors.ts';
import { Journal } from '../journal/journal.ts';
import { Writer } from '../pipeline.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { compilePolicy, type Policy } from '../policy/policy.ts';
import { policyOf } from '../policy/schema.ts';
import { vaults } from '../policy/vaulting.ts';
import { canonicalJson } from '../record/canonical.ts';
import { ThreadListener } from './main-thread.ts';
import { localRecorder, type Recorder } from './recorder.ts';
import { keptTerms } from './relay-terms.ts';
import { RunningSpans } from './running.ts';
import { WorkerRecorder } from './worker-thread.ts';

export interface AuditOptions {
  /**
   * Where the ledger's directory is: the journal, and the keys. Made when it is missing.
   * @default SPANLEDGER_DIR, else ./.spanledger
   */
  dir?: string;
  /**
   * The settings file, whose policy says what may be kept.
   * @default SPANLEDGER_CONFIG, else spanledger.yaml in the directory, if it is there
   */
  config?: string;
  /**
   * Who writes. Stands in `chain_opened`, and a process of the same name takes over what this one leaves.
   * @default OTEL_SERVICE_NAME, else `app`
   */
  writer?: string;
}

/** What an app's recording needs: its journal, and the only writer of its chain. */
export interface Audit {
  deployment: Deployment;
  policy: Policy;
  writer: Writer;
  recorder: Recorder;
  running: RunningSpans;
  /** A writer in a journal that another process of the name has left. */
  heirOf(journal: Journal): Writer;
  /** Ends the chain, flushes, and lets go of the journal, also when it rejects. */
  close(): Promise<void>;
}

/**
 * Opens a journal for an app. No database, no network: records wait there until somebody ships them. In a worker
 * thread it is a way to the main thread's.
 */
export function openAudit(options: AuditOptions = {}, env: Environment = process.env): Audit {
  const { dir } = placeOf(options, env);
  const deployment = createDeployment(dir, env);
  const policy = compilePolicy(deployment.master, documentFor(deployment.layout, options, env));
  const of = [deployment.ledgerId, resolve(dir), payloadDigest(canonicalJson(policy.document))].join(' ');
  if (isMainThread) return ownAudit(deployment, policy, of, options, env);
  let own: Audit | undefined;
  const recorder = new WorkerRecorder(of, () => {
    own ??= ownAudit(deployment, policy, of, options, env);
    return own.recorder;
  });
  return {
    deployment,
    policy,
    recorder,
    get writer(): Writer {
      if (own === undefined) throw new Error('a worker thread records by its main thread');
      return own.writer;
    },
    heirOf: () => {
      throw new Error('a worker thread is no heir');
    },
    running: new RunningSpans(policy),
    close: () => recorder.close(),
  };
}

function ownAudit(
  deployment: Deployment,
  policy: Policy,
  of: string,
  options: AuditOptions,
  env: Environment,
): Audit {
  const { name } = placeOf(options, env);
  const { ledgerId, layout } = deployment;
  const settings = settingsOf(layout, env, options.config);
  const contentKeys = vaults(policy.document)
    ? createContentKeys(layout, { env, command: settings.vault.key_command })
    : undefined;
  const origin = (env.SPANLEDGER_ENDPOINT && keptTerms(layout)?.origin) || originOf(ledgerId, settings, env);
  const enrolment = enrolmentIn(env);
  const journal = openJournal(layout.journals, roleOf(name));
  const heirOf = (left: Journal) =>
    new Writer({
      journal: left,
      policy,
      ledgerId,
      clock: systemClock,
      writer: name,
      version: VERSION,
      origin,
      ...enrolment,
      ...(contentKeys === undefined ? {} : { contentKeys: () => contentKeys }),
    });
  const writer = heirOf(journal);
  const recorder = localRecorder(writer, async () => {
    threads?.close();
    try {
      await writer.close();
    } finally {
      await journal.close();
    }
  });
  const threads = isMainThread ? new ThreadListener(recorder, of) : undefined;
  const { end } = recorder;
  recorder.end = () => {
    threads?.drain();
    end();
  };
  return {
    deployment,
    policy,
    writer,
    recorder,
    heirOf,
    running: new RunningSpans(policy),
    close: () => recorder.close(),
  };
}

/** One that can be written to: a key that is none is told at the start, and not by each call. */
function openJournal(journals: string, role: string): Journal {
  const journal = Journal.takeOver(journals, role);
  try {
    void journal.key;
  } catch (error) {
    // There may be room by the first record.
    if (isSpanledgerError(error, 'journal_full')) return journal;
    void journal.close().catch(() => undefined);
    throw error;
  }
  return journal;
}

/** A file's policy, where one is named or there; else what the relay said last. */
function documentFor(layout: Layout, { config }: AuditOptions, env: Environment): PolicyDocument {
  const isOwn = config ?? env.SPANLEDGER_CONFIG ?? (existsSync(layout.settingsFile) ? '' : undefined);
  const terms = isOwn === undefined && env.SPANLEDGER_ENDPOINT ? keptTerms(layout) : undefined;
  return terms?.policy ?? policyOf(settingsOf(layout, env, config).policy);
}

/** Where an app records, and under which name. */
export function placeOf(options: AuditOptions, env: Environment): { dir: string; name: string } {
  return {
    dir: options.dir ?? env.SPANLEDGER_DIR ?? DEFAULT_DIR,
    name: options.writer ?? env.OTEL_SERVICE_NAME ?? 'app',
  };
}

/** A folder's name of a service's. */
function roleOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, '_')
      .slice(0, 64)
      .replace(/^[._-]+/, '') || 'app'
  );
}
