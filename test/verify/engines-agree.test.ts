import { createHash } from 'node:crypto';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  LEDGER_ID,
  memoryFolder,
  openJournal,
  openStore,
  sealChain,
  ship,
  writerIn,
} from '../support/ledger-kit.ts';
import { type RawRow, TamperedLedger } from '../support/tampered-ledger.ts';
import { toolCalls } from '../support/test-spans.ts';

const folder = memoryFolder();
const ledger = new TamperedLedger();
let made = 0;

beforeAll(async () => {
  ledger.store = await openStore(join(folder, 'ledger'));
  await ledger.keep();
});
afterAll(() => ledger.store.close());

interface Spec {
  spans: number;
  closed: boolean;
  text: string;
}

/** Chains by the real writer, and one of somebody else's at places far out. */
async function write(specs: readonly Spec[], far: bigint | undefined): Promise<void> {
  await ledger.reset();
  const journal = openJournal(join(folder, `journal-${made++}`));
  for (const { spans, closed, text } of specs) {
    const writer = writerIn(journal);
    await writer.append(toolCalls(spans, { args: { text }, conversation: text }));
    if (closed) await writer.close();
  }
  await ship(writerIn(journal), ledger.store);
  await journal.close();
  if (far !== undefined)
    await ledger.put(sealChain('far', Array(5).fill('{"retention_class":"ledger"}'), far));
}

type Edit = (at: string, row: RawRow, other: RawRow) => Promise<unknown>;

/** What can be done to a row, by somebody who may do everything. */
const EDITS: { [name: string]: Edit } = {
  'edit a payload': (at) => ledger.move({ payload: `replaceOne(payload, 'a', 'b')` }, at),
  'break a payload': (at) => ledger.move({ payload: `substring(payload, 1, 20)` }, at),
  'make bytes of a payload': (at) => ledger.move({ payload: `concat(payload, unhex('ff'))` }, at),
  'take another’s payload': (at, _, other) =>
    ledger.move({ payload: `unhex('${Buffer.from(other.payload).toString('hex')}')` }, at),
  'edit a hash': (at) => ledger.move({ record_hash: 'reverse(record_hash)' }, at),
  'take another’s hash': (at, _, other) => ledger.move({ record_hash: `unhex('${other.recordHash}')` }, at),
  'delete a record': (at) => ledger.remove(at),
  'delete what follows': (_, row) => ledger.remove(`chain_id = '${row.chainId}' AND seq > ${row.seq}`),
  'delete what comes before': (_, row) => ledger.remove(`chain_id = '${row.chainId}' AND seq < ${row.seq}`),
  'copy a record': (at) => ledger.copy({}, at),
  'copy it with another hash': (at) => ledger.copy({ record_hash: 'reverse(record_hash)' }, at),
  'copy it with another payload': (at) => ledger.copy({ payload: `concat(payload, ' ')` }, at),
  'copy it in another class': (at) => ledger.copy({ retention_class: `'hipaa'` }, at),
  'copy it to another chain': (at, _, other) => ledger.copy({ chain_id: `'${other.chainId}'` }, at),
  'move a record on': (at) => ledger.move({ seq: 'seq + 1' }, at),
  'move a record far': (at) => ledger.move({ seq: '18446744073709551615' }, at),
  'move a record to another’s place': (at, _, other) => ledger.move({ seq: String(other.seq) }, at),
  'move a record to a new chain': (at) => ledger.move({ chain_id: `'new'` }, at),
  'move a record to another class': (at) => ledger.move({ retention_class: `'soc2'` }, at),
  'change an expiry': (at) => ledger.move({ expires_at: 'expires_at + 1' }, at),
  'bury a record': (at) => ledger.bury(at),
  'bury it wrongly': (at) => ledger.bury(at, 'erased', { payload_digest: 'SHA256(record_hash)' }),
  'bury and remove it': async (at) => {
    await ledger.bury(at, 'erased');
    await ledger.remove(at);
  },
  'rewrite a chain': (_, row) =>
    ledger.reseal(String(row.chainId), ({ seq, payload }) =>
      seq === row.seq ? { payload: Buffer.from(payload).toString().replace('"v":1', '"v":3') } : {},
    ),
  'rewrite it in other bytes': (_, row) =>
    ledger.reseal(String(row.chainId), ({ seq, payload }) =>
      seq === row.seq ? { payload: Buffer.from(payload).toString().replace(',', ', ') } : {},
    ),
};

