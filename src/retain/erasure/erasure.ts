import type { Checkpoint } from '../../anchor/anchor.ts';
import type { Signer } from '../../chain/signer.ts';
import type { Clock } from '../../clock.ts';
import { SpanledgerError } from '../../errors.ts';
import type { Gone } from '../../journal/forget.ts';
import type { Policy } from '../../policy/policy.ts';
import { pseudonymKinds } from '../../policy/pseudonym-kinds.ts';
import { fromMicroseconds } from '../../record/time.ts';
import type { Store } from '../../store/client.ts';
import type { Verification } from '../../verify/findings.ts';
import { confirmedBy } from '../confirmed.ts';
import { LawfulRecords, type OwnLine } from '../own-line.ts';
import { count, union, within } from '../ranges.ts';
import { certificatesOf } from './certify.ts';
import { type Asked, type Erasing, type Outcome, plan, request, runErasure, runErasures } from './erasing.ts';
import { type PlanTold, tellPlan } from './plan.ts';
import { type Erased, type Request, requestsIn } from './requests.ts';

export interface ErasureOptions {
  store: Store;
  ledgerId: string;
  origin: string;
  policy: () => Policy;
  clock: Clock;
  signer: () => Signer;
  /** The ledger's newest. */
  checkpoint: () => Checkpoint | undefined;
  lend: <T>(work: (line: OwnLine) => Promise<T>) => Promise<T>;
  /** Has each journal of the directory let go. @returns the names of those that another process has */
  forget: (gone: Gone) => Promise<string[]>;
  /** Has each archive's copy rewritten. @returns what is left to do, a line each */
  rewriteArchives?: Erasing['rewriteArchives'];
}

/** What is told of an erasure that was planned, done, or gone on with. */
export interface ErasureTold extends PlanTold {
  /** Null of a plan, and where there is nothing of that person. */
  request_id: string | null;
  state: 'planned' | 'nothing' | 'refused' | 'incomplete' | 'complete';
  /** Records that the ledger says are erased, and data keys. */
  erased: number;
  keys: number;
  /** They do not hash, and stay as the evidence. */
  unsound: number;
  /** Why it is not complete yet, a line each. */
  waiting: string[];
  /** Signed notes; none before it is complete, but for what stays. */
  certificates: string[];
}

/** What somebody asks of whoever keeps the ledger. */
export type ErasureAsk =
  | { what: 'plan'; asked: Pick<Asked, 'subjects' | 'tenant'> }
  | { what: 'erase'; asked: Asked }
  | { what: 'resume'; id: string }
  | { what: 'due' };

/** Erasure for whoever keeps the ledger. */
export class Erasure {
  readonly #options: ErasureOptions;
  readonly #records: LawfulRecords;

  constructor(options: ErasureOptions) {
    this.#options = options;
    this.#records = new LawfulRecords(options.store);
  }

