import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { memoryFolder, openJournal, openStore, ship, writerIn } from './ledger-kit.ts';
import { TamperedLedger, told } from './tampered-ledger.ts';
import { toolCalls } from './test-spans.ts';

/** Records in each of the two chains: its opening, nine tool calls, its closing. */
export const SIZE = 11;
export const LAST = SIZE - 1;

/** A ledger of two chains, A and B, written by the real writer and shipped, as it was before each test. */
export class TwoChains extends TamperedLedger {
  readonly ids: { [name: string]: string } = {};

  /** A row. */
  at(name: string, seq: number): string {
    return `chain_id = '${this.ids[name]}' AND seq = ${seq}`;
  }

  /** A chain's rows. */
  of(name: string): string {
    return `chain_id = '${this.ids[name]}'`;
  }

  /** Changes a byte no column shows, and leaves the hash. */
  async edit(name: string, seq: number): Promise<void> {
    await this.update(`payload = replaceOne(payload, '"v":1', '"v":2')`, this.at(name, seq));
  }

  /** What both engines find, chains by their names. */
  async findings(): Promise<string[]> {
    const names = Object.fromEntries(Object.entries(this.ids).map(([name, id]) => [id, name]));
    return told(await this.verify(), names).sort();
  }
}

/** For a test file: made once, put back before each test. */
export function twoChains(): TwoChains {
  const folder = memoryFolder();
  const ledger = new TwoChains();
  beforeAll(async () => {
    ledger.store = await openStore(join(folder, 'ledger'));
    const journal = openJournal(join(folder, 'journal'));
    for (const name of ['A', 'B']) {
      const writer = writerIn(journal);
      await writer.append(toolCalls(SIZE - 2, { args: { of: name } }));
      await writer.close();
      ledger.ids[name] = journal.chain!.chainId;
    }
    await ship(writerIn(journal), ledger.store);
    await journal.close();
    await ledger.keep();
  });
  beforeEach(() => ledger.reset());
  afterAll(() => ledger.store.close());
  return ledger;
}
