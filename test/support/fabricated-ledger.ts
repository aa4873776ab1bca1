import { AllChains } from '../../src/chain/all-chains.ts';
import { signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { appendLeaf, emptyFrontier, type Frontier, rootOf } from '../../src/chain/merkle.ts';
import { newChain, type SealedRecord, seal } from '../../src/chain/seal.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { rotationMessage, signStatementSync } from '../../src/chain/statements.ts';
import { control } from '../../src/record/control.ts';
import type { ControlAction, RecordDraft } from '../../src/record/record.ts';
import { LEDGER_ID, POLICY } from './ledger-kit.ts';
import type { RawRow } from './tampered-ledger.ts';

export const ORIGIN = `spanledger.local/${LEDGER_ID}`;
/** 2026-03-01T12:00:00Z, in Unix seconds. */
export const START = 1_772_366_400;

export function signerOf(name: string, seed: number): LocalSigner {
  return new LocalSigner(name, Buffer.alloc(32, seed));
}

/** A chain made by hand, as a writer or a keeper would, or as somebody who holds its keys. Times in Unix seconds. */
export class FabricatedChain {
  readonly id: string;
  readonly records: SealedRecord[] = [];
  tree: Frontier = emptyFrontier();
  signer: LocalSigner;
  readonly #head;

  constructor(id: string, signer = signerOf(`${ORIGIN}/${id}`, 1)) {
    this.id = id;
    this.signer = signer;
    this.#head = newChain(id);
  }

  get size(): number {
    return this.records.length;
  }

  get head(): string {
    return this.records.at(-1)!.recordHash;
  }

  /** Appends a record of the ledger about itself. */
  add(
    action: ControlAction,
    fields: { [field: string]: unknown },
    at: number,
    more: Partial<RecordDraft> = {},
  ): this {
    const context = { ledgerId: LEDGER_ID, policy: POLICY.document, now: at * 1e6, salt: 'A'.repeat(22) };
    this.records.push(seal({ ...control(action, fields, at * 1e6), ...more }, this.#head, context));
    this.tree = appendLeaf(this.tree, this.head);
    return this;
  }

  open(at = START, more: { [field: string]: unknown } = {}): this {
    return this.add('chain_opened', { role: 'records', writer: 'test', vkey: this.signer.vkey, ...more }, at);
  }

  /** Records of no special kind. */
  fill(records: number, at: number): this {
    for (let i = 0; i < records; i++) this.add('gap', { n: i }, at);
    return this;
  }

  note(origin = this.signer.name): string {
    return signCheckpointSync({ origin, size: BigInt(this.size), root: rootOf(this.tree) }, this.signer);
  }

  checkpoint(at: number, note = this.note()): this {
    return this.add('checkpoint', { note }, at);
  }

  close(at: number): this {
    return this.add('chain_closed', { note: this.note() }, at);
  }

  get rows(): RawRow[] {
    return this.records.map((record) => ({ ...record, seq: BigInt(record.seq) }));
  }
}

/** The keeper's chain. */
export class FabricatedLine extends FabricatedChain {
  readonly #all = new AllChains();
  readonly #listed = new Map<string, number>();
  #rounds = 0;

  constructor(id = 'control', seed = 9) {
    super(id, signerOf(ORIGIN, seed));
  }

  override open(at = START, more: { [field: string]: unknown } = {}): this {
    return super.open(at, { role: 'control', ...more });
  }

  /** Of those chains as they are now, and a ledger checkpoint over it. */
  round(
    chains: readonly FabricatedChain[],
    at: number,
    change: (round: Round) => Round = (round) => round,
  ): this {
    const moved = chains.filter(({ id, size }) => this.#listed.get(id) !== size);
    const listings = moved
      .map((chain) => {
        const { id: chain_id, size, head, tree, signer } = chain;
        this.#all.set({ chain_id, size, head });
        const vkey = this.#listed.has(chain_id) ? {} : { vkey: signer.vkey };
        this.#listed.set(chain_id, size);
        return { chain_id, size, head, root: rootOf(tree), ...vkey };
      })
      .sort((a, b) => (a.chain_id < b.chain_id ? -1 : 1));
    const all = { count: this.#all.count, root: this.#all.root() };
    return this.add('round', change({ round: this.#rounds++, chains: listings, all, failed: [] }), at);
  }

  rotate(seed: number, at: number, change: (control: Rotated) => Rotated = (control) => control): this {
    const next = signerOf(ORIGIN, seed);
    const rotation = { old: this.signer.vkey, new: next.vkey, from: this.size };
    const message = rotationMessage({ ...rotation, ledgerId: LEDGER_ID, chainId: this.id });
    const [sig_old, sig_new] = [signStatementSync(message, this.signer), signStatementSync(message, next)];
    this.add('key_rotated', change({ ...rotation, sig_old, sig_new }), at);
    this.signer = next;
    return this;
  }
}

export interface Round {
  round: number;
  chains: { chain_id: string; size: number; head: string; root: string; vkey?: string }[];
  all: { count: number; root: string };
  failed: string[];
  [field: string]: unknown;
}

interface Rotated {
  old: string;
  new: string;
  from: number;
  sig_old: string;
  sig_new: string;
  [field: string]: unknown;
}
