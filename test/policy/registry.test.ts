import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import type { PolicyDocument, ToolRule } from '../../src/policy/document.ts';
import { Registry } from '../../src/policy/registry.ts';

const builtin = new Registry(BUILTIN_POLICY);
const call = (args: unknown = undefined, result: unknown = undefined) => ({ arguments: args, result });
const registry = (...tools: ToolRule[]) => new Registry({ ...BUILTIN_POLICY, tools } as PolicyDocument);

describe('the built-in registry', () => {
  it.each([
    ['lookup_patient', 'restricted', 'hipaa', ['hipaa']],
    ['update_treatment', 'restricted', 'hipaa', ['hipaa']],
    ['issue_refund', 'confidential', 'financial', ['financial']],
    ['send_email', 'confidential', 'default', []],
  ])('knows %s', (name, classification, retentionClass, domains) => {
    expect(builtin.tool(name, call())).toMatchObject({
      classification,
      retention: { class: retentionClass },
      domains,
      unclassified: false,
    });
  });

  it.each([
    ['fhir.Patient.read', 'restricted', 'hipaa', ['health']],
    ['list_patient_medications', 'restricted', 'hipaa', ['health']],
    ['stripe_create_charge', 'confidential', 'financial', ['money']],
    ['create_invoice', 'confidential', 'financial', ['money']],
    ['execute_sql', 'confidential', 'default', ['database']],
    ['mcp_slack_post', 'confidential', 'default', ['disclosure']],
    ['send_sms', 'confidential', 'default', ['disclosure']],
    ['web_search', 'internal', 'default', ['network']],
    ['read_file', 'confidential', 'default', ['files']],
    ['bash', 'confidential', 'default', ['code_execution']],
    ['run_python_script', 'confidential', 'default', ['code_execution']],
    ['vault_read', 'restricted', 'default', ['secrets']],
    ['refund_patient', 'restricted', 'financial', ['health', 'money']],
  ])('knows %s by the words of its name: %s, %s, %j', (name, classification, retentionClass, tags) => {
    const known = builtin.tool(name, call());
    expect(known).toMatchObject({
      classification,
      retention: { class: retentionClass },
      tags,
      unclassified: false,
    });
  });

  it('knows a FHIR resource by what is asked for', () => {
    const read = { resourceType: 'Observation', id: 'obs-1', patient: 'Patient/7' };
    expect(builtin.tool('fhir_update', call(read)).resource).toEqual({
      type: 'fhir',
      action: 'modify',
      ids: ['obs-1'],
      subject: 'Patient/7',
    });
    expect(builtin.tool('fhir_update', call({})).resource).toBeUndefined();
  });

  it('knows tools whatever the case of their name', () => {
    expect(builtin.tool('Lookup_Patient', call()).domains).toEqual(['hipaa']);
  });

  it.each(['rm_rf', '', 'constructor', '__proto__', 'look_it_up', 'nope', 'DynamicStructuredTool'])(
    'takes the unknown tool %j for confidential, and says that no rule knows it',
    (name) => {
      expect(builtin.tool(name, call({ patient_id: 'P-1' }))).toEqual({
        classification: 'confidential',
        domains: [],
        retention: { class: 'default', days: 365, archive: 'none' },
        archive: 'none',
        erasure: 'on_request',
        fail: 'open',
        unclassified: true,
        content: 'metadata',
        purposeRequired: false,
        tags: [],
        pseudonyms: {},
      });
    },
  );
});

