import { hash } from 'node:crypto';
import { parseTrust, type Trust } from '../chain/trust.ts';
import { parseVkey, type Vkey } from '../chain/vkey.ts';

/** Whom a verification believes, and where it has that from. */
export interface TrustFile {
  source: 'given' | 'local';
  /** Of the file's bytes, hex. */
  sha256: string;
  trust: Trust;
}

/** @throws SpanledgerError `trust_invalid` */
export function trustFile(text: string, source: TrustFile['source']): TrustFile {
  return { source, sha256: hash('sha256', text, 'hex'), trust: parseTrust(text) };
}

/** The ledger's keys; a C2SP policy may name witnesses beside them. */
export function ledgerKeys(file: TrustFile | undefined): Vkey[] {
  return file?.trust.logs.map(({ vkey }) => vkey) ?? [];
}

/** Where nobody says whom to trust: what the data says of itself. What is judged by it is not proven. */
export function claimedKey(vkey: string | undefined): Vkey[] {
  try {
    return vkey === undefined ? [] : [parseVkey(vkey)];
  } catch {
    return [];
  }
}
