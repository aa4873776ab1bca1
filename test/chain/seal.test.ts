import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendLeaf, emptyFrontier } from '../../src/chain/merkle.ts';
import { type ChainHead, newChain, type SealContext, type SealedRecord, seal } from '../../src/chain/seal.ts';
import { BUILTIN_POLICY } from '../../src/policy/builtin.ts';
import { canonicalJson, NotCanonical } from '../../src/record/canonical.ts';
import { control } from '../../src/record/control.ts';
import { readCanonical } from '../../src/record/reader.ts';
import type { AuditRecord, RecordDraft } from '../../src/record/record.ts';
import { fromMicroseconds } from '../../src/record/time.ts';
import { modelSpan, NOW, Settled, toolSpan, user } from '../support/spans.ts';

const LEDGER = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
const SALT = 'AAECAwQFBgcICQoLDA0ODw';

const context = (more: Partial<SealContext> = {}): SealContext => ({
  ledgerId: LEDGER,
  policy: BUILTIN_POLICY,
  now: NOW,
  salt: SALT,
  ...more,
});

const draft = (more: Partial<RecordDraft> = {}): RecordDraft => ({
  ...control('gap', { spans: 1, reason: 'test', from: 'a', to: 'b' }, NOW),
  ...more,
});

/** Real records: an intent, an outcome with an access, a model call. */
function drafts(): RecordDraft[] {
  const settled = new Settled();
  const tool = toolSpan('get_patient', { args: { patient_id: 'P-1' }, result: { ok: true } });
  settled.take(tool, { phase: 'intent' });
  settled.take(tool);
  settled.take(modelSpan([user('hi')], { 'gen_ai.conversation.id': 'c1' }, { id: '2' }));
  return settled.records;
}

const read = (sealed: SealedRecord) => JSON.parse(sealed.payload) as AuditRecord;

/** By SPEC.md alone. */
function expectedHash({ chainId, seq, expiresAt, prevHash, payload }: SealedRecord): string {
  const digest = createHash('sha256').update(payload).digest('hex');
  const entry = ['spanledger/entry/v1', LEDGER, chainId, seq, expiresAt, prevHash, digest].join('\n');
  return createHash('sha256').update(`\0${entry}\n`).digest('hex');
}

describe('a chain', () => {
  it('begins at 0 over zeros, counts by one, and each record names the hash before it', () => {
    const head = newChain('c');
    const sealed = drafts().map((each) => seal(each, head, context()));
    expect(sealed.length).toBeGreaterThan(4);
    expect(sealed.map(({ seq }) => seq)).toEqual(sealed.map((_, i) => i));
    expect(sealed.map(({ prevHash }) => prevHash)).toEqual([
      '0'.repeat(64),
      ...sealed.slice(0, -1).map(({ recordHash }) => recordHash),
    ]);
    for (const each of sealed) expect(each.recordHash).toBe(expectedHash(each));
    expect(head).toEqual<ChainHead>({
      chainId: 'c',
      size: sealed.length,
      head: sealed.at(-1)!.recordHash,
      recordedAt: NOW,
      tree: sealed.reduce((tree, { recordHash }) => appendLeaf(tree, recordHash), emptyFrontier()),
    });
  });

  it('gives another hash to the same record in another chain, place or ledger', () => {
    const places: [ChainHead, SealContext][] = [
      [newChain('c'), context()],
      [newChain('d'), context()],
      [{ ...newChain('c'), size: 1 }, context()],
      [{ ...newChain('c'), head: '1'.repeat(64) }, context()],
      [newChain('c'), context({ ledgerId: LEDGER.replace('0', '1') })],
      [newChain('c'), context({ salt: 'AAECAwQFBgcICQoLDA0ODg' })],
    ];
    const hashes = places.map(([head, where]) => seal(draft(), head, where).recordHash);
    expect(new Set(hashes).size).toBe(places.length);
  });

  it('whose clock steps back keeps recorded_at where it was', () => {
    const times = fc.array(fc.integer({ min: NOW - 1e9, max: NOW + 1e9 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(times, (clock) => {
        const head = newChain('c');
        const recorded = clock.map((now) => read(seal(draft(), head, context({ now }))).recorded_at);
        const latest = clock.map((_, i) => Math.max(...clock.slice(0, i + 1)));
        expect(recorded).toEqual(latest.map(fromMicroseconds));
      }),
    );
  });

  it('that could not seal a record is as before', () => {
    const head = newChain('c');
    seal(draft(), head, context());
    const before = { ...head };
    for (const unsayable of [{ details: { n: Number.NaN } }, { details: { big: 1n } }, { details: deep(33) }])
      expect(() => seal(draft(unsayable), head, context())).toThrow(NotCanonical);
    expect(head).toEqual(before);
  });
});

describe('a sealed record', () => {
  it('is canonical JSON of what it was, with version, salt and time', () => {
    for (const each of drafts()) {
      const sealed = seal(each, newChain('c'), context());
      expect(readCanonical(sealed.payload)).toHaveProperty('value');
      expect(read(sealed)).toEqual(
        JSON.parse(canonicalJson({ ...each, v: 1, salt: SALT, recorded_at: '2026-03-01T12:00:00.000000Z' })),
      );
    }
  });

  it('does not change its draft', () => {
    const one = Object.freeze(draft({ details: Object.freeze({ a: 'x\ud800' }) }));
    expect(() => seal(one, newChain('c'), context())).not.toThrow();
  });

  it.each([
    ['hipaa', '2032-03-29T12:00:00Z'],
    ['default', '2027-03-31T12:00:00Z'],
    ['ledger', '2100-01-01T00:00:00Z'],
  ])('of class %s expires at %s, counted from when it was recorded', (retention_class, expiry) => {
    const long_ago = { retention_class, occurred_at: '1970-01-01T00:00:00.000000000Z' };
    const sealed = seal(draft(long_ago), newChain('c'), context());
    expect(new Date(sealed.expiresAt * 1_000)).toEqual(new Date(expiry));
    expect(sealed.retentionClass).toBe(retention_class);
    const later = { ...newChain('c'), recordedAt: NOW + 5_000_000 };
    if (retention_class !== 'ledger')
      expect(seal(draft(long_ago), later, context()).expiresAt).toBe(sealed.expiresAt + 5);
  });
});

describe('lone surrogates', () => {
  it('are replaced wherever they stand, and noted', () => {
    const details = { a: ['x\ud800y', { '\udc00k': 'ok 😀' }], kept: 1 };
    const record = read(seal(draft({ details, conversation_id: '\udfff' }), newChain('c'), context()));
    expect(record.conversation_id).toBe('\ufffd');
    expect(record.details).toEqual({
      a: ['x\ufffdy', { '\ufffdk': 'ok 😀' }],
      kept: 1,
      replaced_surrogates: true,
    });
  });

  it('are noted only where there were any', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, broken) => {
        const conversation_id = broken ? `${text}\ud800` : text;
        const sealed = seal(draft({ conversation_id }), newChain('c'), context());
        expect(read(sealed).details?.replaced_surrogates).toBe(broken ? true : undefined);
        expect(read(sealed).conversation_id).toBe(conversation_id.toWellFormed());
        expect(sealed.recordHash).toBe(expectedHash(sealed));
      }),
    );
  });
});

function deep(depth: number): { [field: string]: unknown } {
  let value: { [field: string]: unknown } = {};
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
}
