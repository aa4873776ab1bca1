import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { payloadDigest, recordHash } from '../../src/chain/entry.ts';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { lineOf, readLine } from '../../src/target/line.ts';
import {
  LEDGER_ID,
  memoryFolder,
  openJournal,
  recordOf,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

let records: SealedRecord[];
const folder = memoryFolder();
beforeAll(async () => {
  const journal = openJournal(join(folder, 'journal'));
  await writerIn(journal).append(toolCalls(3, { args: { said: 'naïve\n\t"\\ 🦄' } }));
  records = unshippedOf(journal);
  await journal.close();
});

const problemOf = (text: string) => {
  const read = readLine(text, LEDGER_ID);
  return 'problem' in read ? read.problem : undefined;
};

/** The record with another payload, or other fields, and a hash that is right again. */
function resealed(changes: Partial<SealedRecord>, payload: object = {}): SealedRecord {
  const changed = {
    ...records[1]!,
    payload: canonicalJson({ ...recordOf(records[1]!), ...payload }),
    ...changes,
  };
  const hashed = { ...changed, ledgerId: LEDGER_ID, payloadDigest: payloadDigest(changed.payload) };
  return { ...changed, recordHash: recordHash(hashed) };
}

describe('a line', () => {
  it('is read back as the record it was', () => {
    for (const record of records) {
      const line = lineOf(record);
      expect(line.indexOf('\n')).toBe(line.length - 1);
      expect(readLine(line.trimEnd(), LEDGER_ID)).toEqual({ sealed: record, record: recordOf(record) });
    }
  });

  it('of another ledger is refused', () => {
    const other = LEDGER_ID.replace('0', '1');
    expect(readLine(lineOf(records[0]!), other)).toMatchObject({ problem: /record_hash/ });
  });

  it.each<[string, Partial<SealedRecord>, object, RegExp]>([
    ['a class its payload does not name', { retentionClass: 'hipaa' }, {}, /retention_class/],
    [
      'no class at all',
      { retentionClass: undefined as unknown as string },
      { retention_class: 7 },
      /retention_class/,
    ],
    // It would begin another row, of another chain, where rows are written as text.
    [
      'a class with more rows in it',
      { retentionClass: 'x\t1\t\\x00\t{}\nother\t0\tledger' },
      { retention_class: 'x\t1\t\\x00\t{}\nother\t0\tledger' },
      /retention_class/,
    ],
    [
      'a class too long',
      { retentionClass: 'x'.repeat(65) },
      { retention_class: 'x'.repeat(65) },
      /retention_class/,
    ],
    ['another version', {}, { v: 2 }, /retention_class|payload/],
    ['a time that is none', {}, { occurred_at: 'yesterday' }, /times/],
    ['a time of another form', {}, { recorded_at: '2026-01-01T00:00:00.000000000Z' }, /times/],
    ['a payload that is not canonical', { payload: '{"v": 1}' }, {}, /payload/],
    ['a payload that is no JSON', { payload: '{' }, {}, /payload/],
    ['a payload that is nothing', { payload: 'null' }, {}, /retention_class|payload/],
    ['a payload with half a character', { payload: '{"v":1,"x":"\ud83e"}' }, {}, /payload/],
    ['an id with a tab', { chainId: 'a\tb' }, {}, /chain_id/],
    ['a place before the first', { seq: -1 }, {}, /seq/],
    ['a place beyond all', { seq: 2 ** 53 }, {}, /seq/],
    ['an expiry beyond 2100', { expiresAt: 4_102_444_801 }, {}, /expires_at/],
    ['a hash in capitals', { prevHash: 'A'.repeat(64) }, {}, /prev_hash/],
  ])('whose hash is right, with %s, is refused', (_, changes, payload, says) => {
    // A hash cannot be made of what has no place or digest; the line is refused before it is asked.
    let record: SealedRecord;
    try {
      record = resealed(changes, payload);
    } catch {
      record = { ...records[1]!, ...changes };
    }
    expect(problemOf(lineOf(record).trimEnd())).toMatch(says);
  });

  it('with anything changed is refused', () => {
    fc.assert(
      fc.property(
        fc.nat(records.length - 1),
        fc.constantFrom(
          'chain_id',
          'seq',
          'expires_at',
          'retention_class',
          'prev_hash',
          'record_hash',
          'payload',
        ),
        fc.jsonValue(),
        (i, field, value) => {
          const line = JSON.parse(lineOf(records[i]!)) as { [field: string]: unknown };
          fc.pre(JSON.stringify(line[field]) !== JSON.stringify(value));
          expect(problemOf(JSON.stringify({ ...line, [field]: value }))).toBeDefined();
        },
      ),
    );
  });

  it('that is anything else is refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(problemOf(text)).toBeDefined();
      }),
    );
  });
});
