import type { Anchor, Checkpoint } from './anchor/anchor.ts';
import { signCheckpoint } from './chain/checkpoint.ts';
import { rootOf } from './chain/merkle.ts';
import type { Signer } from './chain/signer.ts';
import { rotationMessage, signStatement } from './chain/statements.ts';
import type { Vkey } from './chain/vkey.ts';
import type { Clock } from './clock.ts';
import { SpanledgerError } from './errors.ts';
import type { Transaction } from './journal/journal.ts';
import { Enrolment, type Right } from './keeper/enrolment.ts';
import { Listing } from './keeper/listing.ts';
import { borrowedLine } from './keeper/own-line.ts';
import { type Anchoring, LEDGER_CHECKPOINT, Publishing } from './keeper/publishing.ts';
import { noteLine, otherKey, refuseOtherKeepers } from './keeper/standing.ts';
import type { Writer } from './pipeline.ts';
import { control } from './record/control.ts';
import { keys } from './record/memory.ts';
import type { AuditRecord } from './record/record.ts';
import type { OwnLine } from './retain/own-line.ts';
import { type Shipment, ship } from './ship.ts';
import type { Store } from './store/client.ts';
import type { Target } from './target/target.ts';
import type { JudgedChain } from './verify/baseline.ts';
import type { Verification } from './verify/findings.ts';
import type { Enrolled } from './verify/ledger-records.ts';
import { judgeLedger } from './verify/verify.ts';

/**
 * The one process that joins all chains of a ledger, each of which knows only itself, and writes the control chain:
 *
 *   what has come further ─▶ verify ─▶ ROUND ─▶ ledger CHECKPOINT ─▶ anchors ─▶ their receipts, and what was verified
 *
 * Each step is durable, and in the store, before the next begins; the next time goes on from wherever one ended, so that
 * recovery is this same function. (Retention and alerts will follow the verification.)
 */

/** Newest round, and when everything was verified last. */
const ROUND = 'state|round';
const VERIFIED_ALL = 'state|verified_all';
/** When retention went through last. */
const RETAINED = 'state|retained';
/** The vkey that signs the control chain. */
export const LEDGER_KEY = 'state|ledger_key';

/** A round lists so many chains that have moved; a ledger that is listed for the first time takes several. */
const MAX_LISTED = 1_000;

export interface KeeperOptions {
  /** Of the control chain. */
  writer: Writer;
  store: Store;
  target: Target;
  ledgerId: string;
  /** Of the ledger's checkpoints. */
  origin: string;
  signer: Signer;
  clock: Clock;
  /** Public keys of this directory's journals, hex. */
  own: () => ReadonlySet<string>;
  /** Of whoever may enrol. */
  writers: readonly Vkey[];
  anchors: readonly Anchor[];
}

/** What one time through has done. */
export interface Kept {
  round: number;
  /** Chains that had moved, and those that have not passed. */
  listed: string[];
  failed: string[];
  checkpoint: Checkpoint;
  anchored: Anchoring[];
  verification: Verification;
  /** What shipping the control chain found amiss. */
  stopped: Shipment['stopped'];
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #publishing: Publishing;
  #listing: Listing;
  /** What relays said of chains, as far as they are believed. */
  #enrolled: Map<string, Enrolled>;
  #signer: Signer;
  #stopped: Shipment['stopped'] = [];
  /** One thing at a time: whoever reads the end of the control chain finds it there when it writes. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: KeeperOptions) {
    this.#options = options;
    this.#signer = options.signer;
    this.#publishing = new Publishing(options);
    [this.#listing, this.#enrolled] = this.#remembered();
  }

  /**
   * Goes on with the control chain of its journal, or opens the first of the ledger.
   *
   * @throws SpanledgerError `keeper_conflict`, `keeper_lost` where the ledger has another, or more of it, than this
   * journal; `key_invalid` where another key signs it; those of `ship`
   */
  static async open(options: KeeperOptions): Promise<Keeper> {
    const { writer, signer } = options;
    const key = writer.journal.get(LEDGER_KEY) as string | undefined;
    if (key !== undefined && key !== signer.vkey) throw otherKey(key, signer.vkey);
    await refuseOtherKeepers(options);
    writer.open();
    if (key === undefined) writer.journal.transact((transaction) => transaction.set(LEDGER_KEY, signer.vkey));
    const keeper = new Keeper(options);
    await keeper.#ship();
    noteLine(writer);
    return keeper;
  }

  get vkey(): string {
    return this.#signer.vkey;
  }

  /** The newest round: its number, and when it was made, in microseconds since the epoch. */
  get newest(): { round: number; at: number } | undefined {
    return this.#options.writer.journal.get(ROUND) as { round: number; at: number } | undefined;
  }

  /** The ledger's key, as it is now. */
  get signer(): Signer {
    return this.#signer;
  }

  /** The newest of the ledger. */
  get checkpoint(): Checkpoint | undefined {
    return this.#options.writer.journal.get(LEDGER_CHECKPOINT) as Checkpoint | undefined;
  }

