import type { Anchor, Checkpoint } from '../anchor/anchor.ts';
import { openCheckpoint } from '../chain/checkpoint.ts';
import { rootOf } from '../chain/merkle.ts';
import type { Signer } from '../chain/signer.ts';
import { parseVkey } from '../chain/vkey.ts';
import type { Clock } from '../clock.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { ChainState } from '../journal/journal.ts';
import type { Writer } from '../pipeline.ts';
import { controlChains } from '../store/chains.ts';
import type { Store } from '../store/client.ts';
import { headOf } from '../store/records.ts';
import { LEDGER_CHECKPOINT } from './publishing.ts';

/** Control chains of this journal, the present one last. */
const LINE = 'state|line';

export interface StandingOptions {
  writer: Writer;
  store: Store;
  origin: string;
  signer: Signer;
  clock: Clock;
  anchors: readonly Anchor[];
}

/** A keeper writes far more often, in seconds: one that has been silent for longer is none any more. */
const SILENT_SECONDS = 15 * 60;

/**
 * The comparison at start: the control chain in the journal against that in the store, and against the newest checkpoint
 * that an anchor has. Where one of the two knows more, this journal is an older copy of itself, and what it would sign now
 * was signed otherwise before. It is refused, and never healed. (A store that has lost what the journal still has is
 * `ship`'s to restore, or to tell of.)
 *
 * @throws SpanledgerError `keeper_conflict`, `keeper_lost`
 */
export async function refuseOtherKeepers(options: StandingOptions): Promise<void> {
  const { writer, store, signer, clock } = options;
  const { chain } = writer.journal;
  const line = lineOf(writer);
  const others = (await controlChains(store)).filter(({ chain_id }) => !line.includes(chain_id));
  if (chain === undefined) {
    const mine = others.find(({ vkey }) => vkey === signer.vkey);
    if (mine !== undefined) throw lost(`the journal of the control chain ${mine.chain_id} is gone`);
    if (others.length > 0) throw conflict(others[0]!.chain_id);
  } else {
    const { size, head } = await headOf(store, chain.chainId);
    if (size > chain.size || (size === chain.size && head !== chain.head))
      throw lost(
        `the store has ${size} records of the control chain ${chain.chainId}, and its journal ${chain.size}`,
      );
    // One that is over and done is for the verifier to judge; whoever may write in the database could have made it.
    const alive = others.find(({ last }) => clock() / 1e6 - last < SILENT_SECONDS);
    if (alive !== undefined) throw conflict(alive.chain_id);
  }
  await compareAnchors(options, chain);
}

/** After the chain is open: what came before it in this journal is no other keeper's. */
export function noteLine({ journal }: Writer): void {
  const id = journal.chain!.chainId;
  const line = (journal.get(LINE) ?? []) as string[];
  if (!line.includes(id)) journal.transact((transaction) => transaction.set(LINE, [...line, id]));
}

/** Ids of the chains of this journal's line, the present one last. */
export function lineOf({ journal }: Writer): string[] {
  const line = (journal.get(LINE) ?? []) as string[];
  const { chain } = journal;
  return chain === undefined || line.includes(chain.chainId) ? line : [...line, chain.chainId];
}

/** An anchor that does not answer keeps no keeper from its work: the verifier asks it too. */
async function compareAnchors(
  { writer, origin, signer, anchors }: StandingOptions,
  chain: ChainState | undefined,
): Promise<void> {
  const last = writer.journal.get(LEDGER_CHECKPOINT) as Checkpoint | undefined;
  const keys = [parseVkey(signer.vkey)];
  for (const anchor of anchors) {
    try {
      for (const { note } of await anchor.list({ origin, from: last?.size ?? 0 })) {
        const anchored = note === undefined ? undefined : opened(note, keys);
        if (anchored === undefined) continue;
        const size = Number(anchored.size);
        const known = size === last?.size ? last.root : size === chain?.size ? rootOf(chain.tree) : undefined;
        if (size > (chain?.size ?? 0))
          throw lost(
            `the anchor ${anchor.name} has a checkpoint of ${size} records, and this journal ${chain?.size ?? 0}`,
          );
        if (known !== undefined && known !== anchored.root)
          throw lost(`the anchor ${anchor.name} has another checkpoint of ${size} records than this journal`);
      }
    } catch (error) {
      if (!isSpanledgerError(error) || error.code === 'keeper_lost') throw error;
    }
  }
}

/** Undefined for what this ledger's key has not signed: anybody may put anything there. */
function opened(note: string, keys: Parameters<typeof openCheckpoint>[1]) {
  try {
    return openCheckpoint(note, keys);
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}

function conflict(chainId: string): SpanledgerError {
  return new SpanledgerError(
    'keeper_conflict',
    `another keeper writes the control chain ${chainId} of this ledger`,
    {
      hint: 'a ledger has one keeper: set keeper.enabled: false here; or, if this one is to go on in place of the other, stop that and bring its <dir>/keys/ledger and <dir>/journal/control-* here',
    },
  );
}

function lost(what: string): SpanledgerError {
  return new SpanledgerError(
    'keeper_lost',
    `${what}: nothing is signed that may have been signed otherwise before`,
    {
      hint: 'put <dir>/journal/control-* back as it was last, from the disk it was on; an older copy is refused as this is. Until then records are taken as ever, and no round is made. If it is lost for good, leave this directory and database as they are, for whoever verifies them, and record to a new ledger from now on: spanledger init --dir ANOTHER, with a database of its own',
    },
  );
}

/** The journal's chain is under another key than the one given. */
export function otherKey(journal: string, given: string): SpanledgerError {
  return new SpanledgerError(
    'key_invalid',
    `the control chain is signed by ${journal}, and the key given is ${given}`,
    {
      hint: 'give the key that it names; another one takes its place by `spanledger keys rotate` alone',
    },
  );
}
