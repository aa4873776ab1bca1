import { readFileSync, statSync } from 'node:fs';
import { CERTIFICATE_HEAD, type CheckedCertificate, checkCertificate } from '../chain/certificate.ts';
import { checkProof, type Proven } from '../chain/check-proof.ts';
import { MAX_PROOF_BYTES } from '../chain/proof.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { directoryOf, type LedgerOptions } from './ledger.ts';
import { ink, inked, type Output, type Text } from './output.ts';
import { trustIn } from './trust.ts';

export interface CheckProofOptions extends LedgerOptions {
  trust?: string;
}

/** 0 proven, 1 refused. It opens no store: a proof and a public key are all there is. */
export async function checkProofCommand(
  file: string,
  options: CheckProofOptions,
  out: Output,
): Promise<number> {
  const trusted = trustIn(directoryOf(options), options.trust);
  if (trusted === undefined)
    throw new SpanledgerError('usage_invalid', 'there is no trust file: nobody says whose word counts', {
      hint: "give --trust a file with the ledger's public key, as the ledger's owner publishes it",
    });
  const { trust, source, sha256 } = trusted;
  const bytes = read(file);
  const judged = isCertificate(bytes) ? checkCertificate(bytes, trust) : checkProof(bytes, trust);
  out.document({ ...judged, trust: source, trust_sha256: sha256 });
  for (const line of linesOf(judged)) out.line(line);
  return judged.status === 'proven' ? 0 : 1;
}

function linesOf(judged: ReturnType<typeof checkProof> | CheckedCertificate): Text[] {
  if (judged.status === 'refused') return refusedLines(judged);
  return 'certificate' in judged ? certifiedLines(judged) : provenLines(judged);
}

function isCertificate(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, CERTIFICATE_HEAD.length)).toString() === CERTIFICATE_HEAD;
}

function certifiedLines({
  certificate,
  records,
  checkpoint,
  trusted_key,
}: CheckedCertificate & { status: 'proven' }): Text[] {
  const { ledger_id, request_id, requested_at, erased, part, parts } = certificate;
  return [
    inked`${ink.bold(ink.green('proven'))}: the ledger ${ledger_id} says that ${records} records are destroyed`,
    inked`  for ${request_id}, requested at ${requested_at}; part ${part} of ${parts}`,
    ...erased.map(
      ({ by, at, records: named, keys }) =>
        inked`  ${named.length} records and ${keys.length} data keys at ${at}, by the record ${by}`,
    ),
    inked`  below the checkpoint of ${checkpoint.origin} over ${checkpoint.size} records`,
    inked`  signed by ${trusted_key}`,
  ];
}

function read(file: string): Uint8Array {
  try {
    // A larger one is refused by its first bytes, and need not be read.
    if (file !== '-' && statSync(file).size > MAX_PROOF_BYTES) return new Uint8Array(MAX_PROOF_BYTES + 1);
    return readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw new SpanledgerError('file_unreadable', `${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'give the path of a file that `spanledger prove` wrote, or - for standard input',
    });
  }
}

function provenLines(proven: Proven): Text[] {
  const { id, ledger_id, expires_at, record, round, checkpoint, cosigned, trusted_key } = proven;
  return [
    inked`${ink.bold(ink.green('proven'))}: ${id} stands in the ledger ${ledger_id}`,
    ...(record === undefined
      ? ['  its payload is not shown']
      : [
          inked`  ${record.action} of ${record.actor.type} ${record.actor.id}, recorded at ${record.recorded_at}`,
        ]),
    inked`  its payload may go at ${timeOf(expires_at)}`,
    ...(round === undefined
      ? []
      : [
          inked`  among the first ${round.size} records of its chain, by round ${round.round} at ${round.recorded_at}`,
        ]),
    inked`  below the checkpoint of ${checkpoint.origin} over ${checkpoint.size} records`,
    ...cosigned.map(({ name, time }) => inked`  which ${name} saw at ${timeOf(time)}`),
    inked`  signed by ${trusted_key}`,
  ];
}

function refusedLines({ step, detail }: { step: string; detail: string }): Text[] {
  return [inked`${ink.bold(ink.red('refused'))} at ${step}: ${detail}`];
}

/** 9999-12-31T23:59:59Z: beyond it a witness's time is no date. */
const LAST_TIME = 253_402_300_799;

function timeOf(seconds: number): string {
  return seconds > LAST_TIME ? `${seconds} s` : new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z');
}
