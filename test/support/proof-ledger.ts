import { cosign, parseCheckpoint, signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { type Entry, payloadDigest } from '../../src/chain/entry.ts';
import { inclusionProof, rootOf } from '../../src/chain/merkle.ts';
import { signatureLine } from '../../src/chain/note.ts';
import { formatProof, type Placed } from '../../src/chain/proof.ts';
import { type ChainHead, newChain, type SealedRecord, seal } from '../../src/chain/seal.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import { rootOfChains } from '../../src/chain/statements.ts';
import { COSIGNATURE } from '../../src/chain/vkey.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { control } from '../../src/record/control.ts';
import type { RecordDraft } from '../../src/record/record.ts';
import type { Store } from '../../src/store/client.ts';
import { insertRecords } from '../../src/store/records.ts';
import { LEDGER_ID } from './ledger-kit.ts';

/** 2026-03-01T12:00:00Z; a second more with each record. */
const START = Date.UTC(2026, 2, 1, 12) * 1_000;
export const CONTROL = 'c0'.repeat(16);

interface Chain {
  head: ChainHead;
  records: SealedRecord[];
}

export interface FabricatedOptions {
  ledgerId?: string;
  /** Of its checkpoints. */
  origin?: string;
  controlChain?: string;
  /** Of the ledger's key: so many equal bytes. */
  seed?: number;
}

/** A ledger whose keeper works by the book, made in memory: the same calls give the same bytes. */
export class FabricatedLedger {
  readonly ledgerId: string;
  key: LocalSigner;
  readonly witness = new LocalSigner('witness.example/w1', Buffer.alloc(32, 2), COSIGNATURE);
  readonly controlChain: string;
  readonly #chains = new Map<string, Chain>();
  #records = 0;
  #rounds = 0;
  /** Newest: its note, with the signatures it has. */
  note = '';

  constructor({
    ledgerId = LEDGER_ID,
    origin = 'ledger.example/test',
    controlChain = CONTROL,
    seed = 1,
  }: FabricatedOptions = {}) {
    this.ledgerId = ledgerId;
    this.key = new LocalSigner(origin, Buffer.alloc(32, seed));
    this.controlChain = controlChain;
    this.#append(controlChain, this.#control('chain_opened', { role: 'control', vkey: this.key.vkey }));
  }

  /** A policy that asks for the witness, or one public key a line. */
  trust(isWitnessed = false): string {
    const { key, witness } = this;
    return isWitnessed ? `log ${key.vkey}\nwitness w1 ${witness.vkey}\nquorum w1\n` : `${key.vkey}\n`;
  }

  get now(): number {
    return START + this.#records * 1_000_000;
  }

  chain(id: string): readonly SealedRecord[] {
    return this.#chains.get(id)!.records;
  }

  /** Opens the chain at its first record. */
  record(chainId: string, details: { [name: string]: string } = {}): SealedRecord {
    const opened = { role: 'records', writer: 'clinic' };
    if (!this.#chains.has(chainId)) this.#append(chainId, this.#control('chain_opened', opened));
    return this.#append(chainId, {
      ...this.#control('gap', {}),
      action: 'tool_invoked',
      phase: 'outcome',
      actor: { type: 'agent', id: 'triage' },
      retention_class: 'default',
      details,
    });
  }

  /** So many records in all. */
  fill(chainId: string, size: number): void {
    while ((this.#chains.get(chainId)?.records.length ?? 0) < size) this.record(chainId, { café: 'open' });
  }

  /** A checkpoint of the chain's own, by whichever key. */
  ownCheckpoint(chainId: string): SealedRecord {
    const signer = new LocalSigner(`${this.key.name}/${chainId}`, Buffer.alloc(32, 3));
    const { size, tree } = this.#chains.get(chainId)!.head;
    const note = signCheckpointSync({ origin: signer.name, size: BigInt(size), root: rootOf(tree) }, signer);
    return this.#append(chainId, this.#control('checkpoint', { note }));
  }

  /** Lists every chain, as far as it has come. */
  round(): SealedRecord {
    const moved = [...this.#chains].filter(([id]) => id !== this.controlChain).sort();
    const chains = moved.map(([chain_id, { head }]) => ({
      chain_id,
      size: head.size,
      head: head.head,
      root: rootOf(head.tree),
    }));
    const root = rootOfChains(moved.map(([chainId, { head }]) => ({ ...head, chainId })));
    this.#rounds += 1;
    const all = { count: chains.length, root };
    return this.#append(
      this.controlChain,
      this.#control('round', { round: this.#rounds, chains, all, failed: [] }),
    );
  }

  checkpoint(): SealedRecord {
    const { size, tree } = this.#chains.get(this.controlChain)!.head;
    const { key } = this;
    this.note = signCheckpointSync({ origin: key.name, size: BigInt(size), root: rootOf(tree) }, key);
    return this.#append(this.controlChain, this.#control('checkpoint', { note: this.note }));
  }

  /** From now on another key signs: so many equal bytes. */
  rotate(seed: number): void {
    const { name, vkey: old } = this.key;
    const { size: from } = this.#chains.get(this.controlChain)!.head;
    this.key = new LocalSigner(name, Buffer.alloc(32, seed));
    const rotated = { old, new: this.key.vkey, from, sig_old: '', sig_new: '' };
    this.#append(this.controlChain, this.#control('key_rotated', rotated));
  }

  /** The newest checkpoint is seen by the witness, who says so. @param time Unix seconds */
  async cosigned(time: number): Promise<SealedRecord> {
    const { origin, size, root } = parseCheckpoint(this.note);
    const cosignatures = [signatureLine(await cosign(this.note, this.witness, time))];
    this.note += `${cosignatures[0]}\n`;
    const receipt = { anchor: 'w1', kind: 'witness', origin, size: Number(size), root };
    return this.#append(
      this.controlChain,
      this.#control('checkpoint_anchored', { ...receipt, proof: { cosignatures } }),
    );
  }

  /** The proof of a record by the newest round, which a checkpoint covers. */
  proof(chainId: string, seq: number, how: { payload?: boolean } = {}): string {
    const record = this.placed(this.chain(chainId)[seq]!);
    if (how.payload === false) delete record.payload;
    const control = this.chain(this.controlChain);
    const covered = Number(parseCheckpoint(this.note).size);
    const isListed = chainId !== this.controlChain;
    const round = control.findLast(({ payload, seq }) => seq < covered && payload.includes('"all":'))!;
    const index = isListed ? round.seq : seq;
    const size = isListed ? this.#sizeIn(round, chainId) : 0;
    return formatProof({
      record,
      ...(isListed
        ? {
            listed: {
              size: BigInt(size),
              hashes: inclusionProof(seq, hashesOf(this.chain(chainId).slice(0, size))),
              round: { ...this.placed(round), payload: round.payload },
            },
          }
        : {}),
      ledger: {
        index: BigInt(index),
        proof: inclusionProof(index, hashesOf(control.slice(0, covered))),
        checkpoint: this.note,
      },
    });
  }

  /** A record as a proof has it. */
  placed({ chainId, seq, expiresAt, prevHash, payload }: SealedRecord): Placed {
    const { ledgerId } = this;
    const digest = payloadDigest(payload);
    const entry: Entry & { seq: bigint } = {
      ledgerId,
      chainId,
      seq: BigInt(seq),
      expiresAt,
      prevHash,
      payloadDigest: digest,
    };
    return { entry, payload };
  }

  /** Puts it all, or some of its records, where a keeper would have. */
  async storeIn(
    store: Store,
    records = [...this.#chains.values()].flatMap((each) => each.records),
  ): Promise<void> {
    for (const id of new Set(records.map(({ chainId }) => chainId))) {
      const [first, ...rest] = records.filter(({ chainId }) => chainId === id);
      await insertRecords(store, [first!, ...rest], [first!, ...rest], 'once');
    }
  }

  #sizeIn(round: SealedRecord, chainId: string): number {
    const { chains } = (JSON.parse(round.payload) as { control: { chains: ListedLine[] } }).control;
    return chains.find(({ chain_id }) => chain_id === chainId)!.size;
  }

  #control(action: Parameters<typeof control>[0], fields: { [field: string]: unknown }): RecordDraft {
    return control(action, fields, this.now);
  }

  #append(chainId: string, draft: RecordDraft): SealedRecord {
    const chain = this.#chains.get(chainId) ?? { head: newChain(chainId), records: [] };
    this.#chains.set(chainId, chain);
    const { ledgerId, now } = this;
    const salt = String(this.#records++).padStart(22, '0');
    const sealed = seal(draft, chain.head, { ledgerId, policy: BUILTIN_POLICY, now, salt });
    chain.records.push(sealed);
    return sealed;
  }
}

interface ListedLine {
  chain_id: string;
  size: number;
}

function hashesOf(records: readonly SealedRecord[]): string[] {
  return records.map(({ recordHash }) => recordHash);
}
