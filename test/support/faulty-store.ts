import type { QueryParameters, Store } from '../../src/store/client.ts';

/** What ship asks a store for, by what it is for. */
export type Step = 'look' | 'insert' | 'confirm';

/** Fails at the nth call: before it did anything, or after it had done all of it and only the answer was lost. */
export interface Fault {
  call: number;
  persist: 'NotPersist' | 'ButPersist';
}

export class Lost extends Error {}

/**
 * The real store behind a line that fails as told, and a note of every call. `after` runs once a call has been
 * answered: what somebody else does to the store in the meantime.
 */
export class FaultyStore {
  readonly calls: { step: Step; rows: string[] }[] = [];
  fault: Fault | undefined;
  after: ((step: Step) => Promise<void>) | undefined;
  readonly #store: Store;

  constructor(store: Store, fault?: Fault) {
    this.#store = store;
    this.fault = fault;
  }

  get steps(): Step[] {
    return this.calls.map(({ step }) => step);
  }

  /** It is a Store to all who use one; only its class is another. */
  get asStore(): Store {
    return this as unknown as Store;
  }

  query<Row>(sql: string, parameters: QueryParameters = {}): Promise<Row[]> {
    return this.#call(sql.includes('AS places') ? 'confirm' : 'look', [], () =>
      this.#store.query<Row>(sql, parameters),
    );
  }

  insert(sql: string, rows: string): Promise<void> {
    return this.#call('insert', rows.trimEnd().split('\n'), () => this.#store.insert(sql, rows));
  }

  async #call<T>(step: Step, rows: string[], work: () => Promise<T>): Promise<T> {
    this.calls.push({ step, rows });
    const fails = this.calls.length === this.fault?.call ? this.fault.persist : undefined;
    if (fails === 'NotPersist') throw new Lost(`${step} did not arrive`);
    const answer = await work();
    if (fails === 'ButPersist') throw new Lost(`${step} arrived, its answer did not`);
    await this.after?.(step);
    return answer;
  }
}
