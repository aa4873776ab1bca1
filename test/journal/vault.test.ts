import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { decodeBody, decodeRecords, encodeBody } from '../../src/journal/body.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { openContent, refOf } from '../../src/vault/blob.ts';
import type { ContentKeys } from '../../src/vault/content-keys.ts';
import { fits, type SealedContent } from '../../src/vault/sealed.ts';
import { unwrapKey } from '../../src/vault/wrapped-key.ts';
import {
  fileFolder,
  LEDGER_ID,
  openJournal,
  recordOf,
  sealChain,
  unshippedOf,
} from '../support/ledger-kit.ts';
import { CONTENT_KEYS, modelSaying, policyWith, toolSaying, vaultWriter } from '../support/vault-kit.ts';

const folder = fileFolder();
let made = 0;
const newJournal = () => openJournal(join(folder, `journal-${made++}`));
const contentsIn = (journal: Journal) => unshippedOf(journal).flatMap(({ contents = [] }) => contents);

function open({ key, sealed }: SealedContent, keys: ContentKeys = CONTENT_KEYS): string | undefined {
  const master = keys.find(({ id }) => id === key.master);
  return openContent(sealed, unwrapKey(key, master!, LEDGER_ID)!, LEDGER_ID);
}

describe('contents in a journal', () => {
  it('are sealed with their record, and open to what was said, redacted', async () => {
    const journal = newJournal();
    await vaultWriter(journal).append([toolSaying({ path: '/tmp', password: 'hunter2' }, 'three files')]);
    const sealed = unshippedOf(journal).filter(({ contents }) => contents !== undefined);
    expect(sealed).toHaveLength(1);
    const [{ contents, expiresAt, retentionClass }] = sealed as [Required<SealedRecord>];
    const record = recordOf(sealed[0]!);
    expect(fits(record, contents)).toBe(true);
    expect(record.content!.result).toEqual({
      digest: expect.any(String),
      expires_at: expiresAt,
      ref: refOf(contents[1]!.sealed),
      size: 11,
    });
    expect(contents.map((each) => [each.field, open(each), each.expiresAt, each.retentionClass])).toEqual([
      ['arguments', '{"path":"/tmp","password":"***REDACTED***"}', expiresAt, retentionClass],
      ['result', 'three files', expiresAt, retentionClass],
    ]);
    await journal.close();
  });

  it('stand in no file in clear, nor does any key', async () => {
    const journal = newJournal();
    const writer = vaultWriter(journal);
    await writer.append([
      toolSaying({ note: 'x' }, 'and so on'),
      modelSaying('the moon is made of cheese', 'no reason'),
    ]);
    await writer.close();
    const data = contentsIn(journal).map(({ key }) => unwrapKey(key, CONTENT_KEYS[0], LEDGER_ID)!);
    expect(data).toHaveLength(5);
    await journal.close();
    const files = readdirSync(journal.dir, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    const bytes = Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))));
    expect(bytes.includes('list_files')).toBe(true);
    for (const word of ['cheese', 'and so on', 'no reason', ...data, CONTENT_KEYS[0].secret])
      for (const form of [
        Buffer.from(word),
        Buffer.from(Buffer.from(word).toString('base64').slice(0, -2)),
        Buffer.from(Buffer.from(word).toString('hex')),
      ])
        expect(bytes.includes(form)).toBe(false);
  });

  it("are sealed by a key of their subject, which the journal's next owner goes on with", async () => {
    const journal = newJournal();
    await vaultWriter(journal).append([
      modelSaying('a', 'b', undefined, 'u-1'),
      modelSaying('c', 'd', undefined, 'u-2'),
    ]);
    await journal.close();
    const next = openJournal(journal.dir);
    await vaultWriter(next).append([modelSaying('e', 'f', undefined, 'u-1')]);
    const keys = new Map<string, Set<string>>();
    for (const each of contentsIn(next))
      keys.set(each.key.subject, (keys.get(each.key.subject) ?? new Set()).add(each.key.id));
    expect([...keys.values()].map(({ size }) => size)).toEqual([1, 1]);
    expect([...keys.keys()].every((subject) => subject.startsWith('hmac:k1:'))).toBe(true);
    await next.close();
  });

  it('are sealed under the newest master key, and open under the one before', async () => {
    const journal = newJournal();
    const rotated: ContentKeys = [...CONTENT_KEYS, { id: 'c2', secret: Buffer.alloc(32, 3) }];
    await vaultWriter(journal).append([modelSaying('a', 'b')]);
    await vaultWriter(journal, { keys: rotated }).append([modelSaying('c', 'd')]);
    const contents = contentsIn(journal);
    expect(contents.map(({ key }) => key.master)).toEqual(['c1', 'c1', 'c1', 'c2', 'c2', 'c2']);
    expect(contents.map((each) => open(each, rotated)).filter((each) => each!.length === 1)).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
    await journal.close();
  });

  it('go no later than their record, and as early as the policy says', async () => {
    const policyOf = (retention: string) =>
      policyWith({
        content: { prompts: 'vault', retention },
        retention: {
          classes: { brief: { days: 10, archive: 'none' }, long: { days: 9_000, archive: 'none' } },
        },
      });
    for (const [retention, days, retentionClass] of [
      ['brief', 40, 'brief'],
      ['long', 395, 'default'],
    ] as const) {
      const journal = newJournal();
      const policy = policyOf(retention);
      const clock = () => 1_790_000_000_000_000;
      await vaultWriter(journal, { policy, clock }).append([modelSaying('a', 'b', policy)]);
      const [content] = contentsIn(journal);
      expect(content).toMatchObject({ expiresAt: 1_790_000_000 + days * 86_400, retentionClass });
      await journal.close();
    }
  });
});

describe('the body of a frame', () => {
  const content = fc.record({
    field: fc.constantFrom('answer' as const, 'arguments' as const, 'prompt' as const, 'result' as const),
    ref: fc.string(),
    retentionClass: fc.string(),
    expiresAt: fc.nat(),
    key: fc.record({
      id: fc.constantFrom('k1', 'k2', 'k3'),
      subject: fc.string(),
      master: fc.constant('c1'),
      wrapped: fc.base64String(),
    }),
    sealed: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  });
  const change = fc.record({
    contents: fc.array(fc.option(fc.array(content, { minLength: 1, maxLength: 3 }), { nil: undefined }), {
      maxLength: 6,
    }),
    writes: fc.array(fc.tuple(fc.string(), fc.jsonValue())),
  });

  it('gives back records with their contents, whoever reads it', () => {
    fc.assert(
      fc.property(change, ({ contents, writes }) => {
        const keys = new Map(contents.flat().map((each) => [each?.key.id, each?.key]));
        const records: SealedRecord[] = sealChain(
          'chain',
          contents.map((_, i) => `{"at":${i},"é":"],\\"w\\":"}`),
        ).map((record, i) => ({
          ...record,
          seq: i,
          ...(contents[i] === undefined
            ? {}
            : { contents: contents[i].map((each) => ({ ...each, key: keys.get(each.key.id)! })) }),
        }));
        const body = encodeBody({ records, writes });
        expect(decodeRecords(body)).toEqual(records);
        expect(decodeBody(body)).toEqual({ records, writes: JSON.parse(JSON.stringify(writes)) });
        const without = records.map(({ contents: _, ...record }) => record);
        expect(encodeBody({ records: without, writes }).includes('"x":[')).toBe(false);
      }),
    );
  });
});
