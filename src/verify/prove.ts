import { checkProof } from '../chain/check-proof.ts';
import { openCheckpoint, withSignatures } from '../chain/checkpoint.ts';
import { type Entry, payloadDigest, recordHash, ZERO_HASH } from '../chain/entry.ts';
import { InclusionBuilder } from '../chain/merkle.ts';
import { parseSignature } from '../chain/note.ts';
import { formatProof, type Listed, type Placed, type Proof } from '../chain/proof.ts';
import type { TlogProof } from '../chain/tlog-proof.ts';
import { quorumMet, type Trust, trustedKeys } from '../chain/trust.ts';
import { parseVkey } from '../chain/vkey.ts';
import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import type { Store } from '../store/client.ts';
import {
  checkpointOver,
  cosignaturesOver,
  openingOf,
  recordHashes,
  rotationsFrom,
  roundsOver,
} from '../store/evidence.ts';
import { recordAt } from '../store/record-at.ts';
import { standingAt } from '../store/records.ts';

export interface ProveOptions {
  ledgerId: string;
  /** Shown in the proof, where it has not gone; else the entry stands for it. */
  payload: boolean;
  /** Whom the reader will believe; undefined where nobody says, and the ledger is taken at its word. */
  trust: Trust | undefined;
}

export interface Proved {
  /** The file's text. */
  proof: string;
  /** Whether it shows the payload. */
  payload: boolean;
}

/**
 * The proof of a record: from it to the first round that lists its chain so far, and from there to a ledger checkpoint:
 * the first that enough witnesses have seen, else the first. Hashes are read by pages, so that a chain of any length
 * takes no more memory. What is answered has been checked as its reader will.
 *
 * @throws SpanledgerError `record_unknown`; `unproven` where no round, checkpoint or quorum covers it yet;
 * `proof_invalid` where what the store holds does not fit together
 */
export async function prove(
  store: Store,
  chainId: string,
  seq: number,
  options: ProveOptions,
): Promise<Proved> {
  const record = await placedAt(store, chainId, seq, options.ledgerId, options.payload);
  const opening = await openingOf(store, chainId);
  if (opening?.role === 'control') {
    const ledger = await ledgerProof(store, record, opening.vkey, options);
    return checked({ record, ledger }, options.trust ?? claimed(opening.vkey));
  }
  const rounds = await roundsOver(store, chainId, seq);
  if (rounds.length === 0) throw await unlisted(store, chainId, seq);
  let refusal: unknown;
  for (const round of rounds) {
    // Anybody with rights on the database may have left a round of their own beside the keeper's.
    try {
      return await proveBy(store, record, round, options);
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
      if (refusal === undefined || error.code === 'unproven') refusal = error;
    }
  }
  throw refusal;
}

async function proveBy(
  store: Store,
  record: Placed,
  { chainId, seq, size }: { chainId: string; seq: number; size: number },
  options: ProveOptions,
): Promise<Proved> {
  const round = await placedAt(store, chainId, seq, options.ledgerId, true);
  const { payload } = round;
  if (payload === undefined) throw broken(`the payload of the round ${chainId}:${seq} is gone`);
  const vkey = (await openingOf(store, chainId))?.vkey ?? '';
  const ledger = await ledgerProof(store, round, vkey, options);
  const hashes = await inclusionOf(store, record, size);
  const listed: Listed = { size: BigInt(size), hashes, round: { ...round, payload } };
  return checked({ record, listed, ledger }, options.trust ?? claimed(vkey));
}

/** A record of a control chain below a checkpoint of the ledger. */
async function ledgerProof(
  store: Store,
  placed: Placed,
  vkey: string,
  { trust = claimed(vkey) }: ProveOptions,
): Promise<TlogProof> {
  const { chainId, seq } = placed.entry;
  const { note, size } = await ledgerCheckpoint(store, chainId, Number(seq) + 1, trust);
  return { index: seq, proof: await inclusionOf(store, placed, size), checkpoint: note };
}

async function ledgerCheckpoint(
  store: Store,
  chain: string,
  size: number,
  trust: Trust,
): Promise<{ note: string; size: number }> {
  const first = await firstCheckpoint(store, chain, size, trust);
  let seen: { note: string; size: number } | undefined;
  for (const witnessed of await cosignaturesOver(store, chain, size)) {
    const signed = await checkpointOver(store, chain, witnessed.size);
    if (signed?.size !== witnessed.size) continue;
    const note = cosigned(signed.note, witnessed.lines);
    const signers = signersOf(note, trust);
    if (signers === undefined) continue;
    seen ??= { note, size: signed.size };
    if (trust.quorum !== undefined && quorumMet(trust, signers)) return { note, size: signed.size };
    if (trust.quorum === undefined) break;
  }
  return seen ?? first;
}

