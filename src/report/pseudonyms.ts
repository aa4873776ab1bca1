import type { Store } from '../store/client.ts';

/** In how many records a pseudonym stands: at all, as whom the data is about, and as what was touched. */
export interface Holding {
  records: number;
  as_subject: number;
  as_resource: number;
}

const NONE: Holding = { records: 0, as_subject: 0, as_resource: 0 };

/** Asked at a time. */
const NAMES = 1_000;

/** Whoever looked for it left a record with it too, which tells nothing of the person. */
const HOLDING = `
SELECT
  name,
  uniqExact(chain_id, seq) AS records,
  uniqExactIf((chain_id, seq), subject = name) AS as_subject,
  uniqExactIf((chain_id, seq), resource_id = name) AS as_resource
FROM spanledger.audit_records
ARRAY JOIN arrayIntersect(extractAll(payload, 'hmac:[A-Za-z0-9_-]{1,32}:[A-Za-z0-9_-]{22}'), {names:Array(String)}) AS name
WHERE action != 'audit_log_accessed'
GROUP BY name`;

/** Of each pseudonym, the records that hold it anywhere. It reads every payload once. */
export async function holdingOf(
  store: Store,
  pseudonyms: readonly string[],
): Promise<(pseudonym: string) => Holding> {
  const found = new Map<string, Holding>();
  for (let i = 0; i < pseudonyms.length; i += NAMES) {
    const names = pseudonyms.slice(i, i + NAMES);
    const rows = await store.query<{ [column in 'name' | keyof Holding]: string }>(HOLDING, { names });
    for (const { name, records, as_subject, as_resource } of rows)
      found.set(name, {
        records: Number(records),
        as_subject: Number(as_subject),
        as_resource: Number(as_resource),
      });
  }
  return (pseudonym) => found.get(pseudonym) ?? NONE;
}

const KEYS_NAMED = `
SELECT DISTINCT arrayJoin([
  JSONExtractString(payload, 'control', 'pseudonym_key', 'old'),
  JSONExtractString(payload, 'control', 'pseudonym_key', 'new'),
  JSONExtractString(payload, 'control', 'pseudonym_key', 'retired')
]) AS id
FROM spanledger.audit_records
WHERE action = 'policy_changed'`;

/** Ids of keys that the ledger tells of, live or retired. */
export async function keysNamed(store: Store): Promise<string[]> {
  const rows = await store.query<{ id: string }>(KEYS_NAMED, {});
  return rows.map(({ id }) => id).filter((id) => id !== '');
}
