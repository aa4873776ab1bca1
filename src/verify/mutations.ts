/** A mutation, of which the engine keeps the last hundred that are done. */
export interface Mutation {
  table: string;
  id: string;
  /** As the engine writes it. */
  command: string;
}

/** What has a payload that may go. */
const PURGED = ['audit_records', 'audit_content'];

const PURGE = /^UPDATE purge_after = expires_at(?: IN PARTITION (?:(?! WHERE ).)+)? WHERE /s;

/** It starts the TTL clock of what has expired: rows it takes without a tombstone are missed by their seq. */
export function isPurge({ table, command }: Mutation): boolean {
  return PURGED.includes(table) && PURGE.test(bare(command));
}

const ERASURE =
  /^DELETE(?: IN PARTITION (?:(?! WHERE ).)+)? WHERE \(chain_id = '([a-z0-9._-]+)'\) AND \(seq (?:= (\d{1,19})|IN \(?(\d{1,19}(?:, \d{1,19})*)\)?)\)$/;

/** The places of one chain that an erasure deletes; undefined: it is none, or may delete others too. */
export function placesErasedBy({
  table,
  command,
}: Mutation): { chainId: string; seqs: bigint[] } | undefined {
  if (!PURGED.includes(table)) return undefined;
  const [, chainId, one, several] = ERASURE.exec(bare(command)) ?? [];
  return chainId === undefined ? undefined : { chainId, seqs: (one ?? several!).split(', ').map(BigInt) };
}

const OF_KEYS =
  /^DELETE WHERE key_id (?:= unhex\('[0-9a-fA-F]{32}'\)|IN \(?unhex\('[0-9a-fA-F]{32}'\)(?:, unhex\('[0-9a-fA-F]{32}'\))*\)?)$/;

/** A key that a record's content still needs is missed by that record. */
export function isErasureOfKeys({ table, command }: Mutation): boolean {
  return table === 'audit_content_keys' && OF_KEYS.test(bare(command));
}

/** Several commands stand in parentheses each. */
function bare(command: string): string {
  return command.replace(/^\((.*)\)$/s, '$1');
}
