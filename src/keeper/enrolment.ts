import { join } from 'node:path';
import { enrolmentMessage, type Enrolment as Statement, verifyStatement } from '../chain/statements.ts';
import { parseVkey, type Vkey } from '../chain/vkey.ts';
import { isSpanledgerError } from '../errors.ts';
import { listJournals } from '../journal/journal.ts';
import { publicKeyIn } from '../journal/key.ts';
import type { JudgedChain } from '../verify/baseline.ts';
import type { Enrolled } from '../verify/ledger-records.ts';

export interface EnrolmentOptions {
  ledgerId: string;
  /** Public keys of this directory's journals, hex. */
  own: ReadonlySet<string>;
  /** Of whoever may enrol. */
  writers: readonly Vkey[];
  /** What a relay said of a chain, in a chain that is itself ours, or enrolled by a writer. */
  relayed: (chainId: string) => Enrolled | undefined;
  /** No round was made yet: what signs nothing was recorded by a version that had no keys, and is listed as it is found. */
  isFirst: boolean;
}

/** By what right a chain is listed. Each but `relayed` may itself say of others that they were relayed. */
export type Right = 'own' | 'writer' | 'relayed' | 'before';

/** Decides which chains a round lists: nobody is listed for being in the database. */
export class Enrolment {
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** Undefined where nobody has enrolled it. */
  rightOf({ chain_id, vkey: text, enrol }: JudgedChain): Right | undefined {
    const { ledgerId, own, writers, relayed, isFirst } = this.#options;
    const vkey = text === undefined ? undefined : readVkey(text);
    const message = vkey && messageFor({ ledgerId, chainId: chain_id, vkey: vkey.text });
    if (vkey !== undefined && message !== undefined && enrol !== undefined) {
      // Anybody can name a key of ours; only we have it.
      if (own.has(hexOf(vkey.publicKey)) && verifyStatement(message, vkey, enrol)) return 'own';
      if (writers.some((writer) => verifyStatement(message, writer, enrol))) return 'writer';
    }
    const said = relayed(chain_id);
    if (said !== undefined && said.vkey === text) return 'relayed';
    return isFirst && text === undefined ? 'before' : undefined;
  }
}

/** Undefined for what is no key: its chain says it has one, and nobody can check with it. */
function readVkey(text: string): Vkey | undefined {
  return unlessInvalid(() => parseVkey(text));
}

/** Undefined where the chain is called as none can be. */
function messageFor(chain: Statement): Buffer | undefined {
  return unlessInvalid(() => enrolmentMessage(chain));
}

function unlessInvalid<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isSpanledgerError(error)) return undefined;
    throw error;
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The public keys of a directory's journals, hex: of those that are there, and those that were when it was asked before. */
export function ownKeys(journals: string): () => ReadonlySet<string> {
  const known = new Map<string, string>();
  return () => {
    for (const name of listJournals(journals)) {
      const key = known.has(name) ? undefined : publicKeyIn(join(journals, name));
      if (key !== undefined) known.set(name, hexOf(key));
    }
    return new Set(known.values());
  };
}
