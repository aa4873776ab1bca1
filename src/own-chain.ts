import { randomUUID } from 'node:crypto';
import { signCheckpointSync } from './chain/checkpoint.ts';
import { payloadDigest } from './chain/entry.ts';
import { rootOf } from './chain/merkle.ts';
import { newChain, type SealedRecord, seal } from './chain/seal.ts';
import { LocalSigner } from './chain/signer.ts';
import { type Enrolment, enrolmentMessage, signStatementSync } from './chain/statements.ts';
import type { ChainState, Journal, Transaction } from './journal/journal.ts';
import { salt } from './journal/salt.ts';
import { Vault } from './journal/vault.ts';
import type { Policy } from './policy/policy.ts';
import { canonicalJson } from './record/canonical.ts';
import { control } from './record/control.ts';
import type { Contents } from './record/facts.ts';
import type { AuditRecord, RecordDraft } from './record/record.ts';
import type { ContentKeys } from './vault/content-keys.ts';
import { type SealedContent, sealedBytes } from './vault/sealed.ts';

/** Digest of the policy of the journal's last chain. */
const POLICY = 'state|policy';
/** Id of the key that the pseudonyms of the journal's last chain are under. */
const PSEUDONYM_KEY = 'state|pseudonym_key';

/** Who changed the policy or its keys, and why: what nobody declared, the writer only found changed. */
export interface Declared {
  actor: AuditRecord['actor'];
  /** Redacted. */
  reason?: string;
  /** The key that recognises nobody any more. */
  retired?: string;
}

export interface ChainOptions {
  journal: Journal;
  policy: Policy;
  ledgerId: string;
  /** Who writes: a role or a service's name. Stands in `chain_opened`. */
  writer: string;
  /** spanledger's own version. */
  version: string;
  /** What its checkpoints are of: `<origin>/<chain_id>`. */
  origin: string;
  /** Signs that a chain is this ledger's, for a keeper that has no other way to know. Answers base64. */
  enrol?: (chain: Enrolment) => string;
  /** Of the keeper: the chain goes on for ever, and its checkpoints are signed elsewhere, by the ledger's key. */
  control?: { vkey: string };
  /** What wraps the data keys of contents; asked at the first that is vaulted. */
  contentKeys?: () => ContentKeys;
}

/**
 * The end of the one chain its writer may write to: opened at its first record, ended, and followed by another
 * under another policy. What is in a transaction alone happens with it or not at all.
 */
export class OwnChain {
  /** Bytes of what has been sealed, or tried to; whoever counts begins it anew. */
  sealed = 0;
  readonly #options: ChainOptions;
  readonly #vault: Vault;
  #chainId: string | undefined;
  /** Of that chain. */
  #signer: LocalSigner | undefined;
  /** The policy since the last turn. */
  #turned: Policy | undefined;
  /** Told by the next chain. */
  #declared: Declared | undefined;
  /** The chain that tells it: until that is in the journal, another may have to. */
  #declaredIn: string | undefined;

  constructor(options: ChainOptions) {
    this.#options = options;
    this.#vault = new Vault(options.ledgerId, options.contentKeys ?? noContentKeys);
  }

  /** Not before it is needed: what only ships is sealed already, and may have no key. */
  get policy(): Policy {
    return this.#turned ?? this.#options.policy;
  }

  /**
   * Seals a draft at the end, of a chain which it opens first if need be.
   *
   * @param now microseconds since the epoch
   * @param contents what is sealed beside it
   * @returns the record's id
   */
  append(transaction: Transaction, draft: RecordDraft, now: number, contents?: Contents): string {
    this.open(transaction, now);
    // Not after it: what is behind the last checkpoint waits for the next, or for the chain's end.
    if (isDue(transaction.chain!, now)) this.#checkpoint(transaction, now);
    return this.#seal(transaction, draft, now, contents);
  }

