import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Gone } from '../../src/journal/forget.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { WrappedKey } from '../../src/vault/wrapped-key.ts';
import { embeddedStore } from '../support/embedded-store.ts';
import { fileFolder, openJournal, ship, unshippedOf } from '../support/ledger-kit.ts';
import { modelSaying, toolSaying, vaultWriter } from '../support/vault-kit.ts';

const embedded = embeddedStore();

/** Files of a folder that hold some text, at any depth. */
function holding(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name);
    return statSync(path).isFile() && readFileSync(path).includes(text);
  });
}

/** Data keys in the frames of the log, with the key of memory they are remembered by. */
function wrappedOf(journal: Journal): [string, WrappedKey][] {
  const found = new Map<string, WrappedKey>();
  for (const { contents = [] } of [...journal.retained(), ...unshippedOf(journal)])
    for (const { key } of contents) found.set(`vault|default|${encodeURIComponent(key.subject)}`, key);
  return [...found];
}

describe('a journal asked to forget', () => {
  it('goes on in new files, which hold nothing of what is gone, and all else as it was', async () => {
    const dir = join(fileFolder(), 'app-00000001');
    let journal = openJournal(dir);
    const writer = vaultWriter(journal);
    await writer.append([modelSaying('hello CANARY-PROMPT', 'hi', undefined, 'user-CANARY')]);
    await writer.append([toolSaying({ path: '/CANARY-PATH' }, 'x')]);
    const { chainId, size } = journal.chain!;
    await writer.journal.flush();
    await ship(writer, embedded.store);
    await journal.tidy();
    expect(holding(dir, 'user-CANARY').length).toBeGreaterThan(0);
    const [[place, key]] = wrappedOf(journal) as [[string, WrappedKey]];
    const gone: Gone = { has: (id, seq) => id === chainId && seq > 0, keys: new Set([key.id]) };

    // What is not shipped yet stays, and with it all before it.
    await writer.append([toolSaying({ path: '/later' }, 'y')]);
    expect(await journal.forget(gone)).toBe(false);
    expect(unshippedOf(journal).length).toBeGreaterThan(0);
    await ship(writer, embedded.store);
    const chain = journal.chain!;
    expect(chain.size).toBeGreaterThan(size);
    expect(await journal.forget(gone)).toBe(true);
    expect(holding(dir, 'CANARY')).toEqual([]);
    expect(holding(dir, key.wrapped)).toEqual([]);
    expect(holding(dir, place.slice(place.lastIndexOf('|') + 1))).toEqual([]);
    expect(readdirSync(dir).sort()).toEqual(['key', 'lock', 'log', 'memory']);
    expect(journal.chain).toEqual(chain);

    // It goes on, in this process and in the next.
    await writer.append([toolSaying({ path: '/then' }, 'z')]);
    expect(unshippedOf(journal).length).toBeGreaterThan(0);
    await ship(writer, embedded.store);
    expect(await journal.forget(gone), 'costs a look').toBe(true);
    await writer.close();
    await ship(writer, embedded.store);
    await journal.close();
    journal = openJournal(dir);
    expect(journal.chain).toMatchObject({ chainId, closed: true });
    expect(unshippedOf(journal)).toEqual([]);
    const again = vaultWriter(journal);
    await again.append([modelSaying('new', 'more', undefined, 'user-CANARY')]);
    expect(wrappedOf(journal).map(([, { id }]) => id)).not.toContain(key.id);
    await again.close();
    await ship(again, embedded.store);
    await journal.close();
  });

  it('knows a span again that it has forgotten the person of', async () => {
    const dir = join(fileFolder(), 'app-00000002');
    const journal = openJournal(dir);
    const writer = vaultWriter(journal);
    const span = modelSaying('prompt', 'answer', undefined, 'user-CANARY');
    await writer.append([span]);
    await ship(writer, embedded.store);
    const { chainId } = journal.chain!;
    await journal.forget({ has: (id) => id === chainId, keys: new Set() });
    expect(await writer.append([span])).toMatchObject({ duplicates: 1, records: {} });
    expect(holding(dir, 'user-CANARY')).toEqual([]);
    await writer.close();
    await ship(writer, embedded.store);
    await journal.close();
  });
});
