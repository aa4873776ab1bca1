import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { payloadDigest, recordHash, ZERO_HASH } from '../../src/chain/entry.ts';
import type { SealedRecord } from '../../src/chain/seal.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { layoutOf } from '../../src/config/layout.ts';
import { isSpanledgerError } from '../../src/errors.ts';
import { Journal } from '../../src/journal/journal.ts';
import { Writer } from '../../src/pipeline.ts';
import { compilePolicy } from '../../src/policy/policy.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import { type Shipment, ship as shipTo } from '../../src/ship.ts';
import { Store } from '../../src/store/client.ts';
import { migrate } from '../../src/store/migrate.ts';
import { StoreTarget } from '../../src/store/target.ts';

export const LEDGER_ID = '0c5d3a4e-6f1b-4c2d-9e8f-7a6b5c4d3e2f';
export const ORIGIN = 'test.example/ledger';
export const MASTER = { id: 'k1', secret: Buffer.alloc(32, 7) };
export const POLICY = compilePolicy(MASTER);

/** A folder that is gone when the file's tests are. */
export function fileFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'spanledger-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The same in memory where it can be: for tests of what is written, not of whether a disk keeps it. */
export function memoryFolder(): string {
  return fileFolder(existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
}

export function id(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

export function openJournal(dir: string, maxBytes?: number): Journal {
  const journal = Journal.open(dir, maxBytes);
  if (journal === undefined) throw new Error(`${dir} is locked`);
  return journal;
}

export function writerIn(journal: Journal, clock: Clock = systemClock): Writer {
  return new Writer({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    clock,
    writer: 'test',
    version: '0',
    origin: ORIGIN,
  });
}

/**
 * The embedded engine on a directory, with its schema; where CLICKHOUSE_URL names a server, its database
 * `spanledger` made anew.
 */
export async function openStore(dir: string): Promise<Store> {
  const url = process.env.CLICKHOUSE_URL;
  const store = url === undefined ? await Store.embedded(layoutOf(dir)) : Store.server(url);
  if (url !== undefined) await store.command('DROP DATABASE IF EXISTS spanledger SYNC');
  await migrate(store);
  return store;
}

/** Ships a journal straight into a store. */
export function ship(writer: Writer, store: Store, progress?: (records: number) => void): Promise<Shipment> {
  return shipTo(writer, new StoreTarget(store), progress);
}

export function recordOf(sealed: { payload: string }): AuditRecord {
  return JSON.parse(sealed.payload) as AuditRecord;
}

/** The records a journal has not shipped. */
export function unshippedOf(journal: Journal): SealedRecord[] {
  return [...journal.unshipped()].map(({ record }) => record);
}

/** Records of one chain, made by hand: `payloads` may be anything, the hashes are right. */
export function sealChain<Payload extends string | Buffer>(
  chainId: string,
  payloads: readonly Payload[],
  from = 0n,
  ledgerId = LEDGER_ID,
) {
  let prevHash = ZERO_HASH;
  return payloads.map((payload, i) => {
    const seq = from + BigInt(i);
    const expiresAt = 4_102_444_800;
    const digest = payloadDigest(payload);
    const hash = recordHash({ ledgerId, chainId, seq, expiresAt, prevHash, payloadDigest: digest });
    const sealed = { chainId, seq, expiresAt, retentionClass: 'ledger', prevHash, recordHash: hash, payload };
    prevHash = hash;
    return sealed;
  });
}

/** What is wrong with the chains among these records, recomputed from the contract: none, when empty. */
export function brokenLinks(records: readonly SealedRecord[], ledgerId = LEDGER_ID): string[] {
  const heads = new Map<string, { size: number; head: string }>();
  const broken: string[] = [];
  for (const { chainId, seq, expiresAt, prevHash, payload, recordHash: hash } of records) {
    const { size, head } = heads.get(chainId) ?? { size: 0, head: ZERO_HASH };
    const digest = payloadDigest(payload);
    const right = recordHash({ ledgerId, chainId, seq, expiresAt, prevHash: head, payloadDigest: digest });
    if (seq !== size || prevHash !== head || hash !== right) broken.push(`${chainId}:${seq}`);
    heads.set(chainId, { size: seq + 1, head: hash });
  }
  return broken;
}

/** The code of the error that `work` ends in. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (isSpanledgerError(error)) return error.code;
    throw error;
  }
  return 'no error';
}
