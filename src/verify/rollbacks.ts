import type { AuditRecord } from '../record/record.ts';

/**
 * Records that their own writer found gone from the store, by its `fork_detected` in a later chain. Whatever the
 * rest of their chain looks like, and also if none of it is left, a ledger without them is not whole.
 */
export class Rollbacks {
  /** By chain, the last place that the store had confirmed. */
  readonly confirmed = new Map<string, bigint>();

  hear(payload: string | Uint8Array): void {
    if (typeof payload !== 'string' || !payload.startsWith('{"action":"fork_detected"')) return;
    const { chain_id, kind, seq } = told(payload);
    if (kind !== 'rollback' || typeof chain_id !== 'string' || !Number.isSafeInteger(seq)) return;
    const last = BigInt(seq as number);
    if (last > (this.confirmed.get(chain_id) ?? -1n)) this.confirmed.set(chain_id, last);
  }
}

/** What a payload that is no JSON says has been found already. */
function told(payload: string): { [field: string]: unknown } {
  try {
    return (JSON.parse(payload) as AuditRecord).control ?? {};
  } catch {
    return {};
  }
}