describe('resource ids', () => {
  const ids = (args: unknown, result?: unknown, tool = 'get_patient') =>
    builtin.tool(tool, call(args, result)).resource?.ids;

  it.each<[string, unknown, string[]]>([
    ['one', { patient_id: 'P-1' }, ['P-1']],
    ['one by another name', { patientId: 'P-1' }, ['P-1']],
    ['a number', { patient_id: 1042 }, ['1042']],
    ['several', { patient_ids: ['P-1', 'P-2', 3] }, ['P-1', 'P-2', '3']],
    ['several with one twice', { patient_ids: ['P-1', 'P-1'] }, ['P-1']],
    ['the first place that has any', { patient_id: 'P-1', patient_ids: ['P-2'] }, ['P-1']],
    ['the next where the first is empty', { patient_id: '', patient_ids: ['P-2'] }, ['P-2']],
    ['none in the wrong shape', { patient_ids: 'P-1' }, []],
    ['none in a list of something else', { patient_ids: [null, {}, ['P-1'], true] }, []],
    ['none in text', 'patient_id=P-1', []],
    ['none in nothing', undefined, []],
    [
      'a hundred of more',
      { patient_ids: Array.from({ length: 150 }, (_, i) => i) },
      Array.from({ length: 100 }, (_, i) => `${i}`),
    ],
  ])('are %s', (_, args, expected) => {
    expect(ids(args)).toEqual(expected);
  });

  it('may stand in the result', () => {
    expect(ids({}, { payment_id: 'pay-1' }, 'charge_payment')).toEqual(['pay-1']);
  });

  it('come with what is done to the resource, and to whom', () => {
    expect(builtin.tool('update_treatment', call({ patientId: 'P-1' })).resource).toEqual({
      type: 'patient',
      action: 'modify',
      ids: ['P-1'],
      subject: 'P-1',
    });
  });
});

describe('several rules for one tool', () => {
  const rule = (more: Partial<ToolRule>): ToolRule => ({
    match: ['t'],
    domains: [],
    classification: 'public',
    ...more,
  });

  it('give the strictest classification, all domains, and the longest retention', () => {
    const both = registry(
      rule({ domains: ['soc2', 'financial'] }),
      rule({ domains: ['hipaa'], classification: 'internal' }),
    );
    expect(both.tool('t', call())).toMatchObject({
      classification: 'restricted',
      domains: ['financial', 'hipaa', 'soc2'],
      retention: { class: 'financial' },
    });
  });

  it('of two classes of one length take the one that is archived, and demand an archive if any of them does', () => {
    const { retention, domains } = BUILTIN_POLICY;
    const classes = {
      ...retention.classes,
      long: { days: 9_000, archive: 'none' as const },
      a: { days: 365, archive: 'none' as const },
    };
    const both = (...names: string[]) =>
      new Registry({
        ...BUILTIN_POLICY,
        retention: { ...retention, classes },
        domains: {
          ...domains,
          long: { classification: 'public', retention: 'long' },
          a: { classification: 'public', retention: 'a', erasure: 'never', fail: 'closed' },
        },
        tools: [rule({ domains: names })],
      }).tool('t', call());
    expect(both('a', 'soc2')).toMatchObject({
      retention: { class: 'soc2', archive: 'required' },
      archive: 'required',
      erasure: 'never',
      fail: 'closed',
    });
    expect(both('hipaa', 'long')).toMatchObject({
      retention: { class: 'long', archive: 'none' },
      archive: 'required',
      erasure: 'on_request',
      fail: 'open',
    });
    expect(both()).toMatchObject({ retention: { class: 'default' }, archive: 'none' });
  });

  it('give the same in any order', () => {
    const one = fc.record({
      domains: fc.subarray(['hipaa', 'financial', 'soc2', 'unheard-of']),
      classification: fc.constantFrom(
        'public' as const,
        'internal' as const,
        'confidential' as const,
        'restricted' as const,
      ),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 4 }), (rules) => {
        const there = registry(...rules.map(rule)).tool('t', call());
        const back = registry(...[...rules].reverse().map(rule)).tool('t', call());
        expect({ ...there, retention: there.retention.days }).toEqual({
          ...back,
          retention: back.retention.days,
        });
      }),
    );
  });

  it('a rule more never shortens retention nor lowers the classification', () => {
    const levels = ['public', 'internal', 'confidential', 'restricted'];
    const one = fc.record({
      domains: fc.subarray(['hipaa', 'financial', 'soc2']),
      classification: fc.constantFrom(
        'public' as const,
        'internal' as const,
        'confidential' as const,
        'restricted' as const,
      ),
    });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 3 }), one, (rules, more) => {
        const before = registry(...rules.map(rule)).tool('t', call());
        const after = registry(...rules.map(rule), rule(more)).tool('t', call());
        expect(levels.indexOf(after.classification)).toBeGreaterThanOrEqual(
          levels.indexOf(before.classification),
        );
        expect(after.retention.days).toBeGreaterThanOrEqual(before.retention.days);
      }),
    );
  });

  it('keep the pseudonyms of each', () => {
    const both = registry(
      rule({ pseudonyms: { name: 'patient_name' } }),
      rule({ pseudonyms: { line: 'address' } }),
    );
    expect(both.tool('t', call()).pseudonyms).toEqual({ name: 'patient_name', line: 'address' });
  });
});

