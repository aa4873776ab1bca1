import { readFileSync } from 'node:fs';
import { systemClock } from '../clock.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { keyIdOf } from '../policy/keyring.ts';
import type { Policy } from '../policy/policy.ts';
import { pseudonymKinds } from '../policy/pseudonym-kinds.ts';
import { control } from '../record/control.ts';
import { DEFAULT_TENANT, tenantOf } from '../record/facts-of.ts';
import { type Holding, holdingOf } from '../report/pseudonyms.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { type Output, table } from './output.ts';

export interface ResolveOptions extends LedgerOptions, ActorOptions {
  reason: string;
  kind?: string;
  tenant?: string;
  /** A file of candidates, one a line: which of them a pseudonym stands for. */
  among?: string;
}

/** Each is a record of its own. */
const MAX_ASKED = 1_000;

/** A value's pseudonym, or a pseudonym asked for. */
interface Resolved extends Holding {
  asked: string;
  pseudonym: string;
  key: string;
  /** Null where no candidate is it: a pseudonym does not say what kind it is of. */
  kind: string | null;
  /** The candidate that a pseudonym stands for. */
  value?: string | null;
  /** False of a pseudonym whose key was retired: nobody can say whose it is. */
  is_live?: boolean;
}

/** Before it is known in how many records it stands. */
type Found = Omit<Resolved, keyof Holding>;

/**
 * Says under which pseudonyms a person stands in the ledger, or which of some candidates a pseudonym is. That
 * somebody asked is recorded first; what cannot be recorded is not answered.
 */
export async function resolveCommand(
  given: readonly string[],
  options: ResolveOptions,
  out: Output,
): Promise<number> {
  const { asked, candidates } = readAsked(given, options);
  const ledger = await Ledger.open(options, 'read');
  try {
    const { policy } = ledger;
    const kinds = kindsOf(options.kind, policy);
    const tenant = tenantOf({ tenant: options.tenant ?? DEFAULT_TENANT }, policy);
    await ledger.drain(out);
    const found = asked.map((each) =>
      keyIdOf(each) === undefined
        ? pseudonymsOf(each, kinds, tenant, policy)
        : [candidateOf(each, candidates ?? [], kinds, tenant, policy)],
    );
    await recordAsked(ledger, found, candidates?.length, tenant, options, out);
    const holding = await holdingOf(ledger.store, [
      ...new Set(found.flat().map(({ pseudonym }) => pseudonym)),
    ]);
    const resolved = found.map((each) =>
      each.map((one): Resolved => ({ ...one, ...holding(one.pseudonym) })),
    );
    tell(resolved.flat(), tenant, out);
    const isFound = (each: readonly Resolved[]) =>
      each.some(({ value, records }) => (value === undefined ? records > 0 : value !== null));
    return ledger.exitCode(resolved.every(isFound) ? 0 : 1);
  } finally {
    await ledger.close();
  }
}

/** @throws SpanledgerError `usage_invalid`, `file_unreadable`: before anything is opened. */
function readAsked(
  given: readonly string[],
  options: ResolveOptions,
): { asked: string[]; candidates?: string[] } {
  requireActor(options);
  const { among, reason } = options;
  if (given.includes('-') && among === '-') {
    throw new SpanledgerError('usage_invalid', 'standard input cannot be both values and candidates', {
      hint: 'give --among a file',
    });
  }
  const asked = [...new Set(given.flatMap((each) => (each === '-' ? linesOf('-') : [each.trim()])))];
  if (asked.length === 0 || asked.includes('')) {
    throw new SpanledgerError('usage_invalid', 'there is no value to resolve', {
      hint: 'give values or pseudonyms, or - and one a line on standard input',
    });
  }
  if (asked.length > MAX_ASKED) {
    throw new SpanledgerError('usage_invalid', `${asked.length} values are more than ${MAX_ASKED} at once`, {
      hint: 'ask for fewer: each is recorded',
    });
  }
  if (asked.some((each) => holdsValue(reason, each))) {
    throw new SpanledgerError('usage_invalid', '--reason holds a value that is asked for', {
      hint: 'say why without it: the reason is recorded, the value is not',
    });
  }
  const pseudonym = asked.find((each) => keyIdOf(each) !== undefined);
  if (pseudonym !== undefined && among === undefined) {
    throw new SpanledgerError('usage_invalid', `${pseudonym} cannot be turned back into a value`, {
      hint: 'give candidates, one a line, with --among FILE: it is said which of them it stands for',
    });
  }
  return { asked, ...(among === undefined ? {} : { candidates: linesOf(among) }) };
}

