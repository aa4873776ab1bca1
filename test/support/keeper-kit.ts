import { join } from 'node:path';
import type { Anchor } from '../../src/anchor/anchor.ts';
import { LocalSigner, type Signer } from '../../src/chain/signer.ts';
import type { Vkey } from '../../src/chain/vkey.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { ownKeys } from '../../src/keeper/enrolment.ts';
import { Keeper } from '../../src/keeper.ts';
import { Writer } from '../../src/pipeline.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { Retention } from '../../src/retain/retention.ts';
import type { Store } from '../../src/store/client.ts';
import { StoreTarget } from '../../src/store/target.ts';
import { LEDGER_ID, ORIGIN, openJournal, POLICY } from './ledger-kit.ts';

export const LEDGER_SIGNER = new LocalSigner(ORIGIN, Buffer.alloc(32, 3));

interface KeeperSaid {
  journal?: Journal;
  signer?: Signer;
  writers?: readonly Vkey[];
  anchors?: readonly Anchor[];
  clock?: Clock;
  /** A folder for archives. */
  archives?: string;
}

interface Kept {
  keeper: Keeper;
  retention: Retention;
  journal: Journal;
  close(): Promise<void>;
}

/** The keeper of a directory, on a store that is open. */
export async function keeperIn(dir: string, store: Store, said: KeeperSaid = {}): Promise<Kept> {
  const journal = said.journal ?? openJournal(join(dir, 'journal', 'control-00000001'));
  const { signer = LEDGER_SIGNER, clock = systemClock } = said;
  const writer = new Writer({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    clock,
    writer: 'control',
    version: '0',
    origin: ORIGIN,
    control: { vkey: signer.vkey },
  });
  const close = async () => {
    await writer.close();
    await journal.close();
  };
  try {
    const keeper = await Keeper.open({
      writer,
      store,
      target: new StoreTarget(store),
      ledgerId: LEDGER_ID,
      origin: ORIGIN,
      signer,
      clock,
      own: ownKeys(join(dir, 'journal')),
      writers: said.writers ?? [],
      anchors: said.anchors ?? [],
    });
    return {
      keeper,
      retention: new Retention({
        store,
        ledgerId: LEDGER_ID,
        policy: () => POLICY,
        clock,
        anchors: (said.anchors ?? []).map(({ name }) => name),
        lend: (work) => keeper.lend(work),
        archive: said.archives === undefined ? undefined : { path: said.archives, origin: ORIGIN },
        lastRun: { get: () => keeper.retained, set: (at) => keeper.noteRetained(at) },
        every: 86_400,
      }),
      journal,
      close: async () => {
        await keeper.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What control records hold, each some of it. */
export interface Control {
  round: number;
  chains: { chain_id: string; size: number; head: string; root: string; vkey?: string }[];
  all: { count: number; root: string };
  failed: string[];
  note: string;
  status: string;
  role: string;
  vkey: string;
  old: string;
  new: string;
  from: number;
  sig_old: string;
  sig_new: string;
  anchor: string;
  size: number;
  chain_id: string;
}

/** Control records of an action, in order of their chains and places. */
export async function told(store: Store, action: string): Promise<{ id: string; control: Control }[]> {
  const rows = await store.query<{ chain: string; seq: string; payload: string }>(
    'SELECT toString(chain_id) AS chain, seq, payload FROM spanledger.audit_records WHERE action = {action:String} ORDER BY chain_id, seq',
    { action },
  );
  return rows.map(({ chain, seq, payload }) => ({
    id: `${chain}:${seq}`,
    control: (JSON.parse(payload) as AuditRecord).control as unknown as Control,
  }));
}
