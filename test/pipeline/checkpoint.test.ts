import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rootOfLeaves } from '../../src/chain/merkle.ts';
import { parseNote, verifyNote } from '../../src/chain/note.ts';
import { LocalSigner, verifyEd25519 } from '../../src/chain/signer.ts';
import { parseVkey } from '../../src/chain/vkey.ts';
import type { Clock } from '../../src/clock.ts';
import { enrolmentIn } from '../../src/config/enrolment.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { OwnChain } from '../../src/own-chain.ts';
import { Writer, type WriterOptions } from '../../src/pipeline.ts';
import { control } from '../../src/record/control.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { temporaryFolder } from '../support/cli.ts';
import { LEDGER_ID, ORIGIN, openJournal, POLICY, writerIn } from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const START = Date.UTC(2026, 2, 1) * 1_000;
const SECOND = 1_000_000;

interface Read extends AuditRecord {
  id: string;
  hash: string;
}

function newJournal(dir = join(temporaryFolder(), 'journal-00000000')): Journal {
  const journal = openJournal(dir);
  onTestFinished(() => journal.close());
  return journal;
}

async function recordsIn(journal: Journal): Promise<Read[]> {
  await journal.flush();
  return [...journal.unshipped()].map(({ record }) => ({
    ...(JSON.parse(record.payload) as AuditRecord),
    id: `${record.chainId}:${record.seq}`,
    hash: record.recordHash,
  }));
}

function chainIn(journal: Journal, more: Partial<WriterOptions> = {}): OwnChain {
  return new OwnChain({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    writer: 'test',
    version: '0',
    origin: ORIGIN,
    ...more,
  });
}

/** By SPEC.md alone: a note of this chain over all the records before it. */
function expectSigned(records: readonly Read[], at: number): void {
  const [opened] = records;
  const [chainId] = opened!.id.split(':');
  const vkey = parseVkey(opened!.control!.vkey as string);
  expect(vkey.name).toBe(`${ORIGIN}/${chainId}`);
  const note = parseNote(records[at]!.control!.note as string);
  expect(verifyNote(note, [vkey])).toHaveLength(1);
  const root = rootOfLeaves(records.slice(0, at).map(({ hash }) => hash));
  expect(note.text).toBe(`${vkey.name}\n${at}\n${Buffer.from(root, 'hex').toString('base64')}\n`);
}

const actions = (records: readonly Read[]) => records.map(({ action }) => action);