  /** What would go and what would stay. Nothing is written. */
  async plan(asked: Pick<Asked, 'subjects' | 'tenant'>): Promise<ErasureTold> {
    const told = tellPlan(await plan(this.#erasing, asked));
    return { ...NOTHING, ...told, state: stateOf(told, 'planned') };
  }

  /**
   * Erases what of a person no law and no hold keeps; the rest goes when it may, by `runDue`.
   *
   * @param keep a round now, and what its verification came to
   * @throws SpanledgerError `retention_refused` where the ledger is tampered with
   */
  async erase(
    asked: Asked,
    keep: () => Promise<{ verification: Pick<Verification, 'status'> }>,
  ): Promise<ErasureTold> {
    const { verification } = await keep();
    if (verification.status === 'tampered')
      throw new SpanledgerError(
        'retention_refused',
        'the ledger does not verify: nothing is erased from it',
        {
          hint: '`spanledger verify` says what was done; what is there now may be the evidence',
        },
      );
    const { id, plan } = await request(this.#erasing, asked);
    if (id === undefined) return { ...NOTHING, state: 'nothing' };
    return this.#run(id, tellPlan(plan));
  }

  /** Does what is asked, and answers what JSON can say. */
  async answered(
    ask: ErasureAsk,
    keep: () => Promise<{ verification: Pick<Verification, 'status'> }>,
  ): Promise<ErasureTold[]> {
    switch (ask.what) {
      case 'plan':
        return [await this.plan(ask.asked)];
      case 'erase':
        return [await this.erase(ask.asked, keep)];
      case 'resume':
        return [await this.resume(ask.id)];
      case 'due': {
        const told: ErasureTold[] = [];
        for (const { id } of await this.runDue()) told.push(await this.resume(id));
        return told;
      }
    }
  }

  /**
   * Goes on with a request, and certifies it anew.
   *
   * @throws SpanledgerError `usage_invalid` for one that nobody made
   */
  async resume(id: string): Promise<ErasureTold> {
    const request = await this.#request(id);
    return this.#run(id, tellPlan(request));
  }

  /** For the keeper's job: what may go now of all requests, also of those that a crash cut short. */
  runDue(): Promise<Outcome[]> {
    return runErasures(this.#erasing);
  }

  /** All requests there ever were. */
  requests(): Promise<Request[]> {
    return this.#options.lend(async (line) => {
      await this.#records.refresh(line);
      return requestsIn(this.#records.all);
    });
  }

  async #run(id: string, told: PlanTold): Promise<ErasureTold> {
    const outcome = await runErasure(this.#erasing, id);
    const { erased, unsound, waiting } = outcome;
    const isDone = waiting.length === 0;
    const state = isDone ? stateOf({ ...told, erase: erased.length }, 'complete') : 'incomplete';
    return {
      ...told,
      request_id: id,
      state,
      erased: erased.reduce((sum, { records }) => sum + records.length, 0),
      keys: erased.reduce((sum, { keys }) => sum + keys.length, 0),
      unsound,
      waiting,
      certificates: isDone && erased.length > 0 ? await this.#certificates(id, outcome) : [],
    };
  }

  async #certificates(id: string, { erased }: Outcome): Promise<string[]> {
    const { ledgerId, origin, signer, checkpoint, clock } = this.#options;
    return certificatesOf(await this.#request(id), erased, {
      ledgerId,
      origin,
      signer: signer(),
      checkpoint: checkpoint()!.note,
      now: fromMicroseconds(clock()),
    });
  }

  async #request(id: string): Promise<Request> {
    const found = (await this.requests()).find((each) => each.id === id);
    if (found !== undefined) return found;
    throw new SpanledgerError('usage_invalid', `${id} is no request for erasure`, {
      hint: 'the answer to `spanledger erase --subject …` names it',
    });
  }

  get #erasing(): Erasing {
    const { store, ledgerId, policy, clock, lend, forget, rewriteArchives } = this.#options;
    const { document, keyring } = policy();
    return {
      store,
      ledgerId,
      document,
      clock,
      lend,
      forget,
      // ARCHIVE: copies are rewritten by whoever keeps archives, with a manifest that names the one it replaces.
      rewriteArchives: rewriteArchives ?? ((erased) => Promise.resolve(copiesOf(erased, this.#records))),
      names: { keyring, kinds: pseudonymKinds(document) },
      records: this.#records,
    };
  }
}

/** While nobody rewrites them: what is in an archive is not gone, and not certified. */
function copiesOf(erased: readonly Erased[], records: LawfulRecords): string[] {
  const places = union(...erased.map((each) => each.places));
  return [...confirmedBy(records.all)]
    .map(([manifest, confirmed]) => [manifest, count(within(places, confirmed))] as const)
    .filter(([, copies]) => copies > 0)
    .map(
      ([manifest, copies]) => `the archive ${manifest.slice(0, 16)}… has copies of ${copies} of the records`,
    );
}

const NOTHING: ErasureTold = {
  request_id: null,
  state: 'nothing',
  records: 0,
  erase: 0,
  kept: [],
  erased: 0,
  keys: 0,
  unsound: 0,
  waiting: [],
  certificates: [],
};

function stateOf({ records, erase }: Pick<PlanTold, 'records' | 'erase'>, otherwise: 'planned' | 'complete') {
  if (records === 0) return 'nothing';
  return erase === 0 ? 'refused' : otherwise;
}
