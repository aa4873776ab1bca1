import { type Certificate, MAX_CERTIFIED, signCertificate } from '../../chain/certificate.ts';
import type { Signer } from '../../chain/signer.ts';
import type { Erased, Request } from './requests.ts';

export interface Certifying {
  ledgerId: string;
  origin: string;
  signer: Signer;
  /** A checkpoint of the ledger that covers all that was erased: the note. */
  checkpoint: string;
  /** RFC 3339. */
  now: string;
}

/** Certificates of what a request has destroyed: mostly one; several where it names more than one note may. */
export async function certificatesOf(
  request: Pick<Request, 'id' | 'at'>,
  erased: readonly Erased[],
  { ledgerId, origin, signer, checkpoint, now }: Certifying,
): Promise<string[]> {
  const parts = [...inParts(erased)];
  return Promise.all(
    parts.map((part, i) =>
      signCertificate(
        {
          v: 1,
          ledger_id: ledgerId,
          origin,
          request_id: request.id,
          requested_at: request.at,
          issued_at: now,
          part: i + 1,
          parts: parts.length,
          erased: part.map(({ id, at, records, keys }): Certificate['erased'][number] => ({
            by: id,
            at,
            records: records.map((each) => ({ ...each })),
            keys: [...keys],
          })),
          checkpoint,
        },
        signer,
      ),
    ),
  );
}

/** A `records_erased` names fewer than a certificate may. */
function* inParts(erased: readonly Erased[]): Generator<Erased[]> {
  let part: Erased[] = [];
  let named = 0;
  for (const each of erased) {
    if (part.length > 0 && named + each.records.length > MAX_CERTIFIED) {
      yield part;
      part = [];
      named = 0;
    }
    part.push(each);
    named += each.records.length;
  }
  if (part.length > 0) yield part;
}
