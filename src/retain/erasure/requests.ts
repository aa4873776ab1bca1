import { placesOf } from '../holds.ts';
import type { LawfulRecord, OwnLine } from '../own-line.ts';
import { inParts, NOWHERE, type Places, union, within, written } from '../ranges.ts';
import { type Kept, keptPlaces, type Plan } from './plan.ts';

/** A record of the line names so many stretches, so that none is too large to be read. */
const STRETCHES = { places: Number.MAX_SAFE_INTEGER, stretches: 2_000 };

/** A request for erasure, as the line has it: places alone, so that nothing of whoever asked stays for ever. */
export interface Request extends Plan {
  id: string;
  /** RFC 3339. */
  at: string;
  by: string;
  reason: string;
}

/** All that it asks for, what is kept included. */
export function askedFor({ erase, kept }: Plan): Places {
  return union(erase, keptPlaces(kept));
}

/** Tells a request in as many records as it takes. */
export function tellRequest(
  line: OwnLine,
  { id, reason, plan, actor }: { id: string; reason: string; plan: Plan; actor: LawfulRecord['actor'] },
): void {
  for (const part of inParts(askedFor(plan), STRETCHES))
    line.tell(
      'erasure_requested',
      {
        request_id: id,
        reason,
        erase: written(within(plan.erase, part)),
        kept: plan.kept
          .map(({ why, basis, until, places }) => ({
            why,
            basis,
            until,
            ranges: written(within(places, part)),
          }))
          .filter(({ ranges }) => Object.keys(ranges).length > 0),
      },
      { actor },
    );
}

/** Requests in the order in which they were made. */
export function requestsIn(records: readonly LawfulRecord[]): Request[] {
  const requests = new Map<string, Request>();
  for (const { action, control, at, actor } of records) {
    if (action !== 'erasure_requested') continue;
    const id = String(control.request_id);
    const request: Request = requests.get(id) ?? {
      id,
      at,
      by: actor.id ?? '',
      reason: String(control.reason),
      erase: NOWHERE,
      kept: [],
    };
    requests.set(id, request);
    request.erase = union(request.erase, placesOf(control.erase));
    for (const said of control.kept as (Omit<Kept, 'places'> & { ranges: unknown })[]) {
      const { why, basis, until } = said;
      const places = placesOf(said.ranges);
      const same = request.kept.find(
        (kept) => kept.why === why && kept.basis === basis && kept.until === until,
      );
      if (same === undefined) request.kept.push({ why, basis, until, places });
      else same.places = union(same.places, places);
    }
  }
  return [...requests.values()];
}

/** A record that is erased, as `records_erased` names it. */
export interface ErasedRecord {
  id: string;
  record_hash: string;
}

/** What the line says was erased. */
export interface Erased {
  /** Of the record that says so. */
  id: string;
  at: string;
  records: readonly ErasedRecord[];
  places: Places;
  /** Data keys that go with it, hex. */
  keys: readonly string[];
}

export function erasedIn(records: readonly LawfulRecord[]): Erased[] {
  return records
    .filter(({ action }) => action === 'records_erased')
    .map(({ id, at, control }) => {
      const erased = control.records as readonly ErasedRecord[];
      return {
        id,
        at,
        records: erased,
        places: union(...erased.map((each) => placeOf(each.id))),
        keys: (control.keys ?? []) as readonly string[],
      };
    });
}

function placeOf(id: string): Places {
  const at = id.lastIndexOf(':');
  const seq = Number(id.slice(at + 1));
  return new Map([[id.slice(0, at), [[seq, seq]]]]);
}
