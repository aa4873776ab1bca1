import { hash } from 'node:crypto';
import { SpanledgerError } from '../errors.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { isHash, rootOfLeaves } from './merkle.ts';
import { type LocalSigner, type Signer, verifyEd25519 } from './signer.ts';
import { ED25519, parseVkey, type Vkey } from './vkey.ts';

/** What is signed beside checkpoints. Each begins with its kind, so that none can be taken for another. */

const LEDGER_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CHAIN_ID = /^[a-z0-9][a-z0-9._-]{0,127}$/;

export interface Enrolment {
  ledgerId: string;
  chainId: string;
  /** The key that will sign the chain's checkpoints. */
  vkey: string;
}

/** That a chain is one of the ledger's. @throws SpanledgerError `key_invalid` for a field that cannot be one */
export function enrolmentMessage({ ledgerId, chainId, vkey }: Enrolment): Buffer {
  checkPlace(ledgerId, chainId);
  return Buffer.from(`spanledger/enrol/v1\n${ledgerId}\n${chainId}\n${logKey(vkey).text}\n`);
}

export interface Rotation {
  ledgerId: string;
  chainId: string;
  old: string;
  new: string;
  /** The old key signs sizes up to it, the new one those above. */
  from: number | bigint;
}

/**
 * That one key follows another; both sign it.
 *
 * @throws SpanledgerError `key_invalid` for a field that cannot be one, or keys that are one or of two names
 */
export function rotationMessage(rotation: Rotation): Buffer {
  const { ledgerId, chainId, from } = rotation;
  checkPlace(ledgerId, chainId);
  const [before, after] = [logKey(rotation.old), logKey(rotation.new)];
  if (before.name !== after.name) throw invalid('a key is followed by one of another name');
  if (Buffer.compare(before.publicKey, after.publicKey) === 0) throw invalid('a key is followed by itself');
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(String(from)))
    throw invalid('a key is followed from a size that is none');
  return Buffer.from(
    `spanledger/rotation/v1\n${ledgerId}\n${chainId}\n${before.text}\n${after.text}\n${from}\n`,
  );
}

function checkPlace(ledgerId: string, chainId: string): void {
  if (!LEDGER_ID.test(ledgerId)) throw invalid('the id of a ledger is not a lower-case UUID');
  if (!CHAIN_ID.test(chainId))
    throw invalid('the id of a chain is not of a-z, 0-9, dot, hyphen and underscore');
}

function logKey(text: string): Vkey {
  const vkey = parseVkey(text);
  if (vkey.type !== ED25519) throw invalid(`the key of ${vkey.name} is a witness's`);
  return vkey;
}

/** The signature, base64. */
export async function signStatement(message: Uint8Array, signer: Signer): Promise<string> {
  return base64Of(await signer.sign(message));
}

/** As `signStatement`, where nothing may come between. */
export function signStatementSync(message: Uint8Array, signer: LocalSigner): string {
  return base64Of(signer.signSync(message));
}

/** Whether the signature, base64, is that key's. Never throws. */
export function verifyStatement(message: Uint8Array, vkey: Vkey, signature: string): boolean {
  const bytes = bytesOfBase64(signature);
  return vkey.type === ED25519 && bytes !== undefined && verifyEd25519(vkey.publicKey, message, bytes);
}

/** Whether both keys have signed. Never throws. */
export function verifyRotation(rotation: Rotation, sigOld: string, sigNew: string): boolean {
  try {
    const message = rotationMessage(rotation);
    return (
      verifyStatement(message, logKey(rotation.old), sigOld) &&
      verifyStatement(message, logKey(rotation.new), sigNew)
    );
  } catch (error) {
    if (error instanceof SpanledgerError) return false;
    throw error;
  }
}

/** Where a chain stood in a round. */
export interface ListedChain {
  chainId: string;
  size: number | bigint;
  /** The hash of its last record. */
  head: string;
}

/**
 * `all.root` of a round: the Merkle root over one line a chain, sorted by their bytes.
 *
 * @throws SpanledgerError `proof_invalid` for a line that cannot be one, or a chain listed twice
 */
export function rootOfChains(chains: readonly ListedChain[]): string {
  const seen = new Set<string>();
  const lines = chains.map(({ chainId, size, head }) => {
    const good = CHAIN_ID.test(chainId) && /^(?:0|[1-9][0-9]{0,18})$/.test(String(size)) && isHash(head);
    if (!good || seen.has(chainId))
      throw new SpanledgerError(
        'proof_invalid',
        `a round lists the chain ${JSON.stringify(chainId)} wrongly, or twice`,
      );
    seen.add(chainId);
    return `${chainId} ${size} ${head}\n`;
  });
  // They are ASCII: the order of their code units is that of their bytes.
  return rootOfLeaves(lines.sort().map((line) => hash('sha256', `\0${line}`, 'hex')));
}

function invalid(what: string): SpanledgerError {
  return new SpanledgerError('key_invalid', `not a statement about keys: ${what}`);
}
