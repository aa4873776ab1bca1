import { resolve } from 'node:path';
import type { Environment } from '../config/deployment.ts';
import { VERSION } from '../config/package.ts';
import { type Audit, type AuditOptions, openAudit, placeOf } from './audit.ts';
import { processWide } from './process-wide.ts';

/** The process's one audit, and how many parts of it hold it open. */
interface Held {
  audit: Audit;
  key: string;
  holders: number;
}

/** Other versions of this package have an audit, and a journal, of their own: what is in one is nobody else's. */
const place = () => processWide<{ held: Held | undefined }>(`audit.${VERSION}`, () => ({ held: undefined }));

/** A hold on an audit: whoever holds it last closes it. */
export interface Hold {
  audit: Audit;
  release(): Promise<void>;
}

/**
 * Opens an app's audit, or, for the same directory, settings and name, the one this process has open already: one
 * journal a process.
 */
export function holdAudit(options: AuditOptions = {}, env: Environment = process.env): Hold {
  const { dir, name } = placeOf(options, env);
  const key = JSON.stringify([resolve(dir), name, options.config ?? env.SPANLEDGER_CONFIG]);
  const shared = place();
  if (shared.held !== undefined && shared.held.key !== key) {
    const audit = openAudit(options, env);
    return { audit, release: () => audit.close() };
  }
  if (shared.held === undefined) {
    shared.held = { audit: openAudit(options, env), key, holders: 0 };
    process.once('exit', endCurrent);
  }
  return holdOn(shared.held);
}

/** A hold on whatever audit this process has open; by these options where it has none. */
export function holdProcessAudit(options: AuditOptions = {}): Hold {
  const { held } = place();
  return held === undefined ? holdAudit(options) : holdOn(held);
}

/** The audit this process has open, to be used at once and not kept. */
export function currentAudit(): Audit | undefined {
  return place().held?.audit;
}

/** Its chain is closed as it goes; what cannot be is told by its heir. */
function endCurrent(): void {
  try {
    currentAudit()?.recorder.end();
  } catch {
    // `chain_opened` of the next says `unclean`.
  }
}

function holdOn(held: Held): Hold {
  held.holders += 1;
  let released: Promise<void> | undefined;
  return {
    audit: held.audit,
    release: () => (released ??= releaseOf(held)),
  };
}

async function releaseOf(held: Held): Promise<void> {
  held.holders -= 1;
  if (held.holders > 0) return await held.audit.recorder.flush();
  const shared = place();
  if (shared.held === held) {
    shared.held = undefined;
    process.removeListener('exit', endCurrent);
  }
  await held.audit.close();
}
