import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../src/journal/journal.ts';
import { tenantOf } from '../../src/record/facts-of.ts';
import type { AttributeValue, Span } from '../../src/span.ts';
import { understand } from '../../src/understand.ts';
import {
  fileFolder,
  id,
  openJournal,
  POLICY,
  recordOf,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolSpan } from '../support/test-spans.ts';

const folder = fileFolder();
let made = 0;
const newJournal = () => openJournal(join(folder, `journal-${made++}`));

/** An HTTP server's span. */
function serverSpan(attributes: { [name: string]: AttributeValue }, parentSpanId?: string): Span {
  const { attributes: _, ...span } = toolSpan();
  return {
    ...span,
    name: 'POST /chat',
    kind: 2,
    parentSpanId,
    attributes: new Map<string, AttributeValue>([
      ['http.request.method', 'POST'],
      ...Object.entries(attributes),
    ]),
  };
}

function below(parent: Span, attributes: { [name: string]: AttributeValue } = {}): Span {
  return { ...toolSpan({ traceId: parent.traceId, attributes }), parentSpanId: parent.spanId };
}

async function append(journal: Journal, ...requests: Span[][]): Promise<void> {
  const writer = writerIn(journal);
  for (const spans of requests) await writer.append(spans.map((span) => understand(span, POLICY)));
}

const toolsIn = (journal: Journal) =>
  unshippedOf(journal)
    .map(recordOf)
    .filter(({ action }) => action === 'tool_invoked');

describe('an ancestor that is no agent’s span', () => {
  const said = { 'user.id': 'nurse-17', 'client.address': '10.0.0.7', 'audit.purpose': 'TREAT' };
  const told = { user: { id: 'nurse-17', client_ip: '10.0.0.7' }, purpose: 'TREAT' };

  it.each([
    ['in the same request', (parent: Span, child: Span) => [[parent, child]]],
    ['behind it in the same request', (parent: Span, child: Span) => [[child, parent]]],
    ['in a request before', (parent: Span, child: Span) => [[parent], [child]]],
  ])('tells whom its descendants act for: %s', async (_, requests) => {
    const journal = newJournal();
    const parent = serverSpan(said);
    await append(journal, ...requests(parent, below(parent)));
    expect(toolsIn(journal)).toMatchObject([told]);
    await journal.close();
  });

  it('is known to an heir, and through LMDB', async () => {
    const first = newJournal();
    const parent = serverSpan(said);
    await append(first, [parent]);
    await first.tidy();
    await first.close();
    const journal = openJournal(first.dir);
    await append(journal, [below(parent)]);
    expect(toolsIn(journal)).toMatchObject([told]);
    await journal.close();
  });

  it('is known in its own tenant alone, by the tenant’s redacted name', async () => {
    const journal = newJournal();
    const tenant = { 'audit.tenant': 'acme token=abcd1234efgh' };
    const parent = serverSpan({ ...said, ...tenant });
    await append(
      journal,
      [parent],
      [below(parent, tenant), below(parent), below(parent, { 'audit.tenant': 'other' })],
    );
    const [same, none, other] = toolsIn(journal);
    expect(same).toMatchObject(told);
    expect(same!.tenant).toBe(tenantOf({ tenant: tenant['audit.tenant'] }, POLICY));
    expect(none!.user).toBeUndefined();
    expect(other!.user).toBeUndefined();
    expect([...journal.unshipped()].map(({ record }) => record.payload).join()).not.toContain('abcd1234');
    await journal.close();
  });

  it('costs nothing when it tells of nobody, or comes again', async () => {
    const journal = newJournal();
    const client = { ...serverSpan({ 'url.path': '/x' }, id(8)), kind: 3 };
    await append(journal, [client], [{ ...client, spanId: id(8) }]);
    expect(journal.bytes).toBe(0);
    const parent = serverSpan(said);
    await append(journal, [parent]);
    const { bytes } = journal;
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(400);
    await append(journal, [parent], [parent]);
    expect(journal.bytes).toBe(bytes);
    await journal.close();
  });

  it('cannot make another of an agent’s span with its ids', async () => {
    const journal = newJournal();
    const parent = toolSpan({ attributes: { 'user.id': 'nurse-17' } });
    const { spanId, traceId } = parent;
    const forged = { ...serverSpan({ 'user.id': 'mallory', 'audit.purpose': 'TREAT' }), spanId, traceId };
    await append(journal, [parent], [forged], [parent], [below(parent)]);
    const [first, child] = toolsIn(journal);
    expect(toolsIn(journal), 'known to be the same').toHaveLength(2);
    expect([first!.user, child!.user]).toEqual([{ id: 'nurse-17' }, { id: 'nurse-17' }]);
    await journal.close();
  });
});

describe('many different spans under one id', () => {
  it('are recorded once each, however often they come', async () => {
    const journal = newJournal();
    const ids = { traceId: id(16), spanId: id(8) };
    const spans = Array.from({ length: 40 }, (_, i) => toolSpan({ ...ids, args: { path: `/tmp/${i}` } }));
    const writer = writerIn(journal);
    const batch = spans.map((span) => understand(span, POLICY));
    expect(await writer.append(batch)).toMatchObject({ mapped: 40, duplicates: 0, conflicts: 39 });
    const records = unshippedOf(journal).length;
    for (let again = 0; again < 2; again++)
      expect(await writer.append(batch)).toMatchObject({ mapped: 40, duplicates: 40, records: {} });
    expect(unshippedOf(journal)).toHaveLength(records);
    await journal.close();
  });
});
