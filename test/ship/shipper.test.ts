import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Journal } from '../../src/journal/journal.ts';
import type { Writer } from '../../src/pipeline.ts';
import { Shipper } from '../../src/shipper.ts';
import type { Batch } from '../../src/target/batch.ts';
import type { Delivered, Target } from '../../src/target/target.ts';
import { codeOf, memoryFolder, openJournal, unshippedOf, writerIn } from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';
import { until } from '../support/until.ts';

/** A target that keeps what it is given, fails while it is told to, and hangs while it is held. */
class Away implements Target {
  isAway = false;
  held: Promise<void> | undefined;
  /** What happens while a batch is delivered. */
  meanwhile: () => Promise<void> = async () => undefined;
  readonly asked: number[] = [];
  readonly hashes = new Map<string, string>();

  async standing(chainId: string, seq: number): Promise<string[]> {
    const found = this.hashes.get(`${chainId}:${seq}`);
    return found === undefined ? [] : [found];
  }

  async deliver(batch: Batch): Promise<Delivered> {
    this.asked.push(performance.now());
    await this.held;
    await this.meanwhile();
    if (this.isAway) throw new Error('away');
    for (const { chainId, seq, recordHash } of batch) this.hashes.set(`${chainId}:${seq}`, recordHash);
    return { added: batch.length };
  }
}

let journal: Journal;
let writer: Writer;
let target: Away;
let shipper: Shipper;
const folder = memoryFolder();
let made = 0;
beforeEach(() => {
  journal = openJournal(join(folder, String(made++)));
  writer = writerIn(journal);
  target = new Away();
  shipper = new Shipper(writer, target, { shipped: () => undefined, failed: () => undefined });
});
afterEach(async () => {
  target.isAway = false;
  await shipper.stop(1_000);
  await journal.close();
});

const record = async (count = 1) => {
  await writer.append(toolCalls(count));
  shipper.wake();
};

describe('the shipper', () => {
  it('carries what is recorded, without being asked', async () => {
    shipper.start();
    await record();
    await until(() => unshippedOf(journal).length === 0);
    expect(shipper.counts).toMatchObject({ records: 2, isFailing: false, retries: 0 });
  });

  it('gathers many small requests into few batches', async () => {
    shipper.start();
    await shipper.shipped();
    await Promise.all(Array.from({ length: 50 }, () => record()));
    await until(() => unshippedOf(journal).length === 0);
    expect(target.hashes.size).toBe(51);
    expect(target.asked.length).toBeLessThan(5);
  });

  it('has shipped what was durable when it says so', async () => {
    shipper.start();
    for (let i = 1; i <= 5; i++) {
      await writer.append(toolCalls(1));
      await shipper.shipped();
      expect(target.hashes.size).toBe(i + 1);
    }
  });

  it('says so too while more comes than it can end with', async () => {
    let told = false;
    // Whatever is delivered, something is recorded: no shipment comes to an end.
    target.meanwhile = async () => void (told || (await record()));
    await record();
    shipper.start();
    await until(() => target.asked.length > 3);
    const before = unshippedOf(journal);
    await shipper.shipped();
    told = true;
    for (const { chainId, seq } of before) expect(target.hashes.has(`${chainId}:${seq}`)).toBe(true);
  });

  it('backs off from a target that fails, however often somebody records, and goes on when it is back', async () => {
    target.isAway = true;
    shipper.start();
    const began = performance.now();
    // Fifty requests in the time in which it may try a handful of times.
    for (let i = 0; i < 50 || performance.now() - began < 1_500; i++) {
      await record();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const tries = target.asked.length;
    expect(tries).toBeGreaterThan(0);
    expect(tries).toBeLessThan(40);
    expect(shipper.counts).toMatchObject({ records: 0, retries: tries, isFailing: true });
    target.isAway = false;
    await shipper.shipped();
    expect(unshippedOf(journal)).toEqual([]);
    expect(shipper.counts.isFailing).toBe(false);
  });

  it('tells whoever waits that a shipment failed', async () => {
    target.isAway = true;
    await writer.append(toolCalls(1));
    shipper.start();
    await expect(shipper.shipped()).rejects.toThrow('away');
    // Asked again it tries again, before its time.
    target.isAway = false;
    await shipper.shipped();
  });
});

describe('at its end the shipper', () => {
  it('leaves nobody waiting: not who came before, nor who comes after', async () => {
    let release = () => {};
    target.held = new Promise((resolve) => (release = resolve));
    await writer.append(toolCalls(1));
    shipper.start();
    await until(() => target.asked.length === 1);
    const late = codeOf(() => shipper.shipped());
    const stopped = shipper.stop(60_000);
    release();
    expect(await stopped).toBe(true);
    expect(await late).toBe('store_unreachable');
    expect(await codeOf(() => shipper.shipped())).toBe('store_unreachable');
    expect(unshippedOf(journal)).toEqual([]);
  });

  it('leaves nobody waiting though it was never started', async () => {
    const waiting = codeOf(() => shipper.shipped());
    expect(await shipper.stop(60_000)).toBe(true);
    expect(await waiting).toBe('store_unreachable');
  });

  it('waits for a shipment that hangs so long, and says that it goes on', async () => {
    let release = () => {};
    target.held = new Promise((resolve) => (release = resolve));
    await writer.append(toolCalls(1));
    shipper.start();
    await until(() => target.asked.length === 1);
    const late = codeOf(() => shipper.shipped());
    expect(await shipper.stop(1)).toBe(false);
    expect(await late).toBe('store_unreachable');
    release();
    expect(await shipper.stop(60_000)).toBe(true);
  });

  it('does not sleep out its back-off', async () => {
    target.isAway = true;
    await writer.append(toolCalls(1));
    shipper.start();
    await until(() => target.asked.length > 2);
    expect(await shipper.stop(60_000)).toBe(true);
  });
});
