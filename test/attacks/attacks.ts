import type { VerifyOptions } from '../../src/verify/verify.ts';
import type { AttackedLedger } from './attacked-ledger.ts';

export type Told = Omit<VerifyOptions, 'ledgerId' | 'engine'>;

/** What was said, where it was not the verifier that was asked at the end. */
export interface Said {
  said: string[];
}

/** A row of the catalogue of attacks, or one way of doing it. */
export interface Attack {
  row: number;
  title: string;
  /** Does it; may answer `Told`, what the verifier is given beside the ledger and its trust, or `Said`, where no verifier is asked. */
  does: (ledger: AttackedLedger) => Promise<unknown>;
  /** All that is found, exactly: chains by their names, those about the ledger itself as `code :0`. */
  finds: string[];
  /** Changes the tables themselves, which are made anew after it. */
  rebuilds?: true;
  /** Asks the verifier itself: no other can be done with it. */
  asks?: true;
}

/** A row of which nothing is attacked here. */
export interface Unproven {
  row: number;
  title: string;
  /** Nothing can do it, or answer it, yet; a test attacks it that stands elsewhere; no verifier could find it. */
  is: 'not yet' | 'elsewhere' | 'never';
  why: string;
}
