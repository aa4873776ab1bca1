import { existsSync, readFileSync } from 'node:fs';
import { openDeployment } from '../config/deployment.ts';
import { settingsOf } from '../config/settings.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { type Admission, admission } from '../policy/admission.ts';
import type { MasterKeys } from '../policy/keyring.ts';
import { compilePolicy } from '../policy/policy.ts';
import { policyOf } from '../policy/schema.ts';
import { Cleaner } from '../record/cleaner.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import { toolFacts } from '../record/tool-facts.ts';
import { directoryOf, type LedgerOptions } from './ledger.ts';
import { indented, ink, inked, type Output, table } from './output.ts';

/** Pseudonyms of it mean nothing: without a directory there is no key. */
const NO_KEY: MasterKeys = [{ id: 'example', secret: new Uint8Array(32) }];

/**
 * What would be recorded of a call, and why: which rules match, what each asks, and what comes of them together.
 *
 * @param args a file with the call's arguments, or with `{"arguments": …, "result": …}`.
 */
export async function explainCommand(
  tool: string,
  args: string | undefined,
  options: LedgerOptions & { purpose?: string },
  out: Output,
): Promise<number> {
  const layout = directoryOf(options);
  const document = policyOf(settingsOf(layout, process.env, options.config).policy);
  const hasKey =
    existsSync(layout.dir) &&
    (existsSync(layout.masterKeyFile) || process.env.SPANLEDGER_MASTER_KEY !== undefined);
  const master = hasKey ? openDeployment(layout.dir, process.env).master : NO_KEY;
  const policy = compilePolicy(master, document);
  const call = callIn(args);

  const rules = policy.registry.matching(tool, call).map(({ id, demands, rule }) => ({
    id,
    match: rule.match,
    ...demands,
    ...(rule.resource === undefined ? {} : { resource: rule.resource.type }),
  }));
  const clean = new Cleaner(policy, DEFAULT_TENANT);
  const facts = toolFacts(
    { toolName: tool, toolArguments: call.arguments, toolResult: call.result },
    'executed',
    { status: 'success' },
    clean,
  );
  const { content } = policy.registry.tool(tool, call);
  const { recorded, resource, classification, domains, retentionClass, unclassified, purposeRequired, tags } =
    facts;
  const { archive, erasure, fail, retention } = policy.registry.tool(tool, call);
  const demands = { classification, domains, tags, retention, archive, erasure, fail, purposeRequired };
  // Before it runs, nobody knows its result.
  const may = (purpose?: string) =>
    admission({ tool, arguments: call.arguments, result: undefined, purpose }, policy);
  const admissions = {
    without_purpose: may(),
    ...(options.purpose === undefined ? {} : { with_purpose: may(options.purpose) }),
  };
  const record = {
    tool: recorded,
    ...(resource === undefined ? {} : { resource }),
    data_classification: classification,
    domains,
    retention_class: retentionClass,
    purpose_required: purposeRequired,
    tags,
    unclassified,
    ...(facts.detected?.phi ? { contains_phi: true } : {}),
    ...(facts.detected === undefined ? {} : { detected: facts.detected.kinds }),
    content,
  };
  out.document({ tool, rules, demands, admission: admissions, record });

  out.line(ink.bold(`${tool}${unclassified ? ': no rule knows it' : ''}`));
  const rows = rules.map((rule) => [
    rule.id,
    rule.classification,
    rule.domains.join(', ') || '-',
    rule.retention === undefined ? '-' : `${rule.retention.class}, ${rule.retention.days} d`,
    rule.purposeRequired ? 'required' : '-',
    rule.content ?? '-',
    rule.resource ?? '-',
  ]);
  if (rows.length > 0)
    for (const line of table(
      ['rule', 'classification', 'domains', 'retention', 'purpose', 'content', 'resource'],
      rows,
    ))
      out.line(indented(line));
  out.line(`Without a purpose of use the call is ${ruled(admissions.without_purpose)}`);
  if (admissions.with_purpose !== undefined)
    out.line(inked`With the purpose ${options.purpose ?? ''} it is ${ruled(admissions.with_purpose)}`);
  out.line(
    `Its records are kept ${retention.days} days (${retention.class}), ${archive === 'required' ? 'archived before they go' : 'and need no archive'}; ` +
      `erasure ${erasure}; what cannot be recorded fails ${fail}`,
  );
  out.line('Together, the strictest of each, and what would stand in the record:');
  for (const line of JSON.stringify(record, null, 2).split('\n')) out.line(indented(line));
  if (!hasKey && JSON.stringify(record).includes(`hmac:${NO_KEY[0]!.id}:`))
    out.log(inked`There is no key in ${layout.dir} yet: its pseudonyms will be others`);
  return 0;
}

function ruled(said: Admission): string {
  if (!said.allowed) return `refused (${said.code}): ${said.hint}`;
  return said.findings.length > 0 ? `allowed, and recorded as ${said.findings.join(', ')}` : 'allowed';
}

function callIn(file: string | undefined): { arguments: unknown; result: unknown } {
  if (file === undefined) return { arguments: undefined, result: undefined };
  const unusable = (why: string) =>
    new SpanledgerError('file_unreadable', `${file}: ${why}`, {
      hint: 'give a JSON file with the arguments of a call, or - for standard input',
    });
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw unusable(messageOf(cause));
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's own message quotes the text, and that may be a secret.
    throw unusable('not JSON');
  }
  const isWhole = typeof value === 'object' && value !== null && ('arguments' in value || 'result' in value);
  const { arguments: args, result } = (isWhole ? value : { arguments: value }) as {
    arguments?: unknown;
    result?: unknown;
  };
  return { arguments: args, result };
}
