import { randomBytes } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Gone } from '../../journal/forget.ts';
import type { PolicyDocument } from '../../policy/document.ts';
import type { AuditRecord } from '../../record/record.ts';
import { type Holder, heldNow } from '../holding.ts';
import type { OwnLine } from '../own-line.ts';
import { count, type Places, union, within, without } from '../ranges.ts';
import { bury } from '../tombstones.ts';
import { keysOnlyOf, recordsOf } from './found.ts';
import { each, type Plan, planErasure, stillKept } from './plan.ts';
import { dropLeftParts, presentIn, removeKeys, removeRows, restoreLifetime } from './remove.ts';
import { askedFor, type Erased, erasedIn, type Request, requestsIn, tellRequest } from './requests.ts';

/**
 * How a person's records are erased. Each step is durable before the next begins, and is found again in the ledger:
 *
 *   erasure_requested ─▶ TOMBSTONES ─▶ records_erased ─▶ ledger CHECKPOINT, anchored ─▶ journals forget ─▶ archive copies
 *     ─▶ contents and rows DELETED ─▶ data keys destroyed ─▶ what that has replaced dropped from disk
 *
 * Whoever comes after a crash finds rows at places that the line says are asked for, and goes on. What is kept by a law goes
 * the same way once that is over; what a hold keeps, once it is released.
 */

/** Records named by one record of the line. */
const NAMED = 1_000;

export interface Erasing extends Holder {
  ledgerId: string;
  document: PolicyDocument;
  clock: Clock;
  /** Lends the line: nobody else appends while it is lent. */
  lend: <T>(work: (line: OwnLine) => Promise<T>) => Promise<T>;
  /** Has each journal let go of it. @returns the names of those that could not: another process has them */
  forget: (gone: Gone) => Promise<string[]>;
  /** Has each archive's copy rewritten. @returns what is left to do, a line each */
  rewriteArchives: (erased: readonly Erased[]) => Promise<string[]>;
}

export interface Asked {
  /** Raw values or pseudonyms of one person. */
  subjects: readonly string[];
  tenant: string;
  reason: string;
  actor: AuditRecord['actor'];
}

/** What would be erased, and what stays. Nothing is written. */
export function plan(erasing: Erasing, asked: Pick<Asked, 'subjects' | 'tenant'>): Promise<Plan> {
  return erasing.lend((line) => planIn({ ...erasing, isDry: true }, line, asked));
}

/**
 * Tells the request in the line, with what is kept and until when. Nothing has gone yet.
 *
 * @returns no id where there is nothing of that person
 */
export function request(erasing: Erasing, asked: Asked): Promise<{ id: string | undefined; plan: Plan }> {
  return erasing.lend(async (line) => {
    const plan = await planIn(erasing, line, asked);
    if (count(askedFor(plan)) === 0) return { id: undefined, plan };
    const id = `erasure-${randomBytes(8).toString('hex')}`;
    tellRequest(line, { id, reason: asked.reason, plan, actor: asked.actor });
    await line.settle();
    await erasing.records.refresh(line);
    return { id, plan };
  });
}

async function planIn(
  erasing: Erasing,
  line: OwnLine,
  { subjects, tenant }: Pick<Asked, 'subjects' | 'tenant'>,
): Promise<Plan> {
  const { store, names, document } = erasing;
  const candidates = await recordsOf(store, subjects, tenant, names);
  const chains = [...new Set(candidates.map(({ chainId }) => chainId))];
  const { holds } = await heldNow(erasing, line, { chains });
  return planErasure(candidates, { document, holds, now: nowOf(erasing) });
}

/** What came of a request. */
export interface Outcome {
  id: string;
  erased: readonly Erased[];
  /** Records that stay for now. */
  kept: number;
  /** Records that do not hash over the one before: they stay, as the evidence. */
  unsound: number;
  /** What keeps it from being done, a line each. Whoever runs it next goes on. */
  waiting: string[];
}

/** Ids of requests of which something may go now: what a crash has left, and what is kept no longer. */
export function dueErasures(erasing: Erasing): Promise<string[]> {
  const { store, records } = erasing;
  return erasing.lend(async (line) => {
    await records.refresh(line);
    const due: string[] = [];
    for (const request of requestsIn(records.all)) {
      const free = await freeOf(erasing, line, request);
      const left = [
        await presentIn(store, free, 'audit_records'),
        await presentIn(store, within(free, erasedPlaces(erasing)), 'audit_content'),
      ];
      if (left.some((places) => places.size > 0)) due.push(request.id);
    }
    return due;
  });
}

/** All that is due, for whoever keeps the ledger, as often as it likes. */
export async function runErasures(erasing: Erasing): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const id of await dueErasures(erasing)) outcomes.push(await runErasure(erasing, id));
  if (outcomes.length === 0 && erasedPlaces(erasing).size > 0) await finish(erasing);
  return outcomes;
}

