import { ERASURES, type Erasure } from '../../policy/demands.ts';
import type { PolicyDocument } from '../../policy/document.ts';
import { classOf } from '../../policy/retention.ts';

/** A record that a person asks to have erased, by what decides about it. */
export interface Candidate {
  chainId: string;
  seq: number;
  retentionClass: string;
  domains: readonly string[];
  /** Unix seconds. */
  recordedAt: number;
  expiresAt: number;
}

/** Until when a record stays, whoever asks, and by what: the name of its retention class or of a domain. */
export interface KeptByLaw {
  basis: string;
  /** Unix seconds. */
  until: number;
}

/**
 * Classes whose length a law sets: what it obliges somebody to keep may be refused to whoever asks for erasure (GDPR art.
 * 17(3)(b)), until that is over. A domain's `erasure` says so for any other.
 */
const BY_LAW: { [retentionClass: string]: Erasure } = {
  hipaa: 'after_minimum',
  healthcare: 'after_minimum',
  financial: 'after_minimum',
};

/** The longest of what keeps a record; undefined where nothing does, at `now`, Unix seconds. */
export function keptByLaw(
  document: PolicyDocument,
  candidate: Candidate,
  now: number,
): KeptByLaw | undefined {
  const { retentionClass, domains } = candidate;
  const said: [basis: string, erasure: Erasure][] = [
    [retentionClass, BY_LAW[retentionClass] ?? 'on_request'],
    ...domains.map((name): [string, Erasure] => [name, document.domains[name]?.erasure ?? 'on_request']),
  ];
  const [basis, erasure] = said.reduce((a, b) => (strictness(b) > strictness(a) ? b : a));
  if (erasure === 'on_request') return undefined;
  const until = erasure === 'never' ? candidate.expiresAt : minimumOf(document, candidate);
  return until > now ? { basis, until } : undefined;
}

function strictness([, erasure]: readonly [string, Erasure]): number {
  return ERASURES.indexOf(erasure);
}

/**
 * When its class's days are over, without their grace: whole years by the calendar, as for expiry; never after the record
 * expires.
 */
function minimumOf(document: PolicyDocument, { retentionClass, recordedAt, expiresAt }: Candidate): number {
  const { days } = classOf(document, retentionClass);
  const recorded = new Date(recordedAt * 1_000);
  // A 29th of February becomes a 1st of March where there is none.
  recorded.setUTCFullYear(recorded.getUTCFullYear() + Math.floor(days / 365));
  recorded.setUTCDate(recorded.getUTCDate() + (days % 365));
  return Math.min(expiresAt, Math.ceil(recorded.getTime() / 1_000));
}
