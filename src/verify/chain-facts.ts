import { rootOf } from '../chain/merkle.ts';
import type { Vkey } from '../chain/vkey.ts';
import type { JudgedChain, KnownChain } from './baseline.ts';
import { writerKey } from './checkpoints.ts';
import type { Enrolled, Opened } from './ledger-records.ts';
import { Walk } from './walk.ts';

/** What is known of a chain while it is read, and afterwards. */
export class ChainFacts {
  readonly id: string;
  readonly walk: Walk;
  /** Of its sound `chain_opened`, now or when it was verified before. */
  opened: Opened | undefined;
  /** What it says of chains that a relay took. */
  readonly enrolled: Enrolled[] = [];
  /** The key of its checkpoints, where its `chain_opened` names one for this chain. */
  key: Vkey | undefined;
  /** Its size with its `chain_closed`, if it has one. */
  closedAt: bigint | undefined;
  /** `recorded_at` of its first record and of its last. */
  openedAt: string | undefined;
  recordedAt: string | undefined;
  /** Where its first checkpoint of this verification stands. */
  firstNote: bigint | undefined;
  /** Size of its newest good checkpoint. */
  checkpoint: number | undefined;
  /** A record of it is false: a root that differs says nothing more. */
  isTainted = false;
  /** Places of checkpoints that are none. */
  readonly badNotes = new Set<bigint>();
  /** What was told of its checkpoints: of a kind only the first. */
  readonly told = new Set<string>();
  /** As the newest round lists it; 0 where none does. */
  listedSize = 0;
  /** When the first record was recorded that no checkpoint covers, or that the last round does not. */
  sinceNote: string | undefined;
  sinceListing: string | undefined;

  constructor(id: string, known?: KnownChain) {
    this.id = id;
    this.walk = new Walk(id, known);
    if (known === undefined) return;
    const { role = 'records', vkey, closed, size } = known;
    this.opened = { role, ...(vkey === undefined ? {} : { vkey }) };
    this.key = vkey === undefined ? undefined : writerKey(vkey, id);
    if (closed === true) this.closedAt = BigInt(size);
    this.openedAt = known.opened_at;
    this.recordedAt = known.recorded_at;
    this.checkpoint = known.checkpoint;
  }

  /** Nothing follows its end. */
  get isClosed(): boolean {
    return this.closedAt === this.walk.size;
  }

  /** Over all before the place `seq`, where it can be told and has not been told to be another already. */
  rootBefore(seq: bigint): string | undefined {
    return this.isTainted || this.walk.size !== seq ? undefined : this.walk.root;
  }

  /** Undefined for a chain with a hole: nobody goes on from there. */
  judged(status: 'valid' | 'tampered'): JudgedChain | undefined {
    const { frontier, head } = this.walk;
    if (frontier === undefined) return undefined;
    const { opened, enrolled, openedAt, recordedAt, checkpoint } = this;
    return {
      chain_id: this.id,
      size: frontier.size,
      head,
      root: rootOf(frontier),
      frontier,
      status,
      ...(this.isClosed ? { closed: true } : {}),
      ...opened,
      ...(enrolled.length === 0 ? {} : { enrolled }),
      ...(openedAt === undefined ? {} : { opened_at: openedAt }),
      ...(recordedAt === undefined ? {} : { recorded_at: recordedAt }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    };
  }
}
