import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { decodeFrontier, encodeFrontier, isHash } from '../chain/merkle.ts';
import { replaceFile } from '../config/durable.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { JudgedChain, KnownChain } from './baseline.ts';
import type { JudgedLine } from './line.ts';
import type { JudgedRounds, Listed } from './rounds.ts';

/** A ledger checkpoint that was good. */
export interface KnownCheckpoint {
  size: number;
  root: string;
  note: string;
  /** Size of the newest that the trust file's witnesses have cosigned, as many as it asks. */
  cosigned?: number;
}

/** What a verifier remembers of a ledger from one run to the next: the ledger cannot go back behind it unseen. */
export interface VerifierState {
  ledgerId: string;
  trustSha256: string | null;
  origins: Map<string, KnownCheckpoint>;
  chains: Map<string, KnownChain>;
  listed: Map<string, Listed>;
  /** The number of the last round; -1 before the first. */
  lastRound: number;
  /** When it was made, as its record says. */
  lastRoundAt?: string;
}

export interface StateFile {
  /** Of the file's bytes, hex. */
  sha256: string;
  state: VerifierState;
}

/**
 * Undefined where there is no such file.
 *
 * @throws SpanledgerError `state_invalid` for one of another ledger or version, or that no verifier has written
 */
export function readState(path: string, ledgerId: string): StateFile | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw refused(path, messageOf(error));
  }
  return { sha256: hash('sha256', text, 'hex'), state: parseState(text, path, ledgerId) };
}

function parseState(text: string, path: string, ledgerId: string): VerifierState {
  let raw: RawState;
  try {
    raw = JSON.parse(text) as RawState;
  } catch (error) {
    throw refused(path, messageOf(error));
  }
  if (raw?.v !== 1) throw refused(path, 'it is not of version 1');
  if (raw.ledger_id !== ledgerId)
    throw refused(path, `it is of the ledger ${String(raw.ledger_id)}, not of ${ledgerId}`);
  const state: VerifierState = {
    ledgerId,
    trustSha256: raw.trust_sha256,
    origins: new Map(Object.entries(raw.origins ?? {})),
    chains: new Map(),
    listed: new Map(Object.entries(raw.listed ?? {})),
    lastRound: raw.rounds?.last ?? Number.NaN,
    ...(raw.rounds?.at === undefined ? {} : { lastRoundAt: raw.rounds.at }),
  };
  for (const [id, { frontier, ...chain }] of Object.entries(raw.chains ?? {})) {
    try {
      state.chains.set(id, { ...chain, frontier: decodeFrontier(frontier) });
    } catch (error) {
      throw refused(path, `chain ${id}: ${messageOf(error)}`);
    }
  }
  const sized = [...state.origins.values(), ...state.chains.values(), ...state.listed.values()];
  const sound =
    sized.every(({ size }) => Number.isSafeInteger(size) && size > 0) &&
    [...state.chains.values(), ...state.listed.values()].every(({ head }) => isHash(head)) &&
    [...state.chains.values()].every(({ size, frontier }) => frontier.size === size) &&
    [...state.origins.values()].every(
      ({ root, note, cosigned = 0 }) =>
        isHash(root) && typeof note === 'string' && Number.isSafeInteger(cosigned),
    ) &&
    (state.trustSha256 === null || isHash(state.trustSha256)) &&
    Number.isSafeInteger(state.lastRound);
  if (!sound) throw refused(path, 'it is not as a verifier writes it');
  return state;
}

interface RawState {
  v: unknown;
  ledger_id: unknown;
  trust_sha256: string | null;
  origins: { [origin: string]: KnownCheckpoint };
  chains: { [id: string]: Omit<KnownChain, 'frontier'> & { frontier: string } };
  listed: { [id: string]: Listed };
  rounds: { last: number; at?: string };
}

/** What is known after a verification that found nothing: what it read, over what was known before. */
export function nextState(
  ledgerId: string,
  before: VerifierState | undefined,
  read: readonly JudgedChain[],
  {
    rounds,
    line,
    cosigned,
  }: { rounds: JudgedRounds | undefined; line: JudgedLine | undefined; cosigned: number | undefined },
  trustSha256: string | null,
): VerifierState {
  const chains = new Map(before?.chains);
  for (const { chain_id, root, status, enrol, enrolled, ...known } of read) {
    const checkpoint = line?.covered.get(chain_id);
    chains.set(chain_id, checkpoint === undefined ? known : { ...known, checkpoint });
  }
  const origins = new Map(before?.origins);
  if (line?.newest !== undefined) {
    const { origin, size, root, note } = line.newest;
    origins.set(origin, { size, root, note, ...(cosigned === undefined ? {} : { cosigned }) });
  }
  const listed = new Map(before?.listed);
  for (const [id, { size, head, vkey }] of rounds?.latest ?? [])
    listed.set(id, { size, head, ...(vkey === undefined ? {} : { vkey }) });
  return {
    ledgerId,
    trustSha256: trustSha256 ?? before?.trustSha256 ?? null,
    origins,
    chains,
    listed,
    lastRound: rounds?.last ?? before?.lastRound ?? -1,
    ...(rounds?.lastAt === undefined ? {} : { lastRoundAt: rounds.lastAt }),
  };
}

/** Whole or not at all, for its owner only. Durable when it returns. */
export function writeState(path: string, state: VerifierState): void {
  const { ledgerId, trustSha256, origins, chains, listed, lastRound, lastRoundAt } = state;
  const raw: RawState = {
    v: 1,
    ledger_id: ledgerId,
    trust_sha256: trustSha256,
    origins: Object.fromEntries(origins),
    chains: Object.fromEntries(
      [...chains].map(([id, chain]) => [id, { ...chain, frontier: encodeFrontier(chain.frontier) }]),
    ),
    listed: Object.fromEntries(listed),
    rounds: { last: lastRound, ...(lastRoundAt === undefined ? {} : { at: lastRoundAt }) },
  };
  replaceFile(path, `${JSON.stringify(raw)}\n`);
}

function refused(path: string, why: string): SpanledgerError {
  return new SpanledgerError('state_invalid', `${path} is not this ledger's state of a verifier: ${why}`, {
    hint: 'name another file with --state; or remove it, and what was known of the ledger with it',
  });
}