  /**
   * A checkpoint where one is due: 60 s after the last if there are new records, after 5 minutes also without, so
   * that silence is evidence.
   *
   * @param now microseconds since the epoch
   */
  beat(transaction: Transaction, now: number): void {
    const { chain } = transaction;
    if (chain === undefined || !this.#isMine(chain) || chain.closed) return;
    if (isDue(chain, now) || isLater(chain, now, IDLE)) this.#checkpoint(transaction, now);
  }

  /** Of all before it. The control chain's are the keeper's to sign. */
  #checkpoint(transaction: Transaction, now: number): void {
    if (this.#options.control !== undefined) return;
    const note = this.#note(transaction.chain!);
    this.#seal(transaction, control('checkpoint', { note }, now), now);
    const { size } = transaction.chain!;
    transaction.chain = { ...transaction.chain!, checkpoint: { size, at: now } };
  }

  #note({ size, tree }: ChainState): string {
    const signer = this.#signer!;
    return signCheckpointSync({ origin: signer.name, size: BigInt(size), root: rootOf(tree) }, signer);
  }

  #seal(transaction: Transaction, draft: RecordDraft, now: number, contents?: Contents): string {
    const chain = { ...transaction.chain! };
    const { ledgerId } = this.#options;
    const { document } = this.policy;
    const recordedAt = Math.max(now, chain.recordedAt);
    const vaulted = contents && this.#vault.seal(transaction, draft, contents, this.policy, recordedAt);
    const sealed = seal(vaulted?.draft ?? draft, chain, { ledgerId, policy: document, now, salt: salt() });
    if (vaulted !== undefined) sealed.contents = vaulted.contents;
    transaction.records.push(sealed);
    transaction.chain = chain;
    this.sealed += bytesOf(sealed);
    return `${chain.chainId}:${chain.size - 1}`;
  }

  /** Gives the record just appended the contents it had in another chain: sealed already, as its payload refers to them. */
  carry(transaction: Transaction, contents: readonly SealedContent[]): void {
    transaction.records.at(-1)!.contents = contents;
    this.sealed += sealedBytes(contents);
  }

  /**
   * Ends the chain, if one is open: the next record opens its successor. Committed when it returns.
   *
   * @param now microseconds since the epoch
   * @throws SpanledgerError `journal_broken`: it is open still.
   */
  end(now: number): void {
    if (this.#chainId === undefined || this.#options.control !== undefined) return;
    this.#options.journal.transact((transaction) => {
      const { chain } = transaction;
      if (chain === undefined || !this.#isMine(chain) || chain.closed) return;
      const note = this.#note(chain);
      this.#seal(transaction, control('chain_closed', { note }, now), now);
      transaction.chain = { ...transaction.chain!, closed: true };
    }, 'own');
    this.#chainId = undefined;
  }

  /** The next record opens a chain under this policy, which tells of the change: the one before has ended. */
  turn(policy: Policy, declared?: Declared): void {
    this.#turned = policy;
    this.#declared = declared;
    this.#declaredIn = undefined;
  }

  /**
   * Opens it, if it is not: what it tells of itself is in the journal before anything else is done.
   *
   * @param now microseconds since the epoch
   */
  open(transaction: Transaction, now: number): void {
    if (transaction.chain === undefined || !this.#isMine(transaction.chain)) this.#open(transaction, now);
  }

  /**
   * Another chain in the journal belongs to a writer before this one, but for the control chain, which all keepers
   * write on; a stopped one is nobody's any more.
   */
  #isMine(chain: ChainState): boolean {
    const isOwn =
      this.#options.control === undefined ? chain.chainId === this.#chainId : chain.role === 'control';
    return isOwn && chain.stopped === undefined;
  }

  #open(transaction: Transaction, now: number): void {
    const last = transaction.chain;
    const { writer, version, journal, origin, ledgerId, control: keeper } = this.#options;
    const digest = payloadDigest(canonicalJson(this.policy.document));
    const chainId = randomUUID().replaceAll('-', '');
    transaction.chain = {
      ...newChain(chainId),
      ...(keeper === undefined ? {} : { role: 'control' }),
      closed: false,
      checkpoint: { size: 0, at: now },
    };
    this.#chainId = chainId;
    if (last !== undefined && last.chainId === this.#declaredIn) this.#declared = undefined;
    this.#declaredIn = chainId;
    this.#signer = keeper === undefined ? new LocalSigner(`${origin}/${chainId}`, journal.key) : undefined;
    const vkey = keeper?.vkey ?? this.#signer!.vkey;
    const enrol = this.#enrolment({ ledgerId, chainId, vkey });
    const opened = {
      role: keeper === undefined ? 'records' : 'control',
      writer,
      version,
      policy_digest: digest,
      vkey,
      ...(enrol === undefined ? {} : { enrol }),
      ...(last === undefined ? {} : { predecessor: predecessor(last, journal) }),
      ...(last === undefined || last.closed ? {} : { unclean: true }),
    };
    this.#seal(transaction, control('chain_opened', opened, now), now);
    this.#tellChange(transaction, digest, now);
  }

  /** Signed by whoever may enrol, or else by the chain's own key: whoever names that key has it. */
  #enrolment(chain: Enrolment): string | undefined {
    const { enrol } = this.#options;
    if (enrol !== undefined) return enrol(chain);
    return this.#signer && signStatementSync(enrolmentMessage(chain), this.#signer);
  }

  /** What is another than in the journal's last chain: the policy, or the key that pseudonyms are under. */
  #tellChange(transaction: Transaction, digest: string, now: number): void {
    const { actor, reason, retired } = this.#declared ?? {};
    const before = transaction.get(POLICY);
    const [key] = this.policy.keyring.ids;
    const keyBefore = transaction.get(PSEUDONYM_KEY) ?? key;
    const isOtherKey = keyBefore !== key || retired !== undefined;
    if (before !== undefined && (before !== digest || isOtherKey)) {
      const keys = { old: keyBefore, new: key, ...(retired === undefined ? {} : { retired }) };
      const changed = {
        old: before,
        new: digest,
        ...(isOtherKey ? { pseudonym_key: keys } : {}),
        ...(reason === undefined ? {} : { reason }),
      };
      const draft = control('policy_changed', changed, now);
      this.append(transaction, actor === undefined ? draft : { ...draft, actor }, now);
    }
    transaction.set(POLICY, digest);
    transaction.set(PSEUDONYM_KEY, key);
  }
}

