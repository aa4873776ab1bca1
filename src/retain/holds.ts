import type { Keyring } from '../policy/keyring.ts';
import { keyIdOf } from '../policy/keyring.ts';
import type { LawfulRecord } from './own-line.ts';
import { type Places, type Stretches, union } from './ranges.ts';

/**
 * What a hold is about: a record must match all that is given, and of several values one. Raw, as somebody knows them;
 * they are kept in the keeper's journal alone, since the line is for ever and names nobody.
 */
export interface Selection {
  subject?: readonly string[];
  conversation?: readonly string[];
  user?: readonly string[];
  resource?: readonly string[];
  chain?: readonly string[];
  /** RFC 3339: when it happened; inclusive and exclusive. */
  from?: string;
  to?: string;
  tenant: string;
}

/** What names somebody, or may. */
export const NAMING = ['subject', 'conversation', 'user', 'resource'] as const;

/** A hold as the line has it. */
export interface Hold {
  id: string;
  case: string;
  reason: string;
  /** RFC 3339: when somebody is to look whether it is still needed. It holds on until it is released. */
  until?: string;
  placedBy: string;
  placedAt: string;
  /** As the record says it: pseudonyms, chains, times. */
  by: { [what: string]: unknown };
  covers: Places;
  released?: { by: string; at: string; reason: string };
}

/** Holds in the order in which they were placed, with what they were extended by. */
export function holdsIn(records: readonly LawfulRecord[]): Hold[] {
  const holds = new Map<string, Hold>();
  for (const { action, control, actor, at } of records) {
    const id = String(control.hold_id);
    if (action === 'legal_hold_placed')
      holds.set(id, {
        id,
        case: String(control.case),
        reason: String(control.reason),
        ...(typeof control.until === 'string' ? { until: control.until } : {}),
        placedBy: actor.id ?? '',
        placedAt: at,
        by: control.by as { [what: string]: unknown },
        covers: placesOf(control.covers),
      });
    const hold = holds.get(id);
    if (hold === undefined) continue;
    if (action === 'legal_hold_extended') hold.covers = union(hold.covers, placesOf(control.covers));
    if (action === 'legal_hold_released')
      hold.released = { by: actor.id ?? '', at, reason: String(control.reason) };
  }
  return [...holds.values()];
}

export function inForce(holds: readonly Hold[]): Hold[] {
  return holds.filter(({ released }) => released === undefined);
}

/** All that a hold in force covers. */
export function heldBy(holds: readonly Hold[]): Places {
  return union(...inForce(holds).map(({ covers }) => covers));
}

/** Of a control record that the keeper wrote. */
export function placesOf(value: unknown): Places {
  return new Map(Object.entries((value ?? {}) as { [chain: string]: Stretches }));
}

/** What the line says a hold is about, for ever: nobody by name. */
export function saidOf(selection: Selection, keyring: Keyring): { [what: string]: unknown } {
  const { chain, from, to, tenant } = selection;
  const pseudonymOf = (what: string, value: string) =>
    keyIdOf(value) === undefined
      ? keyring.pseudonym(tenant, what === 'subject' ? 'subject' : 'id', value)
      : value;
  const named = NAMING.flatMap((what) =>
    selection[what] === undefined ? [] : [[what, selection[what].map((each) => pseudonymOf(what, each))]],
  );
  return {
    ...Object.fromEntries(named),
    ...(chain === undefined ? {} : { chain: [...chain] }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    tenant,
  };
}
