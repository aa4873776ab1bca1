import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../config/layout.ts';
import { messageOf } from '../errors.ts';
import { inspectJournal } from '../journal/inspect.ts';
import { listJournals } from '../journal/journal.ts';
import { FileLock } from '../journal/lock.ts';
import { bytesText, type Check, count, fail, ok, skipped, warn } from './check.ts';

export interface Journals {
  checks: Check[];
  /** Of their logs, together. */
  bytes: number;
  /** When the newest record in those nobody holds was recorded: RFC 3339. */
  newest: string | undefined;
}

/** The journals: who holds each, and what waits in those nobody holds. One that is held is left alone. */
export function lookAtJournals({ dir, journals }: Layout): Journals {
  try {
    accessSync(existsSync(journals) ? journals : dir, constants.R_OK | constants.X_OK);
  } catch (error) {
    const remedy = `give this user the right to read ${journals}, or run this as the owner`;
    return { checks: [fail('journal', messageOf(error), remedy)], bytes: 0, newest: undefined };
  }
  const looked = listJournals(journals).map((name) => lookAt(join(journals, name), name));
  const checks = looked.map(({ check }) => check);
  return {
    checks: checks.length > 0 ? checks : [skipped('journal', `there is no journal in ${journals} yet`)],
    bytes: looked.reduce((sum, { bytes }) => sum + bytes, 0),
    newest: looked.reduce<string | undefined>((newest, each) => later(newest, each.newest), undefined),
  };
}

/** Of two times as the ledger writes them, the later. */
export function later(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}

interface Looked {
  check: Check;
  bytes: number;
  newest?: string | undefined;
}

function lookAt(dir: string, name: string): Looked {
  const id = `journal.${name}`;
  const lock = join(dir, 'lock');
  try {
    if (isHeld(lock)) {
      const bytes = logBytes(dir);
      const holder = FileLock.holder(lock) ?? 'unknown';
      return { check: ok(id, `held by a running process (${holder}), ${bytesText(bytes)}`), bytes };
    }
    const { bytes, unshipped, oldestUnshipped, newest } = inspectJournal(dir);
    const check =
      unshipped === 0
        ? ok(id, `nobody holds it, ${bytesText(bytes)}, all of it in the store`)
        : warn(
            id,
            `left by a process that is gone: ${count(unshipped, 'record')} of ${bytesText(bytes)} not in the store, the oldest of ${oldestUnshipped}`,
            'spanledger verify, or any command that reads, carries them to the store',
          );
    return { check, bytes, newest };
  } catch (error) {
    // Somebody who takes it over while it is looked at trims it.
    if (mayBeHeld(lock)) return { check: ok(id, 'just taken over by a running process'), bytes: 0 };
    return { check: fail(id, messageOf(error), remedyOf(dir)), bytes: 0 };
  }
}

function isHeld(lock: string): boolean {
  return existsSync(lock) && FileLock.isHeld(lock);
}

/** False too where it cannot be asked: then what could not be looked at is told. */
function mayBeHeld(lock: string): boolean {
  try {
    return isHeld(lock);
  } catch {
    return false;
  }
}

function remedyOf(dir: string): string {
  return `restore ${dir} from a backup, or move it aside: records in it may never have reached the store`;
}

function logBytes(dir: string): number {
  const log = join(dir, 'log');
  let bytes = 0;
  for (const file of readdirSync(log))
    bytes += statSync(join(log, file), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}
