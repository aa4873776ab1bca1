import type { Keyring } from '../policy/keyring.ts';
import { keyIdOf } from '../policy/keyring.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import type { QueryParameters, Store } from '../store/client.ts';
import type { Selection } from './holds.ts';
import { IN_PARTITION, type Partition, placesWhere } from './places.ts';
import type { Places } from './ranges.ts';

/** Under which names a value may stand in records: itself, and every pseudonym that a live key makes of it. */
export interface Names {
  keyring: Keyring;
  /** Kinds of pseudonyms that the policy makes. */
  kinds: readonly string[];
}

/** Part of the ledger: what is about to leave. */
export interface Scope {
  chains: readonly string[];
  partition?: Partition;
}

/**
 * Where the records are that a hold is about. Of a person: those that name them as subject or resource, or hold a pseudonym
 * of theirs anywhere; of a conversation or a user: the rest of the trace too, where only one of its records says so.
 */
export async function matching(
  store: Store,
  selection: Selection,
  names: Names,
  scope?: Scope,
): Promise<Places> {
  const { chain, from, to, tenant } = selection;
  const conditions = ["retention_class != 'ledger'", 'tenant IN {tenants:Array(String)}'];
  const parameters: QueryParameters = { tenants: tenant === DEFAULT_TENANT ? ['', tenant] : [tenant] };
  const named = (what: 'subject' | 'conversation' | 'user' | 'resource', condition: string) => {
    const values = selection[what];
    if (values === undefined) return;
    const all = values.flatMap((value) => namesOf(value, tenant, names));
    parameters[what] = [...new Set(all)];
    parameters[`${what}_pseudonyms`] = all.filter((each) => keyIdOf(each) !== undefined);
    conditions.push(`(${condition})`);
  };
  const anywhere = (what: string) => `multiSearchAny(payload, {${what}_pseudonyms:Array(String)})`;
  const inTrace = (what: string, column: string) =>
    `${column} IN {${what}:Array(String)} OR (trace_id != '' AND trace_id IN (SELECT trace_id FROM spanledger.audit_records WHERE trace_id != '' AND ${column} IN {${what}:Array(String)}))`;
  named(
    'subject',
    `subject IN {subject:Array(String)} OR resource_id IN {subject:Array(String)} OR ${anywhere('subject')}`,
  );
  named('resource', `resource_id IN {resource:Array(String)} OR ${anywhere('resource')}`);
  named('conversation', inTrace('conversation', 'conversation_id'));
  named('user', `actor_id IN {user:Array(String)} OR ${inTrace('user', 'user_id')}`);
  if (chain !== undefined) {
    parameters.chain = [...chain];
    conditions.push('chain_id IN {chain:Array(String)}');
  }
  if (from !== undefined) {
    parameters.from = from;
    conditions.push(`occurred_at >= parseDateTime64BestEffort({from:String}, 9, 'UTC')`);
  }
  if (to !== undefined) {
    parameters.to = to;
    conditions.push(`occurred_at < parseDateTime64BestEffort({to:String}, 9, 'UTC')`);
  }
  if (scope !== undefined) {
    parameters.chains = [...scope.chains];
    conditions.push('chain_id IN {chains:Array(String)}');
    if (scope.partition !== undefined) {
      Object.assign(parameters, { class: scope.partition.retention_class, month: scope.partition.month });
      conditions.push(IN_PARTITION);
    }
  }
  return placesWhere(store, conditions.join(' AND '), parameters);
}

function namesOf(value: string, tenant: string, { keyring, kinds }: Names): string[] {
  if (keyIdOf(value) !== undefined) return [value];
  return [value, ...kinds.flatMap((kind) => keyring.pseudonyms(tenant, kind, value))];
}
