import { hash } from 'node:crypto';
import type { Signer } from '../chain/signer.ts';
import { SpanledgerError } from '../errors.ts';
import { canonicalJson } from '../record/canonical.ts';
import type { AuditRecord, ControlAction } from '../record/record.ts';
import type { Store } from '../store/client.ts';

/** What the ledger's line says of what may leave, must stay, or has left. */
export const LAWFUL_ACTIONS = [
  'archive_confirmed',
  'archive_restored',
  'records_expired',
  'records_erased',
  'erasure_requested',
  'legal_hold_placed',
  'legal_hold_extended',
  'legal_hold_released',
] as const satisfies readonly ControlAction[];

export type LawfulAction = (typeof LAWFUL_ACTIONS)[number];

/** What goes with a record into the same transaction: who says it, and what the keeper remembers besides. */
export interface Beside {
  actor?: AuditRecord['actor'];
  /** Of a hold: whom it is about, in words that no record may keep. Null forgets them. */
  holds?: readonly [id: string, what: unknown];
}

/**
 * The ledger's own line, as the keeper lends it to whoever decides what leaves: while one has it nobody else appends,
 * so that a hold stands before what it stops or after it, and never beside it.
 */
export interface OwnLine {
  /** Ids of its chains, in order; the last is being written. */
  readonly chains: readonly string[];
  /** By `<chain>:<seq>` the digest of what was told there: the store is not believed. */
  readonly told: ReadonlyMap<string, string>;
  /** By hold what was given with `Beside.holds`. */
  readonly holds: ReadonlyMap<string, unknown>;
  /** Appends; it is in the store when `settle` resolves. @returns the record's id */
  tell(action: LawfulAction, control: { [field: string]: unknown }, beside?: Beside): string;
  settle(): Promise<void>;
  /** The ledger's newest checkpoint, whole; undefined before the first. */
  readonly signed: string | undefined;
  /** Signs for the ledger. */
  readonly signer: Signer;
  /** Signs all that stands there, and brings it to the anchors. */
  checkpoint(): Promise<void>;
  /** Whether a checkpoint of the ledger covers a record, which each anchor has. */
  isCovered(id: string): boolean;
}

/** A record of the line. */
export interface LawfulRecord {
  id: string;
  action: LawfulAction;
  /** `recorded_at` */
  at: string;
  actor: AuditRecord['actor'];
  control: { [field: string]: unknown };
}

export function digestOfControl(control: { [field: string]: unknown }): string {
  return hash('sha256', canonicalJson(control));
}

const RECORDS_AT_ONCE = 100;
const RECORDS = `
SELECT toString(seq) AS place, payload FROM spanledger.audit_records
WHERE retention_class = 'ledger' AND chain_id = {chain:String} AND seq > {after:Int64} AND action IN ({actions:Array(String)})
ORDER BY seq LIMIT ${RECORDS_AT_ONCE}`;

/**
 * What the line has said so far, read from the store as it grows. Only what the keeper remembers to have told is believed;
 * and where any of that is missing or is another, nothing may be decided.
 */
export class LawfulRecords {
  readonly #store: Store;
  readonly #records: LawfulRecord[] = [];
  readonly #known = new Set<string>();
  #last: { chain: string; seq: number } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get all(): readonly LawfulRecord[] {
    return this.#records;
  }

  /** @throws SpanledgerError `retention_refused` where the store does not have what the keeper told. */
  async refresh(line: OwnLine): Promise<void> {
    const from = this.#last === undefined ? 0 : Math.max(0, line.chains.indexOf(this.#last.chain));
    for (const chain of line.chains.slice(from)) await this.#read(chain, line);
    for (const id of line.told.keys()) if (!this.#known.has(id)) throw missing(id);
  }

  async #read(chain: string, { told }: OwnLine): Promise<void> {
    let after = this.#last?.chain === chain ? this.#last.seq : -1;
    for (;;) {
      const rows = await this.#store.query<{ place: string; payload: string }>(RECORDS, {
        chain,
        after,
        actions: LAWFUL_ACTIONS,
      });
      for (const { place, payload } of rows) {
        after = Number(place);
        this.#last = { chain, seq: after };
        const id = `${chain}:${place}`;
        const digest = told.get(id);
        if (digest === undefined || this.#known.has(id)) continue;
        const { action, recorded_at: at, actor, control = {} } = JSON.parse(payload) as AuditRecord;
        if (digestOfControl(control) !== digest) throw missing(id);
        this.#known.add(id);
        this.#records.push({ id, action: action as LawfulAction, at, actor, control });
      }
      if (rows.length < RECORDS_AT_ONCE) return;
    }
  }
}

function missing(id: string): SpanledgerError {
  return new SpanledgerError(
    'retention_refused',
    `the store does not have the record ${id} as the keeper told it`,
    {
      hint: 'nothing leaves while holds and expiries cannot be read: `spanledger verify` says what was done',
    },
  );
}
