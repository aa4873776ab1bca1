import { randomBytes } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import type { AuditRecord } from '../record/record.ts';
import type { Store } from '../store/client.ts';
import { type Hold, heldBy, holdsIn, inForce, type Selection, saidOf } from './holds.ts';
import { matching, type Names, type Scope } from './matching.ts';
import type { LawfulRecords, OwnLine } from './own-line.ts';
import { count, inParts, NOWHERE, type Places, union, without, written } from './ranges.ts';

/** A record names so many stretches, so that none is too large to be read. */
const MAX_STRETCHES = 5_000;
/** A chain that is held whole is held to its end, wherever that will be. */
const WHOLE: readonly (readonly [number, number])[] = [[0, Number.MAX_SAFE_INTEGER]];

export interface Placing {
  case: string;
  reason: string;
  until?: string;
  actor: AuditRecord['actor'];
  selection: Selection;
}

export interface Placed {
  hold_id: string;
  /** Records that it covers now; of whole chains those that are there. */
  records: number;
  chains: number;
}

export interface Holder {
  store: Store;
  names: Names;
  records: LawfulRecords;
  /** Nothing is written: only what would be is told. */
  isDry?: boolean;
}

/**
 * Places a hold: from the moment its record stands in the line nothing of what it covers is purged or erased. What was
 * already on its way is stopped first, so that what is read as covered stays.
 *
 * @throws SpanledgerError `usage_invalid` for a hold on nothing in particular
 */
export async function placeHold(
  { store, names, records }: Holder,
  line: OwnLine,
  { case: name, reason, until, actor, selection }: Placing,
): Promise<Placed> {
  const { tenant, ...rest } = selection;
  if (Object.values(rest).every((each) => each === undefined || each.length === 0))
    throw new SpanledgerError('usage_invalid', 'a hold is about something', {
      hint: 'give --subject, --conversation, --user, --resource, --chain, or --from and --to',
    });
  await records.refresh(line);
  await stopPurges(store);
  const hold_id = `hold-${randomBytes(8).toString('hex')}`;
  const found = await matching(store, selection, names);
  const told = { case: name, reason, ...(until === undefined ? {} : { until }) };
  const by = saidOf(selection, names.keyring);
  const [first = NOWHERE, ...more] = partsOf(isWhole(selection) ? wholeChains(selection) : found);
  line.tell(
    'legal_hold_placed',
    { hold_id, ...told, by, covers: written(first) },
    { actor, holds: [hold_id, selection] },
  );
  for (const part of more) line.tell('legal_hold_extended', { hold_id, covers: written(part) });
  await line.settle();
  await records.refresh(line);
  return { hold_id, records: count(found), chains: found.size };
}

/** A chain and nothing else: also what it does not have yet. */
function isWhole({ chain, tenant, ...rest }: Selection): boolean {
  return (
    chain !== undefined &&
    tenant === DEFAULT_TENANT &&
    Object.values(rest).every((each) => each === undefined)
  );
}

function wholeChains({ chain = [] }: Selection): Places {
  return new Map(chain.map((each) => [each, WHOLE]));
}

function partsOf(places: Places): Places[] {
  return [...inParts(places, { places: Number.MAX_SAFE_INTEGER, stretches: MAX_STRETCHES })];
}

/**
 * Lets go of what a hold covers; another hold may still cover it. Another than who placed it says so.
 *
 * @throws SpanledgerError `hold_refused` where it is the same person; `usage_invalid` for a hold that is not in force
 */
export async function releaseHold(
  { records }: Holder,
  line: OwnLine,
  { holdId, reason, actor }: { holdId: string; reason: string; actor: AuditRecord['actor'] },
): Promise<{ hold_id: string }> {
  await records.refresh(line);
  const hold = inForce(holdsIn(records.all)).find(({ id }) => id === holdId);
  if (hold === undefined)
    throw new SpanledgerError('usage_invalid', `${holdId} is no hold in force`, {
      hint: '`spanledger hold list` names them',
    });
  if (actor.id === hold.placedBy)
    throw new SpanledgerError(
      'hold_refused',
      `${hold.id} was placed by ${hold.placedBy}, who does not release it`,
      {
        hint: 'somebody else looks at it and releases it: --actor says who',
      },
    );
  line.tell('legal_hold_released', { hold_id: holdId, reason }, { actor, holds: [holdId, null] });
  await line.settle();
  await records.refresh(line);
  return { hold_id: holdId };
}

/**
 * Extends each hold in force to what matches since, and answers all that is held. Nothing may be removed that this was not
 * asked of in the same lending of the line.
 *
 * @param scope only what is about to leave
 */
export async function heldNow(
  { store, names, records, isDry = false }: Holder,
  line: OwnLine,
  scope?: Scope,
): Promise<{ held: Places; holds: Hold[]; extended: number }> {
  await records.refresh(line);
  const holds = inForce(holdsIn(records.all));
  const selections = line.holds;
  let extended = 0;
  for (const hold of holds) {
    const selection = selections.get(hold.id) as Selection | undefined;
    if (selection === undefined)
      throw new SpanledgerError(
        'retention_refused',
        `whom ${hold.id} is about is not in the keeper's journal`,
        {
          hint: 'nothing leaves while it cannot be told what it covers; release it, and place it anew',
        },
      );
    if (isWhole(selection)) continue;
    const more = without(await matching(store, selection, names, scope), hold.covers);
    for (const part of isDry ? [] : partsOf(more))
      line.tell('legal_hold_extended', { hold_id: hold.id, covers: written(part) });
    hold.covers = union(hold.covers, more);
    extended += count(more);
  }
  if (extended > 0 && !isDry) {
    await line.settle();
    await records.refresh(line);
  }
  return { held: heldBy(holds), holds, extended };
}

/** Mutations that start the TTL's clock and are not done: what they have not reached stays. */
async function stopPurges(store: Store): Promise<void> {
  const pending = `database = 'spanledger' AND table IN ('audit_records', 'audit_content') AND command LIKE '%UPDATE purge_after = expires_at%'`;
  const [row] = await store.query<{ pending: string }>(
    `SELECT toString(count()) AS pending FROM system.mutations WHERE NOT is_done AND ${pending}`,
  );
  if (Number(row?.pending) > 0) await store.command(`KILL MUTATION WHERE ${pending} SYNC`);
}