/** Whether a text that is recorded names a value that must not be; a pseudonym may. */
export function holdsValue(text: string, value: string): boolean {
  return keyIdOf(value) === undefined && words(text).includes(words(value));
}

/** What is compared of a text, so that no way to write a value slips through: its words, between spaces. */
function words(text: string): string {
  return ` ${text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()} `;
}

/** @throws SpanledgerError `file_unreadable` */
export function linesOf(file: string): string[] {
  try {
    const lines = readFileSync(file === '-' ? 0 : file, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '');
  } catch (cause) {
    throw new SpanledgerError('file_unreadable', `${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'give a file with one value a line, or - for standard input',
    });
  }
}

function kindsOf(kind: string | undefined, { document }: Policy): string[] {
  const kinds = pseudonymKinds(document);
  if (kind === undefined) return kinds;
  if (kinds.includes(kind)) return [kind];
  throw new SpanledgerError('usage_invalid', `--kind ${kind}: the policy makes no such pseudonyms`, {
    hint: `the kinds are ${kinds.join(', ')}`,
  });
}

function pseudonymsOf(asked: string, kinds: readonly string[], tenant: string, { keyring }: Policy): Found[] {
  return kinds.flatMap((kind) =>
    keyring
      .pseudonyms(tenant, kind, asked)
      .map((pseudonym) => ({ asked, kind, key: keyIdOf(pseudonym)!, pseudonym })),
  );
}

function candidateOf(
  pseudonym: string,
  candidates: readonly string[],
  kinds: readonly string[],
  tenant: string,
  { keyring }: Policy,
): Found {
  const key = keyIdOf(pseudonym)!;
  const found = { asked: pseudonym, pseudonym, key, is_live: keyring.ids.includes(key) };
  for (const value of found.is_live ? candidates : [])
    for (const kind of kinds)
      if (keyring.pseudonyms(tenant, kind, value).includes(pseudonym)) return { ...found, kind, value };
  return { ...found, kind: null, value: null };
}

/** Durable, and in the store, when it returns. Names nobody but by pseudonym. */
async function recordAsked(
  ledger: Ledger,
  found: readonly (readonly Found[])[],
  candidates: number | undefined,
  tenant: string,
  options: ResolveOptions,
  out: Output,
): Promise<void> {
  const { id, reason } = saidBy(options, ledger.policy);
  const journal = ledger.takeJournal('cli', out);
  try {
    const writer = ledger.writer(journal, 'cli');
    for (const each of found) {
      const told = {
        asked: 'pseudonym resolve',
        reason,
        tenant,
        pseudonyms: each.map(({ pseudonym }) => pseudonym),
        ...(candidates === undefined ? {} : { candidates }),
      };
      writer.tell({
        ...control('audit_log_accessed', told, systemClock()),
        actor: { type: 'user', id },
        outcome: { status: 'success' },
      });
    }
    await writer.close();
    await ledger.ship(writer, out);
  } finally {
    await journal.close();
  }
}

function tell(resolved: readonly Resolved[], tenant: string, out: Output): void {
  out.document({ tenant, resolved });
  const rows = resolved.map((each) => [
    each.value ?? each.asked,
    each.kind ?? '-',
    each.key,
    each.pseudonym,
    each.records,
    each.as_subject,
    each.as_resource,
  ]);
  const head = ['value', 'kind', 'key', 'pseudonym', 'records', 'as subject', 'as resource'];
  for (const line of table(head, rows)) out.line(line);
  for (const { pseudonym, value, is_live } of resolved) {
    if (is_live === false)
      out.log(`${pseudonym} is under a key that is not live: nobody can say whose it is`);
    else if (value === null) out.log(`${pseudonym} is none of the candidates`);
  }
}