  /** When everything was verified last, in microseconds since the epoch; 0 where it never was. */
  get verifiedAll(): number {
    return (this.#options.writer.journal.get(VERIFIED_ALL) as number | undefined) ?? 0;
  }

  /**
   * Once through. A round is made also where nothing has moved; an anchor that is down is told of in the answer.
   *
   * @throws SpanledgerError of the store, the journal or the key: what was done is done, and the next time goes on.
   */
  keep(): Promise<Kept> {
    return this.#alone(async () => {
      const { baseline, open, ids } = this.#listing;
      const { store, ledgerId, clock } = this.#options;
      const chains = [...open, ...(await ids.unknownIn(store))];
      const { verification, chains: judged } = await judgeLedger(store, { ledgerId, baseline, chains });
      const made = this.#listAll(verification, judged);
      const checkpoint = await this.#checkpoint();
      const anchored = await this.#publishing.publish(checkpoint);
      this.#tellVerified(verification, made.round, false, clock());
      await this.#ship();
      return { ...made, checkpoint, anchored, verification, stopped: this.#stopped.splice(0) };
    });
  }

  /** Verifies everything, from the first record on, and says what came of it. */
  verifyAll(verifyAll: () => Promise<Verification>): Promise<Verification> {
    return this.#alone(async () => {
      const { clock } = this.#options;
      const verification = await verifyAll();
      this.#tellVerified(verification, this.newest?.round ?? 0, true, clock());
      await this.#ship();
      return verification;
    });
  }

  /**
   * From now on another key signs. Both say so in `key_rotated`: the old one signs what stands before it, the new one
   * all that has it in it. Durable when it resolves.
   *
   * @param decided is called when the old key signs nothing any more, whatever happens next.
   */
  rotate(
    next: Signer,
    decided: () => void,
  ): Promise<{ old: string; new: string; from: number; checkpoint: Checkpoint }> {
    return this.#alone(async () => {
      const { writer, ledgerId, clock } = this.#options;
      await this.#checkpoint();
      const { chainId, size: from } = writer.journal.chain!;
      const pair = { old: this.#signer.vkey, new: next.vkey, from };
      const message = rotationMessage({ ledgerId, chainId, ...pair });
      const sig_old = await signStatement(message, this.#signer);
      const sig_new = await signStatement(message, next);
      const now = clock();
      writer.tell((transaction) => {
        refuseMoved(transaction, from);
        transaction.set(LEDGER_KEY, next.vkey);
        return control('key_rotated', { ...pair, sig_old, sig_new }, now);
      });
      await writer.journal.flush();
      this.#signer = next;
      decided();
      return { ...pair, checkpoint: await this.#checkpoint() };
    });
  }

  /**
   * Says that a chain goes no further, since its journal is lost with what it had not shipped. A person says it: of a
   * silent chain nobody else can tell whether it was lost or cut off.
   *
   * @throws SpanledgerError `usage_invalid` for a chain that no round lists, or that has ended.
   */
  abandon(
    chain_id: string,
    actor: AuditRecord['actor'],
    reason: string,
  ): Promise<{ size: number; head: string }> {
    return this.#alone(async () => {
      const known = this.#listing.has(chain_id) ? this.#listing.baseline.get(chain_id) : undefined;
      if (known === undefined || known.closed === true)
        throw new SpanledgerError('usage_invalid', `${chain_id} is no open chain that a round lists`, {
          hint: '`spanledger checkpoint` makes a round; `spanledger verify` names chains that are silent',
        });
      const { writer, clock } = this.#options;
      const { size, head } = known;
      writer.tell({ ...control('chain_abandoned', { chain_id, size, head, reason }, clock()), actor });
      await this.#ship();
      return { size, head };
    });
  }

  /** When retention went through everything last, in microseconds since the epoch; 0 where it never did. */
  get retained(): number {
    return (this.#options.writer.journal.get(RETAINED) as number | undefined) ?? 0;
  }

  noteRetained(at: number): void {
    this.#options.writer.journal.transact((transaction) => transaction.set(RETAINED, at));
  }

  /** Lends the line to whoever decides what leaves; what was told is in the store when it resolves. */
  lend<T>(work: (line: OwnLine) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      const { writer, anchors, clock } = this.#options;
      const settle = () => this.#ship();
      const checkpoint = async () => {
        await this.#publishing.publish(await this.#checkpoint());
        await this.#ship();
      };
      const size = writer.journal.chain?.size;
      try {
        return await work(borrowedLine({ writer, anchors, signer: this.#signer, clock, settle, checkpoint }));
      } finally {
        if (writer.journal.chain?.size !== size) await this.#ship();
      }
    });
  }

  /** Lets what is being done come to its end. The control chain stays open: the next keeper of this journal goes on. */
  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#options.writer.journal.flush();
  }

  /** Lists what is sound and enrolled: in one round, but where a ledger is listed for the first time. */
  #listAll(
    verification: Verification,
    judged: readonly JudgedChain[],
  ): Pick<Kept, 'round' | 'listed' | 'failed'> {
    const { writer, clock } = this.#options;
    const believed = this.#believe(judged);
    const due = this.#due(judged);
    const tampered = new Set(
      verification.findings.filter(({ severity }) => severity === 'critical').map(({ chain_id }) => chain_id),
    );
    const isDue = (id: string) => this.#listing.has(id) || due.some(({ chain }) => chain.chain_id === id);
    const failed = [...tampered].filter(isDue).sort((a, b) => (a < b ? -1 : 1));
    const sound = due.filter(({ chain }) => chain.status === 'valid' && !tampered.has(chain.chain_id));
    let round = this.newest?.round ?? 0;
    for (let at = 0; at === 0 || at < sound.length; at += MAX_LISTED) {
      round += 1;
      const now = clock();
      try {
        writer.tell((transaction) => {
          for (const each of believed) transaction.set(keys.enrolled(each.chain_id), each);
          const part = sound.slice(at, at + MAX_LISTED);
          const chains = part.map(({ chain, right }) => this.#listing.list(transaction, chain, right));
          transaction.set(ROUND, { round, at: now });
          return control('round', { round, chains, all: this.#listing.all, failed }, now);
        });
      } catch (error) {
        // It lists what no round says.
        [this.#listing, this.#enrolled] = this.#remembered();
        throw error;
      }
    }
    return { round, listed: sound.map(({ chain }) => chain.chain_id), failed };
  }

  /** Takes note of what relays say in chains that are ours, or a writer's: of one that was relayed itself it is not believed. */
  #believe(judged: readonly JudgedChain[]): Enrolled[] {
    const rights = this.#enrolment();
    const believed: Enrolled[] = [];
    for (const chain of judged) {
      if (chain.status !== 'valid' || chain.enrolled === undefined) continue;
      const right = this.#listing.rightOf(chain.chain_id) ?? rights.rightOf(chain);
      if (right !== 'own' && right !== 'writer') continue;
      for (const each of chain.enrolled) {
        // Once: what was said first stands.
        if (this.#enrolled.has(each.chain_id)) continue;
        this.#enrolled.set(each.chain_id, each);
        believed.push(each);
      }
    }
    return believed;
  }

  /** Chains that a round is to list, in order of their ids; of the others note is taken. */
  #due(judged: readonly JudgedChain[]): { chain: JudgedChain; right: Right }[] {
    const rights = this.#enrolment();
    const due: { chain: JudgedChain; right: Right }[] = [];
    for (const chain of judged) if (!this.#listing.has(chain.chain_id)) this.#listing.meet(chain);
    const moved = judged.filter(({ chain_id }) => this.#listing.has(chain_id));
    for (const chain of [...moved, ...this.#listing.met.values()]) {
      const right = this.#listing.rightOf(chain.chain_id) ?? rights.rightOf(chain);
      if (right !== undefined && chain.role !== 'control') due.push({ chain, right });
    }
    return due.sort((a, b) => (a.chain.chain_id < b.chain.chain_id ? -1 : 1));
  }

  #enrolment(): Enrolment {
    const { ledgerId, own, writers } = this.#options;
    const relayed = (id: string) => this.#enrolled.get(id);
    return new Enrolment({ ledgerId, own: own(), writers, relayed, isFirst: this.newest === undefined });
  }

  /** Signs all that stands in the control chain, and says so in it: what is signed is durable, and in the store. */
  async #checkpoint(): Promise<Checkpoint> {
    const { writer, origin, clock } = this.#options;
    await this.#ship();
    const { size, tree } = writer.journal.chain!;
    const root = rootOf(tree);
    const note = await signCheckpoint({ origin, size: BigInt(size), root }, this.#signer);
    const checkpoint = { origin, size, root, note };
    const now = clock();
    writer.tell((transaction) => {
      refuseMoved(transaction, size);
      transaction.set(LEDGER_CHECKPOINT, checkpoint);
      return control('checkpoint', { note }, now);
    });
    await this.#ship();
    return checkpoint;
  }

  #tellVerified(verification: Verification, round: number, full: boolean, now: number): void {
    const { status, records_checked, chains, elapsed_ms, findings } = verification;
    const codes: { [code: string]: number } = {};
    for (const { code } of findings) codes[code] = (codes[code] ?? 0) + 1;
    const told = { status, round, records_checked, chains: chains.length, findings: codes, elapsed_ms, full };
    this.#options.writer.tell((transaction) => {
      if (full) transaction.set(VERIFIED_ALL, now);
      return control('verification_completed', told, now);
    });
  }

  async #ship(): Promise<void> {
    const { writer, target } = this.#options;
    this.#stopped.push(...(await ship(writer, target)).stopped);
  }

  #remembered(): [Listing, Map<string, Enrolled>] {
    const { journal } = this.#options.writer;
    return [
      new Listing(journal.remembered('listed')),
      new Map(journal.remembered('enrolled') as Iterable<[string, Enrolled]>),
    ];
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }
}

/** Only the keeper appends, one thing at a time; should that ever not hold, nothing wrong is signed. */
function refuseMoved({ chain }: Transaction, size: number): void {
  if (chain?.size !== size) throw new Error('the control chain has moved while its checkpoint was signed');
}
