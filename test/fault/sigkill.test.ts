import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { Journal } from '../../src/journal/journal.ts';
import { verify } from '../../src/verify/verify.ts';
import { journalChild } from '../support/child.ts';
import {
  brokenLinks,
  fileFolder,
  LEDGER_ID,
  openStore,
  recordOf,
  ship,
  unshippedOf,
  writerIn,
} from '../support/ledger-kit.ts';

const folder = fileFolder();
const ROUNDS = 20;

/** How often each span stands as a tool's outcome. */
function countSpans(records: readonly SealedRecord[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of records) {
    const { action, trace } = recordOf(each);
    if (action === 'tool_invoked') counts.set(trace!.span_id, (counts.get(trace!.span_id) ?? 0) + 1);
  }
  return counts;
}

describe.each([
  ['commit', 'each span said after its commit'],
  ['append', 'each span said after its flush'],
])('a writer killed while it works: %s, %s', (mode) => {
  it(`is in the journal, once, and its heir goes on from there: ${ROUNDS} times`, async () => {
    const dir = join(folder, mode);
    const said: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const child = journalChild(mode, dir);
      const until = 1 + Math.floor(Math.random() * 150);
      await child.heard(until);
      await child.kill();
      said.push(...(child.said as string[]));

      const heir = Journal.takeOver(join(dir, 'journal'), 'child');
      const records = unshippedOf(heir);
      expect(brokenLinks(records)).toEqual([]);
      const counts = countSpans(records);
      expect(said.filter((span) => counts.get(span) !== 1)).toEqual([]);
      // What was committed and not said yet is at most one span a round; none appears twice.
      expect(counts.size - said.length).toBeLessThanOrEqual(round + 1);
      expect([...counts.values()].every((count) => count === 1)).toBe(true);
      expect(heir.chain).toMatchObject({
        chainId: records.at(-1)!.chainId,
        size: records.at(-1)!.seq + 1,
        head: records.at(-1)!.recordHash,
        closed: false,
      });
      await heir.close();
    }
    await checkShipped(dir, said);
  }, 120_000);

  async function checkShipped(dir: string, said: readonly string[]): Promise<void> {
    const heir = Journal.takeOver(join(dir, 'journal'), 'child');
    const records = unshippedOf(heir);
    const opened = records.filter((record) => recordOf(record).action === 'chain_opened');
    expect(opened).toHaveLength(ROUNDS);
    for (const [i, record] of opened.entries()) {
      const { predecessor, unclean } = recordOf(record).control!;
      const last = records.filter(({ chainId }) => chainId === opened[i - 1]?.chainId).at(-1);
      expect(predecessor).toEqual(
        last && { chain_id: last.chainId, size: last.seq + 1, head: last.recordHash },
      );
      expect(unclean).toBe(i === 0 ? undefined : true);
    }
    const store = await openStore(dir);
    const { records: shipped } = await ship(writerIn(heir), store);
    expect(shipped).toBe(records.length);
    expect(unshippedOf(heir)).toEqual([]);
    const spans = await store.query<{ span_id: string; n: string }>(
      `SELECT span_id, count() AS n FROM spanledger.audit_records WHERE action = 'tool_invoked' GROUP BY span_id`,
    );
    expect(spans.filter(({ n }) => n !== '1')).toEqual([]);
    expect(said.filter((span) => !spans.some(({ span_id }) => span_id === span))).toEqual([]);
    for (const engine of ['sql', 'node'] as const) {
      const verification = await verify(store, { ledgerId: LEDGER_ID, engine });
      expect(verification).toMatchObject({ status: 'valid', findings: [], records_checked: records.length });
      expect(verification.chains).toHaveLength(ROUNDS);
    }
    await store.close();
    await heir.close();
  }
});