describe('a chain', () => {
  it('names its key as it opens, and signs all before its end as it closes', async () => {
    const journal = newJournal();
    const writer = writerIn(journal);
    await writer.append(toolCalls(3));
    await writer.close();
    const records = await recordsIn(journal);
    expect(actions(records).at(-1)).toBe('chain_closed');
    expectSigned(records, records.length - 1);
  });

  it('signs every 10,000 records, whoever appends them', async () => {
    const journal = newJournal();
    const writer = writerIn(journal, () => START);
    await writer.append(toolCalls(12_000));
    const records = await recordsIn(journal);
    expect(records.flatMap(({ action }, i) => (action === 'checkpoint' ? [i] : []))).toEqual([10_000]);
    expectSigned(records, 10_000);
  });

  it('signs before the next record where the last checkpoint is 60 s old', async () => {
    let now = START;
    const journal = newJournal();
    const writer = writerIn(journal, () => now);
    await writer.append(toolCalls(1));
    now += 59 * SECOND;
    await writer.append(toolCalls(1));
    now += SECOND;
    await writer.append(toolCalls(1));
    const records = await recordsIn(journal);
    expect(actions(records)).toEqual([
      'chain_opened',
      'tool_invoked',
      'tool_invoked',
      'checkpoint',
      'tool_invoked',
    ]);
    expectSigned(records, 3);
  });

  it('goes on signing every 60 s where the clock was a day ahead and is set back', async () => {
    let now = START + 86_400 * SECOND;
    const journal = newJournal();
    const writer = writerIn(journal, () => now);
    await writer.append(toolCalls(1));
    for (now = START; now <= START + 120 * SECOND; now += 30 * SECOND) await writer.append(toolCalls(1));
    const records = await recordsIn(journal);
    const one = 'tool_invoked';
    expect(actions(records)).toEqual([
      'chain_opened',
      one,
      'checkpoint',
      one,
      one,
      'checkpoint',
      one,
      one,
      'checkpoint',
      one,
    ]);
    expectSigned(records, 8);
  });

  it('signs after 60 s with new records, after 5 minutes without, and not once it has ended', async () => {
    const journal = newJournal();
    const chain = chainIn(journal);
    const append = (now: number) =>
      journal.transact((part) => chain.append(part, control('gap', { spans: 1 }, now), now));
    const beat = (now: number) => journal.transact((part) => chain.beat(part, now));
    const checkpoints = async () =>
      (await recordsIn(journal)).filter(({ action }) => action === 'checkpoint').length;
    beat(START);
    append(START);
    beat(START + 59 * SECOND);
    expect(await checkpoints()).toBe(0);
    beat(START + 60 * SECOND);
    expect(await checkpoints()).toBe(1);
    beat(START + 359 * SECOND);
    expect(await checkpoints()).toBe(1);
    beat(START + 360 * SECOND);
    beat(START + 361 * SECOND);
    expect(await checkpoints()).toBe(2);
    const records = await recordsIn(journal);
    for (const at of [2, 3]) expectSigned(records, at);
    chain.end(START + 400 * SECOND);
    beat(START + 4_000 * SECOND);
    expect(actions(await recordsIn(journal)).at(-1)).toBe('chain_closed');
  });

  it('is signed by its journal’s key, whichever process writes', async () => {
    const dir = join(temporaryFolder(), 'journal-00000000');
    const keys: string[] = [];
    for (let start = 0; start < 2; start++) {
      const journal = openJournal(dir);
      const writer = writerIn(journal);
      await writer.append(toolCalls(1));
      const records = await recordsIn(journal);
      const opened = records.findLast(({ action }) => action === 'chain_opened')!;
      keys.push(Buffer.from(parseVkey(opened.control!.vkey as string).publicKey).toString('hex'));
      await writer.close();
      await journal.close();
    }
    expect(new Set(keys).size).toBe(1);
    expect(statSync(join(dir, 'key')).mode & 0o777).toBe(0o600);
  });

  it.skipIf(process.platform === 'win32')('is not opened under a key that others can read', async () => {
    const journal = newJournal();
    const path = join(journal.dir, 'key');
    writeFileSync(path, `${'A'.repeat(43)}\n`);
    chmodSync(path, 0o640);
    await expect(writerIn(journal).append(toolCalls(1))).rejects.toMatchObject({
      code: 'config_invalid',
      hint: `chmod 600 ${path}`,
    });
    expect(await recordsIn(journal)).toEqual([]);
  });

  it('never says its key’s bytes in an error', async () => {
    const journal = newJournal();
    const path = join(journal.dir, 'key');
    writeFileSync(path, 'no-key-but-somebodys-secret', { mode: 0o600 });
    const error = await writerIn(journal)
      .append(toolCalls(1))
      .catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'config_invalid' });
    expect(JSON.stringify([error, String(error)])).not.toContain('secret');
    expect(readFileSync(path, 'utf8')).toContain('secret');
  });

  it('is enrolled by whoever holds the key the keeper knows', async () => {
    const journal = newJournal();
    const seed = Buffer.alloc(32, 9);
    const key = new LocalSigner('writers.example', seed);
    const chain = chainIn(journal, enrolmentIn({ SPANLEDGER_ENROL_KEY: privateKeyText(key, seed) }));
    journal.transact((part) => chain.open(part, START));
    const [opened] = await recordsIn(journal);
    const { vkey, enrol } = opened!.control as { vkey: string; enrol: string };
    const said = `spanledger/enrol/v1\n${LEDGER_ID}\n${opened!.id.split(':')[0]}\n${vkey}\n`;
    expect(verifyEd25519(key.publicKey, Buffer.from(said), Buffer.from(enrol, 'base64'))).toBe(true);
  });
});

describe('the control chain', () => {
  const keeper = new LocalSigner(ORIGIN, Buffer.alloc(32, 3));
  const writerOf = (journal: Journal, clock: Clock) =>
    new Writer({
      journal,
      policy: POLICY,
      ledgerId: LEDGER_ID,
      clock,
      writer: 'keeper',
      version: '0',
      origin: ORIGIN,
      control: { vkey: keeper.vkey },
    });

  it('goes on where it was after every start, and is never closed nor signed by its writer', async () => {
    const dir = join(temporaryFolder(), 'control-00000000');
    let now = START;
    for (let start = 0; start < 3; start++) {
      const journal = openJournal(dir);
      const writer = writerOf(journal, () => now);
      writer.tell(control('round', { round: start }, now));
      now += 1_000 * SECOND;
      await writer.close();
      await journal.close();
    }
    const records = await recordsIn(newJournal(dir));
    expect(actions(records)).toEqual(['chain_opened', 'round', 'round', 'round']);
    expect(records.map(({ id }) => id.split(':')[1])).toEqual(['0', '1', '2', '3']);
    expect(records[0]!.control).toMatchObject({ role: 'control', vkey: keeper.vkey });
  });
});

function privateKeyText({ vkey, name }: LocalSigner, seed: Buffer): string {
  const { id } = parseVkey(vkey);
  return `PRIVATE+KEY+${name}+${id}+${Buffer.concat([Buffer.of(1), seed]).toString('base64')}`;
}

describe('a declared change', () => {
  it('is told once, by the first chain that comes to stand in the journal', async () => {
    const journal = newJournal();
    const chain = chainIn(journal);
    const append = (more = () => {}) =>
      journal.transact((transaction) => {
        chain.append(transaction, control('gap', { spans: 1 }, START), START);
        more();
      });
    append();
    chain.end(START);
    chain.turn(POLICY, { actor: { type: 'admin', id: 'lee' }, retired: 'k0' });
    const full = () => {
      throw new Error('no space left');
    };
    expect(() => append(full)).toThrow('no space left');
    append();
    chain.end(START);
    append();
    const told = (await recordsIn(journal)).filter(({ action }) => action === 'policy_changed');
    expect(told.map(({ actor }) => actor)).toEqual([{ type: 'admin', id: 'lee' }]);
  });
});
