import { isSpanledgerError, SpanledgerError } from '../errors.ts';
import { canonicalJson } from '../record/canonical.ts';
import { readCanonical } from '../record/reader.ts';
import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts';
import { isHash } from './merkle.ts';
import { parseNote, signedNote, verifyNote } from './note.ts';
import type { Signer } from './signer.ts';
import { type Trust, trustedKeys } from './trust.ts';
import { ED25519, parseVkey } from './vkey.ts';

/**
 * That records were destroyed, for whoever asked for it: a note signed by the ledger's key. It names them by their places
 * and hashes, and nobody by anything else.
 */
export interface Certificate {
  v: 1;
  ledger_id: string;
  /** Of the ledger, whose key signs it. */
  origin: string;
  request_id: string;
  /** RFC 3339. */
  requested_at: string;
  issued_at: string;
  /** Which of how many, from 1. */
  part: number;
  parts: number;
  erased: {
    /** The id of the `records_erased` that says so in the ledger, and when that was recorded. */
    by: string;
    at: string;
    records: { id: string; record_hash: string }[];
    /** Data keys that were destroyed with them, hex. */
    keys: string[];
  }[];
  /** A checkpoint of the ledger that covers each `by`, whole. */
  checkpoint: string;
}

export const CERTIFICATE_HEAD = 'spanledger/certificate/v1\n';
/** A note is at most a million bytes. */
export const MAX_CERTIFIED = 4_000;

/** @throws SpanledgerError `key_invalid`, `key_unavailable` */
export async function signCertificate(certificate: Certificate, signer: Signer): Promise<string> {
  const text = `${CERTIFICATE_HEAD}${canonicalJson(certificate)}\n`;
  const { name, id } = parseVkey(signer.vkey);
  return signedNote(text, [{ name, keyId: id, blob: await signer.sign(Buffer.from(text)) }]);
}

export type CheckedCertificate =
  | {
      status: 'proven';
      certificate: Certificate;
      records: number;
      checkpoint: { origin: string; size: number; root: string };
      trusted_key: string;
    }
  | { status: 'refused'; step: 'form' | 'signature' | 'checkpoint'; detail: string };

/** Without the ledger: by its public key alone. */
export function checkCertificate(file: string | Uint8Array, trust: Trust): CheckedCertificate {
  const refused = (step: 'form' | 'signature' | 'checkpoint', error: unknown): CheckedCertificate => {
    if (!isSpanledgerError(error)) throw error;
    return { status: 'refused', step, detail: error.message };
  };
  let certificate: Certificate;
  let note: ReturnType<typeof parseNote>;
  try {
    note = parseNote(file);
    certificate = certificateIn(note.text);
  } catch (error) {
    return refused('form', error);
  }
  let key: string;
  try {
    const signer = verifyNote(note, trustedKeys(trust)).find(
      ({ vkey }) => vkey.type === ED25519 && vkey.name === certificate.origin,
    );
    if (signer === undefined)
      throw invalid(`no trusted key of ${JSON.stringify(certificate.origin)} signed it`);
    key = signer.vkey.text;
  } catch (error) {
    return refused('signature', error);
  }
  let checkpoint: OpenedCheckpoint;
  try {
    checkpoint = openCheckpoint(certificate.checkpoint, trustedKeys(trust));
    refuseUncovered(certificate, checkpoint);
  } catch (error) {
    return refused('checkpoint', error);
  }
  const { origin, size, root } = checkpoint;
  return {
    status: 'proven',
    certificate,
    records: certificate.erased.reduce((sum, { records }) => sum + records.length, 0),
    checkpoint: { origin, size: Number(size), root },
    trusted_key: key,
  };
}

function refuseUncovered({ origin, erased }: Certificate, checkpoint: OpenedCheckpoint): void {
  if (checkpoint.origin !== origin) throw invalid('its checkpoint is of another ledger');
  const chains = new Set(erased.map(({ by }) => by.slice(0, by.lastIndexOf(':'))));
  if (chains.size > 1) throw invalid('its checkpoint is of one chain, and what it names of several');
  for (const { by } of erased)
    if (BigInt(by.slice(by.lastIndexOf(':') + 1)) >= checkpoint.size)
      throw invalid(`its checkpoint does not cover ${by}`);
}

const ID = /^[a-z0-9][a-z0-9._-]{0,127}:(0|[1-9]\d{0,15})$/;
const KEY = /^[0-9a-f]{32}$/;

function certificateIn(text: string): Certificate {
  if (!text.startsWith(CERTIFICATE_HEAD))
    throw invalid('it does not begin as a certificate of version 1 does');
  const read = readCanonical(text.slice(CERTIFICATE_HEAD.length, -1));
  if ('problem' in read) throw invalid(`its JSON is ${read.problem}`);
  const certificate = Object(read.value) as Certificate;
  const { v, ledger_id, origin, request_id, requested_at, issued_at, part, parts, erased } = certificate;
  const texts = [ledger_id, origin, request_id, requested_at, issued_at, certificate.checkpoint];
  const isSound =
    v === 1 &&
    texts.every((each) => typeof each === 'string') &&
    [part, parts].every((each) => Number.isSafeInteger(each) && each >= 1) &&
    part <= parts &&
    Array.isArray(erased) &&
    erased.length > 0 &&
    erased.every(isErased);
  if (!isSound) throw invalid('a field of it is missing or is none');
  const ids = erased.flatMap(({ records }) => records.map(({ id }) => id));
  if (new Set(ids).size !== ids.length) throw invalid('it names a record twice');
  return certificate;
}

function isErased(value: unknown): boolean {
  const { by, at, records, keys } = Object(value) as Certificate['erased'][number];
  return (
    ID.test(String(by)) &&
    typeof at === 'string' &&
    Array.isArray(records) &&
    records.every((each: unknown) => {
      const { id, record_hash } = Object(each) as { id: unknown; record_hash: unknown };
      return typeof id === 'string' && ID.test(id) && isHash(record_hash);
    }) &&
    Array.isArray(keys) &&
    keys.every((each: unknown) => typeof each === 'string' && KEY.test(each))
  );
}

function invalid(what: string): SpanledgerError {
  return new SpanledgerError('proof_invalid', `not a certificate to rely on: ${what}`);
}
