import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openAnchors } from '../anchor/open.ts';
import { consistencyProof } from '../chain/merkle.ts';
import { parseVkey } from '../chain/vkey.ts';
import { systemClock } from '../clock.ts';
import {
  createLedgerKey,
  ledgerKeyPlace,
  ledgerSigner,
  nextLedgerKey,
  type OldKey,
  settleLedgerKey,
} from '../config/ledger-key.ts';
import { SpanledgerError } from '../errors.ts';
import { Journal, listJournals } from '../journal/journal.ts';
import { FileLock } from '../journal/lock.ts';
import { ownKeys } from '../keeper/enrolment.ts';
import { Keeper, LEDGER_KEY } from '../keeper.ts';
import { Erasure } from '../retain/erasure/erasure.ts';
import { Retention } from '../retain/retention.ts';
import type { Held } from '../server/keeping.ts';
import type { Store } from '../store/client.ts';
import { recordHashes } from '../store/evidence.ts';
import { verify } from '../verify/verify.ts';
import { anchoredOf } from './anchored.ts';
import { forgetIn } from './forgetting.ts';
import type { Ledger } from './ledger.ts';
import { trustIn } from './trust.ts';

/** Of the keeper's journal. */
const ROLE = 'control';
const OPEN_TRIES = 50;
const OPEN_MS = 100;

/**
 * Becomes the keeper of a directory, until it is released.
 *
 * @param store to read from: of its own, so that a long verification holds up nobody.
 * @param live a journal of this process, in use.
 * @returns undefined where another process is the keeper.
 * @throws SpanledgerError `keeper_conflict`, `keeper_lost`, `key_invalid`, `config_invalid`; those of the store
 */
export async function holdKeeper(
  ledger: Ledger,
  store: Store = ledger.store,
  live?: Journal,
): Promise<Held | undefined> {
  const { layout, ledgerId } = ledger.deployment;
  const lock = FileLock.take(layout.keeperLock);
  if (lock === undefined) return undefined;
  let journal: Journal | undefined;
  try {
    journal = await controlJournal(ledger);
    const { ledgerKeySource: source, settings } = ledger;
    const { origin } = source;
    const inFile = ledgerKeyPlace(source) === 'file';
    const held = journal;
    const vkey = journal.get(LEDGER_KEY) as string | undefined;
    if (inFile) settleLedgerKey(layout, origin, vkey);
    // Another would not be the one that the chain is under: then it is missed, and not made.
    if (vkey === undefined) createLedgerKey(layout, source);
    const signer = ledgerSigner(layout, source);
    const keeper = await Keeper.open({
      writer: ledger.writer(journal, ROLE, signer),
      store,
      target: ledger.target,
      ledgerId,
      origin,
      signer,
      clock: systemClock,
      own: ownKeys(layout.journals),
      writers: settings.keeper.writers.map(parseVkey),
      anchors: openAnchors(settings.anchors, {
        env: process.env,
        clock: systemClock,
        consistency: async (from, to) => {
          const leaves: string[] = [];
          for await (const { hashes } of recordHashes(store, held.chain!.chainId, to))
            leaves.push(hashes[0]!);
          return consistencyProof(from, to, leaves);
        },
      }),
    });
    return {
      keeper,
      rotate: async (old: OldKey) => {
        if (!inFile) throw elsewhere();
        const next = nextLedgerKey(layout, origin, old);
        return keeper.rotate(next, () => settleLedgerKey(layout, origin, next.vkey));
      },
      retention: new Retention({
        store,
        ledgerId,
        policy: () => ledger.policy,
        clock: systemClock,
        anchors: settings.anchors.map(({ name }) => name),
        lend: (work) => keeper.lend(work),
        archive: settings.retention.archive && { path: settings.retention.archive.directory, origin },
        lastRun: { get: () => keeper.retained, set: (at) => keeper.noteRetained(at) },
        every: settings.retention.enabled ? settings.retention.every_seconds : undefined,
      }),
      erasure: new Erasure({
        store,
        ledgerId,
        origin,
        policy: () => ledger.policy,
        clock: systemClock,
        signer: () => keeper.signer,
        checkpoint: () => keeper.checkpoint,
        lend: (work) => keeper.lend(work),
        forget: (gone) => forgetIn(layout.journals, gone, live),
      }),
      verifyAll: async () =>
        verify(store, { ledgerId, trust: trustIn(layout) ?? null, ...(await anchoredOf(ledger, [])) }),
      release: async () => {
        await keeper.close();
        await held.close();
        lock.release();
      },
    };
  } catch (error) {
    await journal?.close();
    lock.release();
    throw error;
  }
}

/** The one of the directory: a second would be another control chain, and another ledger to whoever verifies. */
async function controlJournal({ deployment }: Ledger): Promise<Journal> {
  const { journals } = deployment.layout;
  const [name = `${ROLE}-${randomBytes(4).toString('hex')}`, ...more] = listJournals(journals).filter(
    (each) => each.startsWith(`${ROLE}-`),
  );
  if (more.length > 0)
    throw new SpanledgerError('keeper_conflict', `${journals} has ${more.length + 1} journals of a keeper`, {
      hint: 'move aside all but the one that is newest: a ledger has one control chain',
    });
  // A command that drains journals may have it for a moment.
  for (let tries = 0; tries < OPEN_TRIES; tries++) {
    const journal = Journal.open(join(journals, name));
    if (journal !== undefined) return journal;
    await wait(OPEN_MS);
  }
  throw new SpanledgerError('keeper_busy', `another process has the journal ${name}`, { hint: 'try again' });
}

function elsewhere(): SpanledgerError {
  return new SpanledgerError('config_invalid', "the ledger's key is in no file of this directory", {
    hint: 'it comes from SPANLEDGER_LEDGER_KEY or keys.ledger_command: only a key in <dir>/keys/ledger is rotated here',
  });
}
