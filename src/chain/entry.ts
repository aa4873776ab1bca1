import { hash } from 'node:crypto';

/** The previous hash of a chain's first entry. */
export const ZERO_HASH = '0'.repeat(64);

/** What binds a payload to its place. The payload can go; the entry still proves what was there. */
export interface Entry {
  ledgerId: string;
  chainId: string;
  seq: number | bigint;
  /** Unix seconds. */
  expiresAt: number;
  /** 64 lower-case hex digits: the record hash of seq - 1, or zeros for seq 0. */
  prevHash: string;
  /** 64 lower-case hex digits: SHA-256 of the payload. */
  payloadDigest: string;
}

/** Seven lines; no field can hold a line feed, so no byte can move from one to the next. */
export function entryText(entry: Entry): string {
  const { ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest } = entry;
  return `spanledger/entry/v1\n${ledgerId}\n${chainId}\n${seq}\n${expiresAt}\n${prevHash}\n${payloadDigest}\n`;
}

/**
 * SHA-256(0x00 ‖ entry), hex: at once the link of the hash chain and the RFC 6962 section 2.1 leaf hash of the
 * entry, so that one hash serves the chain and the Merkle tree.
 */
export function recordHash(entry: Entry): string {
  return hash('sha256', `\0${entryText(entry)}`, 'hex');
}

/** SHA-256 of a payload, hex. */
export function payloadDigest(payload: string | Uint8Array): string {
  return hash('sha256', payload, 'hex');
}
