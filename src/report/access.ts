import type { Keyring } from '../policy/keyring.ts';
import type { AuditRecord } from '../record/record.ts';
import type { Store } from '../store/client.ts';

/** Who saw or changed a person's data in a period: the fixed shape of `report access`. */
export interface AccessReport {
  patient_id: string;
  report_period: { start: string; end: string };
  total_accesses: number;
  unique_users: number;
  accesses: Access[];
  integrity_verified: boolean;
}

export interface Access {
  timestamp: string;
  /** The user on whose behalf, else who performed it. */
  accessed_by: string;
  role: string | null;
  tool: string | null;
  purpose: string | null;
  success: boolean;
  /** Names of the fields the tool answered with, or was given to change. */
  fields_accessed: string[];
}

const ACCESSES = `
SELECT payload, user_id, user_role FROM spanledger.resolved
WHERE action IN ('data_accessed', 'data_modified')
  AND (subject IN {names:Array(String)} OR resource_id IN {names:Array(String)})
  AND occurred_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC') AND occurred_at < parseDateTime64BestEffort({to:String}, 9, 'UTC')
ORDER BY occurred_at, chain_id, seq`;

/**
 * @param subject as written in records: raw, as pseudonym, or the id of the resource. Raw, it is found under every
 * live key.
 * @param from RFC 3339, inclusive
 * @param to RFC 3339, exclusive
 * @param verified whether the ledger was just found valid
 */
export async function accessReport(
  store: Store,
  keyring: Keyring,
  query: { subject: string; from: string; to: string },
  verified: boolean,
): Promise<AccessReport> {
  const { subject, from, to } = query;
  const names = [subject, ...keyring.pseudonyms('default', 'subject', subject)];
  const rows = await store.query<Found>(ACCESSES, { names, from, to });
  const accesses = onePerAccess(rows).map(accessOf);
  return {
    patient_id: subject,
    report_period: { start: from, end: to },
    total_accesses: accesses.length,
    unique_users: new Set(accesses.map((access) => access.accessed_by)).size,
    accesses,
    integrity_verified: verified,
  };
}

/** A record, with the user of its trace where it names none. */
interface Found {
  payload: string;
  user_id: string;
  user_role: string;
}

type Accessed = Found & { record: AuditRecord };

/**
 * A span that reached two writers is one access, and so are the tries of one call. Of several, one that succeeded
 * stands for the others, else the first. What two persons did, or what contradicts a record, is never one.
 */
function onePerAccess(rows: readonly Found[]): Accessed[] {
  const accesses = rows.map((row) => ({ ...row, record: JSON.parse(row.payload) as AuditRecord }));
  return onePer(onePer(accesses, spanOf), callOf);
}

/** In the order in which they came; those without a key are each their own. */
function onePer(accesses: readonly Accessed[], keyOf: (access: Accessed) => string | undefined): Accessed[] {
  const chosen = new Map<string | Accessed, Accessed>();
  for (const access of accesses) {
    const key = keyOf(access) ?? access;
    const before = chosen.get(key);
    if (before === undefined || (!succeeded(before) && succeeded(access))) chosen.set(key, access);
  }
  const those = new Set(chosen.values());
  return accesses.filter((access) => those.has(access));
}

function spanOf(access: Accessed): string | undefined {
  const { trace_id, span_id } = access.record.trace ?? {};
  const isUnnamed = !trace_id || !span_id || /^0*$/.test(trace_id) || /^0*$/.test(span_id);
  return isUnnamed ? undefined : JSON.stringify([trace_id, span_id, ...what(access)]);
}

function callOf(access: Accessed): string | undefined {
  const { source, tool } = access.record;
  return tool?.call_id === undefined
    ? undefined
    : JSON.stringify([source?.service, tool.call_id, ...what(access)]);
}

/** What was done to what, by whom. */
function what({ record, user_id }: Accessed): unknown[] {
  const { resource, action, actor, details } = record;
  return [resource?.type, resource?.id, action, user_id || actor.id, details?.conflicts_with];
}

function succeeded({ record }: Accessed): boolean {
  return record.outcome?.status === 'success';
}

function accessOf(access: Accessed): Access {
  const { record, user_id, user_role } = access;
  const fields = record.details?.fields;
  return {
    timestamp: record.occurred_at,
    accessed_by: user_id || record.actor.id,
    role: user_role || null,
    tool: record.tool?.name ?? null,
    purpose: record.purpose ?? null,
    success: succeeded(access),
    fields_accessed: Array.isArray(fields) ? fields.map(String) : [],
  };
}