/** The first that a trusted key has signed: a reader may have the ledger's present key alone, or one before it. */
async function firstCheckpoint(
  store: Store,
  chain: string,
  size: number,
  trust: Trust,
): Promise<{ note: string; size: number }> {
  const first = await checkpointOver(store, chain, size);
  if (first === undefined) throw uncovered('no ledger checkpoint covers it yet');
  if (signersOf(first.note, trust) !== undefined) return first;
  for (const rotated of await rotationsFrom(store, chain, size)) {
    const next = await checkpointOver(store, chain, rotated + 1);
    if (next !== undefined && signersOf(next.note, trust) !== undefined) return next;
  }
  return first;
}

/** Undefined where a signature of theirs is bad, or the ledger's is missing. */
function signersOf(note: string, trust: Trust) {
  try {
    return openCheckpoint(note, trustedKeys(trust)).signers.map(({ vkey }) => vkey);
  } catch (error) {
    if (isSpanledgerError(error, 'note_invalid')) return undefined;
    throw error;
  }
}

/** With what witnesses have signed of it; as it was where that is no signature. */
function cosigned(note: string, lines: readonly string[]): string {
  try {
    return withSignatures(note, lines.map(parseSignature));
  } catch (error) {
    if (isSpanledgerError(error, 'note_invalid')) return note;
    throw error;
  }
}

/** Siblings from a record to the root of its chain's first records. */
async function inclusionOf(store: Store, { entry }: Placed, size: number): Promise<readonly string[]> {
  const { chainId } = entry;
  const builder = new InclusionBuilder(Number(entry.seq));
  let next = 0;
  for await (const { seq, hashes } of recordHashes(store, chainId, size)) {
    if (seq !== next) break;
    if (hashes.length > 1) throw broken(`there are several records at ${chainId}:${seq}`);
    builder.append(hashes[0]!);
    next += 1;
  }
  if (next !== size) throw broken(`the record ${chainId}:${next} is missing`);
  return builder.claim().proof;
}

/** A record, or the tombstone of one, which hashes. */
async function placedAt(
  store: Store,
  chainId: string,
  seq: number,
  ledgerId: string,
  withPayload: boolean,
): Promise<Placed> {
  const id = `${chainId}:${seq}`;
  const standing = await standingAt(store, chainId, Math.max(0, seq - 1), seq);
  const [row, ...others] = standing.get(seq) ?? [];
  if (row === undefined)
    throw new SpanledgerError('record_unknown', `there is no record ${id}`, {
      hint: 'an id is CHAIN:SEQ, as timeline and query --json print it',
    });
  const before = seq === 0 ? ZERO_HASH : (standing.get(seq - 1)?.[0]?.recordHash ?? '');
  const { expiresAt } = row;
  const entry: Entry & { seq: bigint } = {
    ledgerId,
    chainId,
    seq: BigInt(seq),
    expiresAt,
    prevHash: before,
    payloadDigest: row.payloadDigest,
  };
  if (others.some((other) => other.recordHash !== row.recordHash))
    throw broken(`there are several records at ${id}`);
  if (recordHash(entry) !== row.recordHash) throw broken(`${id} does not hash to its record_hash`);
  const payload = withPayload ? (await recordAt(store, chainId, seq))?.payload : undefined;
  if (payload === undefined) return { entry };
  if (payloadDigest(payload) !== entry.payloadDigest)
    throw broken(`the payload of ${id} is not the one that hashes`);
  return { entry, payload };
}

/** Never out of this door what its reader would refuse. */
function checked(made: Proof, trust: Trust): Proved {
  const proof = formatProof(made);
  const judged = checkProof(proof, trust);
  if (judged.status === 'proven') return { proof, payload: made.record.payload !== undefined };
  if (judged.step === 'witnesses')
    throw uncovered(
      'no ledger checkpoint that covers it was seen by as many witnesses as the trust file asks',
    );
  throw broken(`what the store holds does not prove it (${judged.step}): ${judged.detail}`);
}

/** The key that a control chain names itself. */
function claimed(vkey: string): Trust {
  return { logs: [{ vkey: parseVkey(vkey) }], witnesses: new Map(), groups: new Map() };
}

async function unlisted(store: Store, chainId: string, seq: number): Promise<SpanledgerError> {
  const own = await checkpointOver(store, chainId, seq + 1);
  return uncovered(
    own === undefined
      ? 'no round lists its chain so far, and no checkpoint of the chain itself covers it either'
      : `its chain's own checkpoint ${chainId}:${own.size} covers it, but no round lists the chain so far`,
  );
}

function uncovered(why: string): SpanledgerError {
  return new SpanledgerError('unproven', `nothing proves it yet: ${why}`, {
    hint: 'make a round and a ledger checkpoint: spanledger checkpoint',
  });
}

function broken(what: string): SpanledgerError {
  return new SpanledgerError('proof_invalid', what, { hint: '`spanledger verify` tells what else is amiss' });
}
