import { replaceFile } from '../config/durable.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { DEFAULT_TENANT, tenantOf } from '../record/facts-of.ts';
import type { ErasureAsk, ErasureTold } from '../retain/erasure/erasure.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { byKeeper } from './by-keeper.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output, table } from './output.ts';
import { holdsValue, linesOf } from './resolve.ts';

export interface EraseOptions extends LedgerOptions, ActorOptions {
  subject?: string[];
  plan?: boolean;
  tenant?: string;
  request?: string;
  due?: boolean;
  certificate?: string;
}

/**
 * Erases a person's records, by a `serve` that keeps this ledger, else by this process. 0; 1 where there is nothing of that
 * person, or what there is does not hash; 3 where not all is gone yet that may go; 4 where all of it must stay.
 */
export async function eraseCommand(options: EraseOptions, out: Output): Promise<number> {
  const subjects = readSubjects(options);
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const ask = askOf(options, subjects, ledger);
    const told = await byKeeper<ErasureTold[]>(ledger, 'erase', ask, ({ keeper, erasure }) =>
      erasure.answered(ask, () => keeper.keep()),
    );
    const answers = told.map((each) => withFiles(each, options.certificate));
    out.document(options.due === true ? answers : answers[0]);
    for (const each of answers) tell(each, out);
    if (options.due === true && told.length === 0) out.line('Nothing is due');
    return ledger.exitCode(Math.max(0, ...told.map(codeOf)));
  } finally {
    await ledger.close();
  }
}

/** @throws SpanledgerError `usage_invalid`, `file_unreadable`: before anything is opened. */
function readSubjects(options: EraseOptions): string[] {
  requireActor(options);
  const { subject, request, due, plan, reason, certificate } = options;
  if ([subject, request, due].filter((each) => each !== undefined).length !== 1)
    throw new SpanledgerError('usage_invalid', 'it is not said what to erase', {
      hint: 'give --subject, or --request of one that was made, or --due',
    });
  if (plan === true && subject === undefined)
    throw new SpanledgerError('usage_invalid', '--plan is of a --subject', { hint: 'give --subject' });
  if (certificate !== undefined && (plan === true || due === true))
    throw new SpanledgerError('usage_invalid', '--certificate is of one request that is carried out', {
      hint: 'give it with --subject, or later with --request',
    });
  if (subject === undefined) return [];
  const subjects = [...new Set(subject.flatMap((each) => (each === '-' ? linesOf('-') : [each.trim()])))];
  if (subjects.length === 0 || subjects.includes(''))
    throw new SpanledgerError('usage_invalid', '--subject names nobody', {
      hint: 'give the id by which records name the person, or - and one a line on standard input',
    });
  if (plan !== true && reason === undefined)
    throw new SpanledgerError('usage_invalid', 'it is not said why', {
      hint: 'give --reason: it is recorded; --plan needs none',
    });
  if (reason !== undefined && subjects.some((each) => holdsValue(reason, each)))
    throw new SpanledgerError('usage_invalid', '--reason holds a value that is to be erased', {
      hint: 'say why without it: the reason is recorded for ever',
    });
  return subjects;
}

function askOf(options: EraseOptions, subjects: readonly string[], ledger: Ledger): ErasureAsk {
  if (options.due === true) return { what: 'due' };
  if (options.request !== undefined) return { what: 'resume', id: options.request };
  const { policy } = ledger;
  const tenant = tenantOf({ tenant: options.tenant ?? DEFAULT_TENANT }, policy);
  if (options.plan === true) return { what: 'plan', asked: { subjects, tenant } };
  const { id, reason } = saidBy(options, policy);
  return { what: 'erase', asked: { subjects, tenant, reason: reason!, actor: { type: 'admin', id } } };
}

/** Certificates go to files of their own, where one is named. */
function withFiles(told: ErasureTold, file: string | undefined): ErasureTold & { files?: string[] } {
  if (file === undefined) return told;
  const files = told.certificates.map((note, i) => {
    const name = i === 0 ? file : `${file}.${i + 1}`;
    try {
      replaceFile(name, note);
    } catch (cause) {
      throw new SpanledgerError('config_invalid', `${name} cannot be written: ${messageOf(cause)}`, {
        cause,
        hint: `it is erased all the same: \`spanledger erase --request ${told.request_id} --certificate FILE\` certifies it anew`,
      });
    }
    return name;
  });
  return { ...told, certificates: [], files };
}

function tell(told: ErasureTold & { files?: string[] }, out: Output): void {
  const { state, request_id, records, erase, erased, keys, kept, unsound, waiting, files = [] } = told;
  if (state === 'nothing') {
    out.line('There is nothing of that person');
    return;
  }
  const rows = kept.map((each) => [each.records, each.why, each.basis, each.until ?? 'until it is released']);
  if (state === 'planned') out.line(inked`${records} records are there: ${erase} would go`);
  else
    out.line(
      inked`${request_id ?? 'No request'}: of ${records} records ${erased} are erased, and ${keys} data keys`,
    );
  if (rows.length > 0) {
    out.line('Kept:');
    for (const line of table(['records', 'by', 'which', 'until'], rows)) out.line(line);
  }
  if (state === 'complete') out.line('It is gone from the database, its files and the journals here');
  if (state === 'refused')
    out.line('All of it must stay for now; what is kept by a law goes when that is over');
  for (const file of files) out.line(inked`Certified in ${file}`);
  for (const each of waiting) out.log(inked`Not complete: ${each}`);
  if (unsound > 0) out.log(`Warning: ${unsound} records do not hash, and stay as the evidence`);
}

function codeOf({ state, unsound }: ErasureTold): number {
  if (state === 'refused') return 4;
  if (state === 'incomplete') return 3;
  return state === 'nothing' || unsound > 0 ? 1 : 0;
}
