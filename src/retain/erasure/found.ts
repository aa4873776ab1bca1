import { keyIdOf } from '../../policy/keyring.ts';
import { DEFAULT_TENANT } from '../../record/facts-of.ts';
import type { QueryParameters, Store } from '../../store/client.ts';
import type { Names } from '../matching.ts';
import { conditionOf, STATEMENT } from '../places.ts';
import { inParts, type Places } from '../ranges.ts';
import type { Candidate } from './law.ts';

/** Needles that the engine searches at once are fewer than 256. */
const NEEDLES = 200;

/**
 * Records that are about a person: who is named, raw or by any pseudonym that a live key makes, as subject, as resource, or
 * anywhere as a whole value. Where a name stands inside a longer text nobody can tell whose it is: that is not found.
 */
export async function recordsOf(
  store: Store,
  subjects: readonly string[],
  tenant: string,
  names: Names,
): Promise<Candidate[]> {
  const pseudonyms = subjects.flatMap((subject) => pseudonymsOf(subject, tenant, names));
  const all = [...new Set([...subjects, ...pseudonyms])];
  const needles = [...new Set([...subjects.flatMap(asValue), ...pseudonyms])];
  const parameters: QueryParameters = {
    names: all,
    tenants: tenant === DEFAULT_TENANT ? ['', tenant] : [tenant],
  };
  const conditions = ['subject IN {names:Array(String)}', 'resource_id IN {names:Array(String)}'];
  for (let i = 0; i < needles.length; i += NEEDLES) {
    parameters[`needles${i}`] = needles.slice(i, i + NEEDLES);
    conditions.push(`multiSearchAny(payload, {needles${i}:Array(String)})`);
  }
  // A server notes what it was asked, with its parameters: for longer than the person is here.
  return candidatesWhere(
    store,
    `retention_class != 'ledger' AND tenant IN {tenants:Array(String)} AND (${conditions.join(' OR ')})`,
    parameters,
  );
}

function pseudonymsOf(subject: string, tenant: string, { keyring, kinds }: Names): string[] {
  if (keyIdOf(subject) !== undefined) return [subject];
  return kinds.flatMap((kind) => keyring.pseudonyms(tenant, kind, subject));
}

/** As it stands in JSON, and in JSON inside a text of JSON. */
function asValue(subject: string): string[] {
  const value = JSON.stringify(subject);
  return [value, JSON.stringify(value).slice(1, -1)];
}

async function candidatesWhere(
  store: Store,
  condition: string,
  parameters: QueryParameters,
): Promise<Candidate[]> {
  const rows = await store.query<{
    chain: string;
    place: string;
    class: string;
    domains: string[];
    recorded: string;
    expires: string;
  }>(
    `SELECT DISTINCT toString(chain_id) AS chain, seq, toString(seq) AS place, toString(retention_class) AS class,
       JSONExtract(payload, 'domains', 'Array(String)') AS domains,
       toString(toUnixTimestamp(parseDateTimeBestEffortOrZero(JSONExtractString(payload, 'recorded_at'), 'UTC'))) AS recorded,
       toString(toUnixTimestamp(expires_at)) AS expires
     FROM spanledger.audit_records WHERE ${condition} ORDER BY chain, seq SETTINGS log_queries = 0`,
    parameters,
  );
  return rows.map((row) => ({
    chainId: row.chain,
    seq: Number(row.place),
    retentionClass: row.class,
    domains: row.domains,
    recordedAt: Number(row.recorded),
    expiresAt: Number(row.expires),
  }));
}

/** Keys that seal contents at some places and at no other: what they open goes with them. Hex. */
export async function keysOnlyOf(store: Store, places: Places): Promise<string[]> {
  const here = new Map<string, number>();
  for (const part of inParts(places, STATEMENT))
    for (const { id, rows } of await keysWhere(store, conditionOf(part)))
      here.set(id, (here.get(id) ?? 0) + Number(rows));
  if (here.size === 0) return [];
  const ids = [...here.keys()];
  const everywhere = new Map<string, number>();
  for (let i = 0; i < ids.length; i += KEYS_AT_ONCE)
    for (const { id, rows } of await keysWhere(store, 'key_id IN {ids:Array(String)}', {
      ids: ids.slice(i, i + KEYS_AT_ONCE),
    }))
      everywhere.set(id, Number(rows));
  return ids.filter((id) => here.get(id) === everywhere.get(id)).sort((a, b) => (a < b ? -1 : 1));
}

const KEYS_AT_ONCE = 1_000;

function keysWhere(
  store: Store,
  condition: string,
  parameters: QueryParameters = {},
): Promise<{ id: string; rows: string }[]> {
  return store.query(
    `SELECT key_id AS id, toString(count()) AS rows FROM spanledger.audit_content WHERE ${condition} GROUP BY key_id`,
    parameters,
  );
}