describe('a rule', () => {
  const rule = (more: Partial<ToolRule>): ToolRule => ({
    match: ['*'],
    domains: [],
    classification: 'public',
    ...more,
  });
  const knows = (match: string[], name: string) => !registry(rule({ match })).tool(name, call()).unclassified;

  it.each<[string, string[], string[]]>([
    ['fhir*', ['fhir', 'FHIR_read', 'fhir.Patient.read', 'fhir/read'], ['read_fhir', 'fhi']],
    ['{get,read}_patient', ['get_patient', 'read_patient'], ['get_patients', 'patient']],
    ['*_record?', ['a_records', '_recordX'], ['a_record']],
    ['[ab]c', ['ac', 'bc'], ['cc']],
    ['plain', ['plain', 'PLAIN'], ['plainer', 'plain*']],
  ])('%s knows tools by a glob', (glob, known, others) => {
    for (const name of known) expect(knows([glob], name), name).toBe(true);
    for (const name of others) expect(knows([glob], name), name).toBe(false);
  });

  it('knows a call by what is in it', () => {
    const fhir = registry(
      rule({
        match: ['fhir_*'],
        where: [{ path: 'arguments.resourceType', in: ['Patient', 'Obs*'] }],
        domains: ['hipaa'],
      }),
      rule({ match: ['fhir_*'], classification: 'internal' }),
    );
    const domains = (args: unknown) => fhir.tool('fhir_read', call(args)).domains;
    expect(domains({ resourceType: 'patient' })).toEqual(['hipaa']);
    expect(domains({ resourceType: 'Observation' })).toEqual(['hipaa']);
    for (const other of [{ resourceType: 'Device' }, {}, undefined]) expect(domains(other)).toEqual([]);
    expect(fhir.tool('fhir_read', call({})).unclassified).toBe(false);
  });

  it('is itself, though another has its name', () => {
    const two = registry(
      rule({ id: 'mine', match: ['one'] }),
      rule({ id: 'mine', match: ['two'], classification: 'restricted' }),
    );
    expect(two.tool('one', call()).classification).toBe('public');
    expect(two.tool('two', call()).classification).toBe('restricted');
  });

  it('is not asked of values too long for a glob', () => {
    const hostile = registry(
      rule({ where: [{ path: 'arguments.text', in: ['*a*b*c*d*'] }], tags: ['found'] }),
    );
    expect(hostile.tool('t', call({ text: 'a-b-c-d' })).tags).toEqual(['found']);
    expect(hostile.tool('t', call({ text: 'abc'.repeat(100_000) })).tags).toEqual([]);
    expect(hostile.tool('t'.repeat(100_000), call({ text: 'abcd' })).unclassified).toBe(true);
  });

  it('that wants a purpose, or tags, makes the call want and have them', () => {
    const both = registry(rule({ purpose: 'required', tags: ['phi'] }), rule({ tags: ['code', 'phi'] }));
    expect(both.tool('t', call())).toMatchObject({ purposeRequired: true, tags: ['code', 'phi'] });
  });

  it.each([
    ['get_patient', 'read'],
    ['update_patient', 'modify'],
    ['patientUpdate', 'modify'],
    ['fhir.Patient.delete', 'modify'],
    ['list_orders', 'read'],
    ['get_update_status', 'read'],
    ['patient', 'read'],
    ['', 'read'],
  ])('without an action takes the verb of %s: %s', (name, action) => {
    const patients = registry(
      rule({ match: ['**', ''], resource: { type: 'patient', id: ['arguments.id'] } }),
    );
    expect(patients.tool(name, call({ id: 1 })).resource?.action).toBe(action);
  });
});