async function tamper(edits: readonly { edit: string; row: number; other: number }[]): Promise<void> {
  for (const { edit, row, other } of edits) {
    const rows = await ledger.rows();
    if (rows.length === 0) return;
    const chosen = rows[row % rows.length]!;
    await EDITS[edit]!(
      `chain_id = '${chosen.chainId}' AND seq = ${chosen.seq}`,
      chosen,
      rows[other % rows.length]!,
    );
  }
}

/** The contract, written down a second time and without haste: which chains are as their hashes say. */
async function wholeChains(): Promise<{ [chain: string]: boolean }> {
  const places = new Map<string, Map<bigint, Set<string>>>();
  const whole: { [chain: string]: boolean } = {};
  const gone = new Set<string>();
  const add = (chain: string, seq: bigint, entry: string) => {
    const chainPlaces = places.get(chain) ?? new Map<bigint, Set<string>>();
    places.set(chain, chainPlaces.set(seq, (chainPlaces.get(seq) ?? new Set()).add(entry)));
    whole[chain] ??= true;
  };
  for (const { chainId, seq, retentionClass, expiresAt, recordHash, payload } of await ledger.rows()) {
    const chain = String(chainId);
    add(chain, seq, `${expiresAt} ${sha256(payload)} ${recordHash}`);
    if (!isCanonical(Buffer.from(payload), retentionClass)) whole[chain] = false;
  }
  const tombstones = await ledger.store.query<{ chain: string; seq: string; entry: string }>(
    `SELECT chain_id AS chain, seq, concat(toString(toUnixTimestamp(expires_at)), ' ', lower(hex(payload_digest)), ' ', lower(hex(record_hash))) AS entry
     FROM spanledger.audit_tombstones`,
  );
  for (const { chain, seq, entry } of tombstones) {
    // Its record is gone, and this ledger has no keeper that says why.
    const isGone = !places.get(chain)?.has(BigInt(seq)) || gone.has(`${chain}:${seq}`);
    if (isGone) gone.add(`${chain}:${seq}`);
    add(chain, BigInt(seq), entry);
    if (isGone) whole[chain] = false;
  }
  for (const [chain, entries] of places) {
    let previous = '0'.repeat(64);
    for (let seq = 0n; seq < BigInt(entries.size); seq++) {
      const [entry, ...others] = entries.get(seq) ?? [];
      const [expires, digest, hash] = entry?.split(' ') ?? [];
      const text = `spanledger/entry/v1\n${LEDGER_ID}\n${chain}\n${seq}\n${expires}\n${previous}\n${digest}\n`;
      if (others.length > 0 || hash !== sha256(`\0${text}`)) whole[chain] = false;
      previous = hash ?? '';
    }
  }
  return whole;
}

function isCanonical(payload: Buffer, retentionClass: string): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    const value = JSON.parse(text) as { retention_class: string };
    return canonicalize(value) === text && value.retention_class === retentionClass;
  } catch {
    return false;
  }
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

const spec: fc.Arbitrary<Spec> = fc.record({
  spans: fc.integer({ min: 1, max: 6 }),
  closed: fc.boolean(),
  text: fc.string({ unit: 'grapheme', maxLength: 12 }),
});
const edit = fc.record({
  edit: fc.constantFrom(...Object.keys(EDITS)),
  row: fc.nat({ max: 200 }),
  other: fc.nat({ max: 200 }),
});
const far = fc.option(fc.constantFrom(4_094n, 249_998n, 2n ** 53n - 2n, 2n ** 63n - 2n, 2n ** 64n - 6n), {
  nil: undefined,
});

it('both engines find the same in any ledger, whatever was done to it, and miss nothing a third reading finds', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(spec, { minLength: 1, maxLength: 3 }),
      far,
      fc.array(edit, { maxLength: 5 }),
      async (specs, start, edits) => {
        await write(specs, start);
        await tamper(edits);
        const result = await ledger.verify();
        const whole = await wholeChains();
        // That a chain is not what its writer signed, or its successor names, hashes alone do not show.
        for (const { code, chain_id } of result.findings)
          if (code === 'fork' || code.startsWith('checkpoint_')) {
            expect(whole).toHaveProperty([chain_id]);
            whole[chain_id] = false;
          }
        expect(
          Object.fromEntries(result.chains.map(({ chain_id, status }) => [chain_id, status === 'valid'])),
        ).toEqual(whole);
        expect(result.status).toBe(
          Object.keys(whole).length === 0
            ? 'empty'
            : Object.values(whole).every(Boolean)
              ? 'valid'
              : 'tampered',
        );
        for (const { code } of result.findings) seen.add(code);
      },
    ),
    { numRuns: 60, endOnFailure: true },
  );
  // A run that found little has shown little.
  expect(seen.size).toBeGreaterThanOrEqual(6);
});