/** More records than this without a checkpoint, and one is due; or so long after the last, in microseconds. */
const CHECKPOINT_RECORDS = 10_000;
const CHECKPOINT_AFTER = 60_000_000;
/** And without any record. */
const IDLE = 300_000_000;

function isDue(chain: ChainState, now: number): boolean {
  const fresh = chain.size - chain.checkpoint.size;
  return fresh >= CHECKPOINT_RECORDS || (fresh > 0 && isLater(chain, now, CHECKPOINT_AFTER));
}

/** So long after the last checkpoint; or nobody knows how long: the clock was set back, and may have been by days. */
function isLater({ checkpoint: { at } }: ChainState, now: number, by: number): boolean {
  return now < at || now - at >= by;
}

/** Of what it adds to a frame. */
function bytesOf({ payload, contents }: SealedRecord): number {
  return payload.length + sealedBytes(contents);
}

function noContentKeys(): never {
  throw new Error('the policy vaults contents, and the writer was given no content keys');
}

/**
 * The chain before, as last shipped: a healthy one is shipped to its end before anything of its successor; of
 * a stopped one the store has what it had confirmed.
 */
function predecessor(last: ChainState, journal: Journal): { chain_id: string; size: number; head: string } {
  const { shipped } = journal;
  const stopped = last.stopped !== undefined && shipped.chainId === last.chainId;
  return {
    chain_id: last.chainId,
    size: stopped ? shipped.size! : last.size,
    head: stopped ? shipped.head! : last.head,
  };
}
