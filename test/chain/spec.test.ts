import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { entryText, payloadDigest, recordHash, ZERO_HASH } from '../../src/chain/entry.ts';
import { newChain, seal } from '../../src/chain/seal.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { readCanonical } from '../../src/record/reader.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { FINDINGS } from '../../src/verify/findings.ts';
import { asked, modelSpan, POLICY, Settled, span, told, toolSpan, user } from '../support/spans.ts';

const SPEC = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');

/** The text of a section, from its heading to the next of the same level. */
function section(heading: string): string {
  const start = SPEC.indexOf(`\n## ${heading}\n`);
  expect(start, heading).toBeGreaterThan(0);
  const end = SPEC.indexOf('\n## ', start + 1);
  return SPEC.slice(start, end === -1 ? undefined : end);
}

function fenced(language: string): string[] {
  const blocks = section('Worked example').matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'));
  return [...blocks].map((block) => block[1]!);
}

describe('the worked example of SPEC.md', () => {
  const commands = fenced('sh').join('\n');
  const stated = fenced('text').join('');
  const variable = (name: string) => new RegExp(`^${name}='?(.*?)'?$`, 'm').exec(commands)![1]!;
  const payloads = [variable('payload_0'), variable('payload_1')];
  const entry = (seq: number, prevHash: string) => ({
    ledgerId: variable('ledger'),
    chainId: variable('chain'),
    seq,
    expiresAt: Number(variable(`expires_${seq}`)),
    prevHash,
    payloadDigest: payloadDigest(payloads[seq]!),
  });

  it('is recomputed by the commands it gives, to the letter', () => {
    const printed = execFileSync('/bin/sh', ['-eu'], { input: commands, encoding: 'utf8' });
    expect(printed).toBe(stated);
    expect(stated.match(/^[0-9a-f]{64}$/gm)).toHaveLength(8);
  });

  it('needs printf, sha256sum and cut, and nothing else', () => {
    const programs = [...commands.matchAll(/(?:^|\||\$\()\s*([a-z]\w*)\b(?!=)/gm)].map((match) => match[1]);
    expect(new Set(programs)).toEqual(new Set(['printf', 'sha256sum', 'cut']));
  });

  it('is recomputed by this package', () => {
    const first = entry(0, ZERO_HASH);
    const second = entry(1, recordHash(first));
    const lines = [first, second].map((each) =>
      [each.payloadDigest, entryText(each) + recordHash(each), ''].join('\n'),
    );
    expect(lines.join('')).toBe(stated);
  });

  it('holds canonical payloads, and is what sealing those records gives', () => {
    const head = newChain(variable('chain'));
    for (const [seq, payload] of payloads.entries()) {
      const read = readCanonical(payload);
      expect(read).toHaveProperty('value');
      const { value } = read as { value: AuditRecord };
      const sealed = seal({ ...value, salt: '', recorded_at: '' }, head, {
        ledgerId: variable('ledger'),
        policy: BUILTIN_POLICY,
        now: Date.parse(value.recorded_at) * 1_000,
        salt: value.salt,
      });
      expect(sealed).toMatchObject({ seq, payload, expiresAt: Number(variable(`expires_${seq}`)) });
      expect(stated).toContain(`\n${sealed.recordHash}\n`);
    }
  });

  it('has another last hash when one byte of the first payload differs', () => {
    const forged = commands.replace('"writer":"clinic"', '"writer":"cl1nic"');
    expect(forged).not.toBe(commands);
    const printed = execFileSync('/bin/sh', ['-eu'], { input: forged, encoding: 'utf8' });
    expect(printed.trimEnd().split('\n').at(-1)).not.toBe(stated.trimEnd().split('\n').at(-1));
  });

  it('holds the keyed digest that its arguments have', () => {
    const { tool, details } = JSON.parse(payloads[1]!) as AuditRecord;
    const { phone } = tool!.arguments as { phone: string };
    expect(phone).toBe(POLICY.keyring.pseudonym('default', 'phone', '+1 415 555 2671'));
    const said = '{"phone":"+1 415 555 2671","template":"appointment_reminder"}';
    expect(details?.arguments_digest).toBe(POLICY.keyring.digest('default', 'arguments', said));
  });
});

describe('SPEC.md', () => {
  it('lists the findings there are, in their order, with their severity', () => {
    const rows = section('Judging a ledger').matchAll(/^\| `(\w+)` \| (\w+) \|/gm);
    expect([...rows].map(([, code, severity]) => [code, severity])).toEqual(Object.entries(FINDINGS));
  });

  it('names every field of the records that spans become, and everything in their details', () => {
    const records = sample();
    const [fields, details] = section('The record').split('| in `details` | value |') as [string, string];
    const named = (table: string) =>
      new Set(
        [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cell]) => cell!.match(/\w+/g)!),
      );
    const use = (of: object[]) => new Set(of.flatMap((each) => Object.keys(each)));
    expect([...use(records)].filter((name) => !named(fields).has(name))).toEqual([]);
    const said = use(records.map((record) => record.details ?? {}));
    expect(said.size).toBeGreaterThan(12);
    expect([...said].filter((name) => !named(details).has(name))).toEqual([]);
    for (const { action } of records) expect(fields).toContain(`\`${action}\``);
  });

  it('states a keyed digest as this package computes it', () => {
    expect(section('Keyed digests')).toContain(POLICY.keyring.pseudonym('default', 'subject', 'P-1042'));
  });

  it('lists every kind of pseudonym', () => {
    for (const kind of Object.keys(BUILTIN_POLICY.pseudonyms))
      expect(section('Keyed digests')).toContain(`\`${kind}\``);
  });

  it('has the headings that the code points to', () => {
    expect(section('From span to records')).toContain('conversation_started');
  });
});

/** Records in which every field stands that a span can give. */
function sample(): AuditRecord[] {
  const who = {
    'gen_ai.conversation.id': 'c1',
    'gen_ai.agent.name': 'triage',
    'user.id': 'u1',
    'audit.tenant': 'north',
    'audit.purpose': 'TREAT',
    'audit.trigger': 'cron',
  };
  const call = { call: 't1', args: { patient_id: 'P-1' }, result: { status: 'ok' } };
  const model = (text: string, name: string) => ({
    'gen_ai.request.model': name,
    'gen_ai.response.model': name,
    'gen_ai.system_instructions': [{ type: 'text', content: text }],
    'gen_ai.usage.input_tokens': 1,
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.output.messages': [asked('t2', 'get_patient', {})],
  });
  const history = [user('go'), asked('t3', 'list_files', {}), told('t3', 'ok')];
  const settled = new Settled();
  settled.take(toolSpan('get_patient', call, who, { id: '1' }), { phase: 'intent' });
  settled.take(toolSpan('get_patient', call, who, { id: '1' }));
  settled.take(
    toolSpan('list_files', {}, { 'audit.trigger': 'full moon' }, { id: '2', start: 0n, dropped: 1 }),
  );
  settled.take(modelSpan([user('hi')], { ...who, ...model('kind', 'm-1') }, { id: '3' }));
  settled.take(modelSpan(history, { ...who, ...model('strict', 'm-2') }, { id: '4' }));
  settled.take(modelSpan([user('hi')], {}, { id: '5', trace: '2' }));
  settled.take(span('invoke_agent', { 'gen_ai.operation.name': 'invoke_agent' }, { id: '6' }));
  for (const action of ['conversation_ended', 'access_granted', 'access_revoked', 'data_modified'])
    settled.take(span('event', { 'audit.action': action }, { id: '7' }));
  return settled.records;
}
