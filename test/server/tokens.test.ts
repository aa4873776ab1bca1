import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newToken, Tokens } from '../../src/server/tokens.ts';
import { recordOf, unshippedOf } from '../support/ledger-kit.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { bearer, tokenOf } from '../support/tokens.ts';

describe('a token', () => {
  const { token, sha256 } = newToken();
  const known = new Tokens([
    tokenOf('other', ['read']),
    { subject: 'a', sha256, rights: ['ingest'], tenant: 'acme' },
    tokenOf('last', ['admin']),
  ]);

  it.each([`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}`])('is found in %s', (header) => {
    expect(known.find(header)).toEqual({ subject: 'a', tenant: 'acme', rights: new Set(['ingest']) });
  });

  it.each([
    undefined,
    '',
    token,
    `Bearer${token}`,
    'Bearer ',
    'Bearer',
    `Basic ${token}`,
    `Bearer ${token} `,
    ` Bearer ${token}`,
    `Bearer ${token},Bearer ${token}`,
    `Bearer ${token}\n`,
    `Bearer ${token.slice(1)}`,
    `Bearer ${token}=`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer ${sha256}`,
  ])('is not in %j', (header) => {
    expect(known.find(header)).toBeUndefined();
  });

  it('is in no other text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((each) => `Bearer ${each}`),
      fc.base64String().map((each) => `Bearer ${each}`),
    );
    fc.assert(fc.property(text, (header) => void expect(known.find(header)).toBeUndefined()));
  });

  it('is not asked for where none is known', () => {
    const open = new Tokens([]);
    expect(open.areAsked).toBe(false);
    for (const header of [undefined, 'Bearer wrong']) expect(open.find(header)?.subject).toBe('local');
  });

  it('in a header made to take long does not', () => {
    const began = performance.now();
    for (const text of ['=', ' ', 'a=', '~']) known.find(`Bearer ${text.repeat(1_000_000)}\n`);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

const span = (tenant?: string) => ({
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  name: 'x',
  attributes: Object.entries({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'list_files',
    ...(tenant === undefined ? {} : { 'tenant.id': tenant }),
  }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
});

describe('the tenant of a token', () => {
  let receiver: Receiver;
  beforeAll(async () => {
    receiver = await startReceiver({
      tokens: [
        tokenOf('of-acme', ['ingest'], 'acme'),
        tokenOf('of-evil', ['ingest'], 'evil'),
        tokenOf('of-any', ['ingest']),
      ],
    });
  });
  afterAll(() => receiver.close());

  const send = async (token: string, tenant?: string) => {
    const answer = await fetch(`${receiver.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(token) },
      body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span(tenant)] }] }] }),
    });
    expect(answer.status).toBe(200);
    return unshippedOf(receiver.journal)
      .map(recordOf)
      .filter(({ action }) => action === 'tool_invoked');
  };

  it('stands in the record, whatever the span says, and makes the same span another', async () => {
    expect((await send('of-acme', 'evil')).map(({ tenant }) => tenant)).toEqual(['acme']);
    // Evil sends acme's span first, or after: it suppresses nothing.
    expect((await send('of-evil', 'evil')).map(({ tenant }) => tenant)).toEqual(['acme', 'evil']);
    expect(await send('of-evil', 'evil')).toHaveLength(2);
    expect(await send('of-acme', 'evil')).toHaveLength(2);
    expect(receiver.intake.counts).toMatchObject({ duplicates: 2, conflicts: 0 });
  });
});
