import { isSpanledgerError, type SpanledgerError } from '../errors.ts';
import { readCanonical } from '../record/reader.ts';
import type { AuditRecord } from '../record/record.ts';
import type { OpenedCheckpoint } from './checkpoint.ts';
import { payloadDigest, recordHash } from './entry.ts';
import { isHash, verifyInclusion } from './merkle.ts';
import { type Listed, type Placed, type Proof, parseProof } from './proof.ts';
import { openTlogProof } from './tlog-proof.ts';
import { quorumMet, type Trust, trustedKeys } from './trust.ts';

/** Where a proof breaks, from the ledger's key to the record. */
export type Step = 'form' | 'checkpoint' | 'ledger' | 'witnesses' | 'round' | 'chain' | 'payload';

export interface Refused {
  status: 'refused';
  step: Step;
  detail: string;
}

/** What is proven, all of it recomputed. */
export interface Proven {
  status: 'proven';
  /** `<chain_id>:<seq>` */
  id: string;
  ledger_id: string;
  /** Unix seconds: when the payload may go. */
  expires_at: number;
  /** Where the proof shows the payload. */
  record?: AuditRecord;
  /** By which the keeper lists the record's chain; absent for a record of the control chain. */
  round?: { round: number; recorded_at: string; size: number; root: string };
  checkpoint: { origin: string; size: number; root: string };
  /** Trusted witnesses of the checkpoint, and when each saw it, in Unix seconds. */
  cosigned: { name: string; time: number }[];
  /** The ledger's key, which it all rests on. */
  trusted_key: string;
}

/**
 * Goes from a trusted key to the record: each step is recomputed from the one before, and nothing of the file counts
 * that is not.
 *
 * @throws SpanledgerError `proof_unreadable` for what is no proof at all; `key_invalid` for a trust that is ambiguous
 */
export function checkProof(file: string | Uint8Array, trust: Trust): Proven | Refused {
  try {
    return check(parsed(file), trust);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { status: 'refused', step: error.step, detail: error.message };
  }
}

function parsed(file: string | Uint8Array): Proof {
  try {
    return parseProof(file);
  } catch (error) {
    throw refusalOf(error, { proof_invalid: 'form', note_invalid: 'form' });
  }
}

function check(proof: Proof, trust: Trust): Proven {
  const { record, listed } = proof;
  const checkpoint = ledgerCheckpoint(proof, trust);
  const round = listed === undefined ? undefined : roundOf(record, listed);
  const shown = record.payload === undefined ? undefined : recordIn(record);
  const { ledgerId, chainId, seq, expiresAt } = record.entry;
  const { origin, size, root, log, signers } = checkpoint;
  return {
    status: 'proven',
    id: `${chainId}:${seq}`,
    ledger_id: ledgerId,
    expires_at: expiresAt,
    ...(shown === undefined ? {} : { record: shown }),
    ...(round === undefined ? {} : { round }),
    checkpoint: { origin, size: Number(size), root },
    cosigned: signers.flatMap(({ vkey, time }) => (time === undefined ? [] : [{ name: vkey.name, time }])),
    trusted_key: log.text,
  };
}

/** Signed by a trusted key, over the round (else over the record), and seen by enough witnesses. */
function ledgerCheckpoint({ record, listed, ledger }: Proof, trust: Trust): OpenedCheckpoint {
  const { entry } = listed?.round ?? record;
  let opened: OpenedCheckpoint;
  try {
    opened = openTlogProof(ledger, recordHash(entry), trustedKeys(trust));
  } catch (error) {
    throw refusalOf(error, { note_invalid: 'checkpoint', proof_invalid: 'ledger' });
  }
  if (ledger.index !== entry.seq)
    throw new Refusal('ledger', `it proves place ${ledger.index}, and the entry is of ${entry.seq}`);
  const vkeys = opened.signers.map(({ vkey }) => vkey);
  if (!quorumMet(trust, vkeys))
    throw new Refusal('witnesses', 'fewer trusted witnesses have signed the checkpoint than the quorum asks');
  return opened;
}

/** What the round says of the record's chain; the record stands in that tree. */
function roundOf({ entry }: Placed, { size, hashes, round }: Listed): NonNullable<Proven['round']> {
  const content = contentOf(round, 'round') as Partial<AuditRecord> | null;
  if (content?.action !== 'round' || typeof content.recorded_at !== 'string')
    throw new Refusal('round', 'what stands below the checkpoint is no round');
  if (round.entry.ledgerId !== entry.ledgerId)
    throw new Refusal('round', 'it is of another ledger than the record');
  const listing = listingIn(content.control ?? {}, entry.chainId);
  if (BigInt(listing.size) !== size)
    throw new Refusal('chain', `the round lists ${listing.size} records of the chain, and the proof ${size}`);
  const { root } = listing;
  if (!verifyInclusion({ index: entry.seq, size, leaf: recordHash(entry), proof: hashes, root }))
    throw new Refusal('chain', 'its hashes do not lead from the record to the root that the round lists');
  return { round: listing.round, recorded_at: content.recorded_at, size: listing.size, root };
}

function listingIn(control: { [field: string]: unknown }, chainId: string) {
  const { round, chains } = control;
  const lines = (Array.isArray(chains) ? chains : []) as ({ [field: string]: unknown } | null)[];
  const [line, ...more] = lines.filter((each) => each?.chain_id === chainId);
  const { size, root } = line ?? {};
  if (!isCount(round) || !isCount(size) || !isHash(root) || more.length > 0)
    throw new Refusal('round', 'it does not list the chain of the record');
  return { round, size, root };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What of a record everybody relies on is there. */
function recordIn(placed: Placed): AuditRecord {
  const record = contentOf(placed, 'payload') as Partial<AuditRecord> | null;
  const texts = [record?.action, record?.recorded_at, record?.actor?.type, record?.actor?.id];
  if (texts.every((text) => typeof text === 'string')) return record as AuditRecord;
  throw new Refusal('payload', 'the payload is no record');
}

/** The payload, which has the digest that its entry names. */
function contentOf({ entry, payload }: Placed, step: Step): unknown {
  if (payloadDigest(payload!) !== entry.payloadDigest)
    throw new Refusal(step, 'the payload does not have the digest that its entry names');
  const read = readCanonical(payload!);
  if ('value' in read) return read.value;
  throw new Refusal(step, `the payload is not canonical JSON: ${read.problem}`);
}

class Refusal extends Error {
  readonly step: Step;

  constructor(step: Step, message: string) {
    super(message);
    this.step = step;
  }
}

/** Other errors are as they were. */
function refusalOf(error: unknown, steps: { [code: string]: Step }): unknown {
  const step = isSpanledgerError(error) ? steps[error.code] : undefined;
  return step === undefined ? error : new Refusal(step, (error as SpanledgerError).message);
}
