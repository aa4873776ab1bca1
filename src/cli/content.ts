import { payloadDigest, recordHash, ZERO_HASH } from '../chain/entry.ts';
import { systemClock } from '../clock.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { control } from '../record/control.ts';
import type { AuditRecord, ContentField } from '../record/record.ts';
import { sealedAt, wrappedKeys } from '../store/contents.ts';
import { recordAt } from '../store/record-at.ts';
import { keyIdOf, openContent, refOf } from '../vault/blob.ts';
import type { ContentKeys } from '../vault/content-keys.ts';
import { CONTENT_FIELDS, type Vaulted, vaultedIn } from '../vault/sealed.ts';
import { unwrapKey } from '../vault/wrapped-key.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { ink, inked, type Output } from './output.ts';
import { placeOf } from './usage.ts';

export interface ContentOptions extends LedgerOptions, ActorOptions {
  field?: string;
  reason: string;
}

/** A record, whole and where it belongs. */
interface Known {
  id: string;
  chainId: string;
  seq: number;
  record: AuditRecord;
}

/**
 * Shows what was said, of a record whose contents are vaulted. Who reads, and why, is a durable record before
 * anything is shown.
 */
export async function contentCommand(id: string, options: ContentOptions, out: Output): Promise<number> {
  requireActor(options);
  if (options.field !== undefined) requireField(options.field);
  const place = placeOf(id);
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const known = await knownAt(ledger, id, place);
    const vaulted = wantedOf(known, options.field);
    const keys = ledger.givenContentKeys;
    const found: Found[] = [];
    for (const each of vaulted) found.push(await foundAt(ledger, keys, known, each));
    const read = await tell(ledger, known, vaulted, options, out);
    const contents: { [field in ContentField]?: { text: string; truncated?: true } } = {};
    for (const { field, sealed, secret } of found) {
      const text = openContent(sealed, secret, ledger.deployment.ledgerId);
      if (text === undefined) throw mismatch(id, `its ${field} does not open`);
      const { truncated } = known.record.content![field]!;
      contents[field] = { text, ...(truncated === true ? { truncated } : {}) };
    }
    out.document({ id, contents, content_read: read });
    for (const [field, { text, truncated }] of Object.entries(contents)) {
      out.line(ink.bold(field));
      for (const line of text.split('\n')) out.line(line);
      if (truncated) out.line(ink.dim('(cut: it was longer than is kept)'));
    }
    out.log(inked`This reading is record ${read}`);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

function requireField(field: string): void {
  if (CONTENT_FIELDS.includes(field as ContentField)) return;
  throw new SpanledgerError('usage_invalid', `--field: there is no ${field}`, {
    hint: `name one of ${CONTENT_FIELDS.join(', ')}, or leave it out for all there is`,
  });
}

/** The record, which must hash: of one that was edited, nobody knows what it referred to. */
async function knownAt(
  ledger: Ledger,
  id: string,
  { chainId, seq }: { chainId: string; seq: number },
): Promise<Known> {
  const found = await recordAt(ledger.store, chainId, seq);
  if (found === undefined)
    throw new SpanledgerError('record_unknown', `there is no record ${id}, or its payload has gone`, {
      hint: 'an id is CHAIN:SEQ, as timeline and query --json print it',
    });
  const { payload, expiresAt } = found;
  const prevHash = seq === 0 ? ZERO_HASH : (found.prevHash ?? '');
  const { ledgerId } = ledger.deployment;
  const entry = { ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest: payloadDigest(payload) };
  if (recordHash(entry) !== found.recordHash)
    throw mismatch(id, 'the record does not hash to its record_hash');
  return { id, chainId, seq, record: JSON.parse(payload) as AuditRecord };
}

function wantedOf({ id, record }: Known, field: string | undefined): Vaulted[] {
  const vaulted = vaultedIn(record).filter((each) => field === undefined || each.field === field);
  if (vaulted.length > 0) return vaulted;
  const what = field === undefined ? 'its content' : `its ${field}`;
  throw new SpanledgerError('content_not_kept', `${id}: of ${what} there is metadata only, if that`, {
    hint: 'only what is recorded under a policy that says `content: vault` can be read',
  });
}

/** A content that is there, and the key that opens it. */
interface Found {
  field: ContentField;
  sealed: Buffer;
  secret: Uint8Array;
}

async function foundAt(ledger: Ledger, keys: ContentKeys, known: Known, content: Vaulted): Promise<Found> {
  const { field } = content;
  const sealed = await wholeAt(ledger, known, content);
  return { field, sealed, secret: await secretOf(ledger, keys, known, field, sealed) };
}

/** The sealed bytes that the record refers to. */
async function wholeAt(ledger: Ledger, { id, chainId, seq }: Known, content: Vaulted): Promise<Buffer> {
  const { field, digest } = content;
  const rows = await sealedAt(ledger.store, { chainId, seq, field, digest });
  const whole = rows.find((bytes) => refOf(bytes) === `sha256:${digest}`);
  if (whole !== undefined) return whole;
  const isExpired = rows.length === 0 && content.expiresAt <= Date.now() / 1_000;
  if (isExpired) throw new SpanledgerError('content_not_kept', `${id}: its ${field} has expired`);
  throw mismatch(
    id,
    rows.length === 0 ? `its ${field} is missing` : `its ${field} is not what the record refers to`,
  );
}

/** Durable when it returns; in the store too, if that takes it now. */
async function tell(
  ledger: Ledger,
  { id, record }: Known,
  vaulted: readonly Vaulted[],
  options: ActorOptions,
  out: Output,
): Promise<string> {
  const { id: actor, reason } = saidBy(options, ledger.policy, record.tenant);
  const fields = vaulted.map(({ field }) => field);
  const journal = ledger.takeJournal('cli', out);
  try {
    const writer = ledger.writer(journal, 'cli');
    const read = writer.tell({
      ...control('content_read', { fields, reason, record: id }, systemClock()),
      actor: { type: 'user', id: actor },
      retention_class: record.retention_class,
      data_classification: record.data_classification,
      ...(record.tenant === undefined ? {} : { tenant: record.tenant }),
    });
    await writer.close();
    try {
      await ledger.ship(writer, out);
    } catch (error) {
      if (!isSpanledgerError(error)) throw error;
      out.log(`Warning: the record of this reading waits in the journal: ${messageOf(error)}`);
    }
    return read;
  } finally {
    await journal.close();
  }
}

/** @throws SpanledgerError `content_refused` where the master key is another, `content_mismatch` where it does not fit. */
async function secretOf(
  ledger: Ledger,
  keys: ContentKeys,
  { id }: Known,
  field: ContentField,
  sealed: Buffer,
): Promise<Uint8Array> {
  const wrapped = await wrappedKeys(ledger.store, [keyIdOf(sealed)]);
  if (wrapped.length === 0) throw mismatch(id, `the key of its ${field} is missing`);
  const known = wrapped.filter(({ master }) => keys.some((key) => key.id === master));
  if (known.length === 0) {
    const masters = wrapped.map(({ master }) => master).join(', ');
    throw new SpanledgerError(
      'content_refused',
      `${id}: its ${field} is sealed under the content key ${masters}, which is not given`,
      { hint: 'give it as well: of several lines of keys, all open and the last seals' },
    );
  }
  for (const each of known) {
    const master = keys.find((key) => key.id === each.master)!;
    const secret = unwrapKey(each, master, ledger.deployment.ledgerId);
    if (secret !== undefined) return secret;
  }
  throw mismatch(id, `the key of its ${field} is not what was wrapped, or the content key is another`);
}

function mismatch(id: string, why: string): SpanledgerError {
  return new SpanledgerError('content_mismatch', `${id}: ${why}`, {
    hint: '`spanledger verify` tells what else is amiss',
  });
}