/** Erases what a request asks for and nothing keeps. It may be run again at any time. */
export async function runErasure(erasing: Erasing, id: string): Promise<Outcome> {
  const { store, records } = erasing;
  const waiting: string[] = [];
  const told = await erasing.lend(async (line) => {
    await records.refresh(line);
    const request = requestsIn(records.all).find((each) => each.id === id)!;
    const free = await freeOf(erasing, line, request);
    const unsound = await tellErased(erasing, line, id, free);
    if (!isCovered(erasing, line)) await line.checkpoint();
    if (!isCovered(erasing, line)) waiting.push('an anchor has not taken the checkpoint over records_erased');
    return { request, unsound };
  });
  if (waiting.length === 0) waiting.push(...(await finish(erasing)));
  const erased = namedOf(erasedIn(records.all), askedFor(told.request));
  const places = union(...erased.map((each) => each.places));
  return {
    id,
    erased,
    kept: count(await presentIn(store, without(askedFor(told.request), places), 'audit_records')),
    unsound: told.unsound,
    waiting,
  };
}

/** What of these is at some places: another request may have named it first, and for a crash not come to its end. */
function namedOf(erased: readonly Erased[], places: Places): Erased[] {
  return erased.flatMap((each) => {
    const here = within(each.places, places);
    if (here.size === 0) return [];
    if (count(here) === count(each.places)) return [each];
    const { has } = goneOf(here, []);
    const isHere = ({ id }: { id: string }) => {
      const at = id.lastIndexOf(':');
      return has(id.slice(0, at), Number(id.slice(at + 1)));
    };
    return [{ ...each, records: each.records.filter(isHere), places: here, keys: [] }];
  });
}

/** Tombstones, and the record that names them: what is told already is not told twice. @returns how many do not hash */
async function tellErased(erasing: Erasing, line: OwnLine, id: string, free: Places): Promise<number> {
  const { store, ledgerId, records } = erasing;
  const untold = without(await presentIn(store, free, 'audit_records'), erasedPlaces(erasing));
  const { tombstones, places, unsound } = await bury(store, { ledgerId, reason: 'erased', places: untold });
  const keys = await keysOnlyOf(store, union(places, erasedPlaces(erasing)));
  const known = new Set(erasedIn(records.all).flatMap((erased) => erased.keys));
  let fresh = keys.filter((key) => !known.has(key));
  for (let i = 0; i < tombstones.length; i += NAMED) {
    const named = tombstones
      .slice(i, i + NAMED)
      .map(({ chainId, seq, recordHash }) => ({ id: `${chainId}:${seq}`, record_hash: recordHash }));
    line.tell('records_erased', {
      request_id: id,
      records: named,
      ...(fresh.length > 0 ? { keys: fresh } : {}),
    });
    fresh = [];
  }
  await line.settle();
  await records.refresh(line);
  return unsound.length;
}

/**
 * Removes what the line says is erased, of all requests, wherever it is: journals first, so that nothing brings it back, and
 * rows last but for what opens and replaces them, so that a crash before leaves them to be found.
 */
async function finish(erasing: Erasing): Promise<string[]> {
  const { store, records, forget, rewriteArchives } = erasing;
  await restoreLifetime(store);
  const all = erasedIn(records.all);
  const keys = [...new Set(all.flatMap((erased) => erased.keys))];
  const waiting: string[] = [];
  for (const name of await forget(goneOf(erasedPlaces(erasing), keys)))
    waiting.push(`another process has the journal ${name}: it lets go of its log as it ends`);
  waiting.push(...(await rewriteArchives(all)));
  await erasing.lend(async (line) => {
    const { held } = await heldNow(erasing, line);
    const places = without(erasedPlaces(erasing), held);
    // A record whose content is missing would look like one that was robbed of it.
    await removeRows(store, places, 'audit_records');
    await removeRows(store, places, 'audit_content');
    for (const key of await removeKeys(store, keys))
      waiting.push(`the data key ${key} opens what came since, and stays`);
    if (count(within(erasedPlaces(erasing), held)) > 0)
      waiting.push('a hold that was placed meanwhile keeps some of it');
  });
  const { inactive, detached } = await dropLeftParts(store);
  if (inactive > 0) waiting.push(`${inactive} replaced parts are still being read`);
  for (const name of detached)
    waiting.push(`the part ${name} was detached by hand: what it holds is for whoever did it to remove`);
  return waiting;
}

function isCovered({ records }: Erasing, line: OwnLine): boolean {
  return erasedIn(records.all).every(({ id }) => line.isCovered(id));
}

/** What a request asks for and neither law nor hold keeps now. */
async function freeOf(erasing: Erasing, line: OwnLine, request: Request): Promise<Places> {
  const asked = askedFor(request);
  const { held } = await heldNow(erasing, line, { chains: [...asked.keys()] });
  return without(asked, stillKept(request.kept, held, nowOf(erasing)));
}

function erasedPlaces({ records }: Erasing): Places {
  return union(...erasedIn(records.all).map(({ places }) => places));
}

function goneOf(places: Places, keys: readonly string[]): Gone {
  const seqs = new Map<string, Set<number>>();
  for (const { chainId, seq } of each(places))
    seqs.set(chainId, (seqs.get(chainId) ?? new Set<number>()).add(seq));
  return { has: (chainId, seq) => seqs.get(chainId)?.has(seq) === true, keys: new Set(keys) };
}

function nowOf({ clock }: Erasing): number {
  return Math.floor(clock() / 1e6);
}
