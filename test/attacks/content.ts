import { recordHash } from '../../src/chain/entry.ts';
import { dropTable, everywhere } from './attacked-ledger.ts';
import type { Attack } from './attacks.ts';

/** Rows 1 to 14. */
export const CONTENT: Attack[] = [
  {
    row: 1,
    title: 'a payload’s bytes',
    does: (ledger) => ledger.change('A', 3, 'list_files', 'drop_table'),
    finds: ['record_mismatch A:3'],
  },
  {
    row: 1,
    title: 'a payload’s bytes, by a mutation',
    does: (ledger) =>
      ledger.update(`payload = replaceOne(payload, 'list_files', 'drop_table')`, ledger.at('A', 3)),
    finds: ['record_mismatch A:3', 'schema_mismatch :0'],
  },
  {
    row: 2,
    title: 'a payload and its hash',
    does: (ledger) => ledger.refit('A', 3),
    finds: ['record_mismatch A:4'],
  },
  {
    row: 2,
    title: 'a payload and its hash, where a checkpoint ends',
    does: (ledger) => ledger.refit('A', 9),
    finds: ['record_mismatch A:10'],
  },
  {
    row: 2,
    title: 'a payload and its hash, of the last that is listed',
    does: (ledger) => ledger.refit('C', 6),
    finds: ['checkpoint_mismatch C:6'],
  },
  {
    row: 3,
    title: 'a payload, and every hash after it',
    does: (ledger) => ledger.forge('A', dropTable),
    finds: ['checkpoint_mismatch A:13', 'checkpoint_mismatch A:5'],
  },
  {
    row: 4,
    title: 'a column’s expression, and what is stored of it',
    does: async (ledger) => {
      await ledger.alter(
        `MODIFY COLUMN occurred_at DateTime64(9, 'UTC') MATERIALIZED toDateTime64('2020-01-01 00:00:00', 9, 'UTC')`,
      );
      await ledger.alter('MATERIALIZE COLUMN occurred_at');
    },
    finds: [...everywhere('derived_mismatch'), 'schema_mismatch :0', 'schema_mismatch :0'],
    rebuilds: true,
  },
  {
    row: 4,
    title: 'an alias’s expression',
    does: (ledger) => ledger.alter(`MODIFY COLUMN user_id String ALIAS 'nobody'`),
    finds: ['schema_mismatch :0'],
    rebuilds: true,
  },
  {
    row: 5,
    title: 'what no column shows',
    does: (ledger) => ledger.change('A', 3, '"salt":"', '"salt":"A'),
    finds: ['record_mismatch A:3'],
  },
  {
    row: 6,
    title: 'a hash',
    does: (ledger) => ledger.move({ record_hash: 'reverse(record_hash)' }, ledger.at('A', 3)),
    finds: ['record_mismatch A:3', 'record_mismatch A:4'],
  },
  {
    row: 6,
    title: 'a seq',
    does: (ledger) => ledger.move({ seq: '30' }, ledger.at('A', 3)),
    finds: ['seq_gap A:19-29', 'seq_gap A:3'],
  },
  {
    row: 6,
    title: 'a chain',
    does: (ledger) => ledger.move({ chain_id: `'another'` }, ledger.at('A', 3)),
    finds: ['genesis_missing another:0-2', 'seq_gap A:3'],
  },
  {
    row: 7,
    title: 'an expiry',
    does: (ledger) => ledger.move({ expires_at: 'expires_at + 86400' }, ledger.at('A', 3)),
    finds: ['record_mismatch A:3'],
  },
  {
    row: 7,
    title: 'a class',
    does: (ledger) => ledger.move({ retention_class: `'hipaa'` }, ledger.at('A', 3)),
    finds: ['derived_mismatch A:3'],
  },
  {
    row: 8,
    title: 'a content’s ciphertext',
    does: (ledger) =>
      ledger.content(
        `chain_id, seq, field, retention_class, expires_at, ref, if(seq = 2 AND field = 'result', reverse(sealed), sealed)`,
      ),
    finds: ['content_mismatch V:2'],
  },
  {
    row: 9,
    title: 'the contents of two records exchanged',
    does: (ledger) =>
      ledger.content(
        `chain_id, if(seq IN (2, 4), 6 - seq, seq), field, retention_class, expires_at, ref, sealed`,
      ),
    finds: ['content_mismatch V:2', 'content_mismatch V:2', 'content_mismatch V:4', 'content_mismatch V:4'],
  },
  {
    row: 10,
    title: 'a content removed',
    does: (ledger) => ledger.content(undefined, `NOT (seq = 2 AND field = 'result')`),
    finds: ['content_mismatch V:2'],
  },
  {
    row: 11,
    title: 'the same in other bytes',
    does: (ledger) => ledger.change('A', 3, ',"', ', "'),
    finds: ['record_mismatch A:3'],
  },
  {
    row: 11,
    title: 'the same in other bytes, and every hash after it',
    does: (ledger) =>
      ledger.reseal(ledger.ids.C!, ({ seq, payload }) =>
        seq === 3n ? { payload: payload.toString().replace(',"', ', "') } : {},
      ),
    finds: ['checkpoint_mismatch C:6', 'checkpoint_mismatch C:6', 'payload_not_canonical C:3'],
  },
  {
    row: 12,
    title: 'a type in which values round',
    does: (ledger) =>
      ledger.alter(
        `MODIFY COLUMN occurred_at DateTime64(3, 'UTC') MATERIALIZED parseDateTime64BestEffortOrZero(fields.occurred_at, 9, 'UTC')`,
      ),
    finds: ['schema_mismatch :0', 'schema_mismatch :0'],
    rebuilds: true,
  },
  {
    row: 13,
    title: 'a view that serves other rows',
    does: (ledger) =>
      ledger.store.command('CREATE OR REPLACE VIEW spanledger.failures AS SELECT 1 AS position'),
    finds: ['schema_mismatch :0', 'schema_mismatch :0'],
    rebuilds: true,
  },
  {
    row: 14,
    title: 'entries of another version from some seq on',
    does: (ledger) =>
      ledger.reseal(
        ledger.ids.B!,
        () => ({}),
        (entry) =>
          entry.seq < 3n
            ? recordHash(entry)
            : ledger.hashOfText(entry, (text) => text.replace('entry/v1', 'entry/v0')),
      ),
    finds: ['checkpoint_mismatch B:4', 'record_mismatch B:3', 'record_mismatch B:4'],
  },
];
