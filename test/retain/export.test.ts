import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import type { Finding, Verification } from '../../src/verify/findings.ts';
import { verify } from '../../src/verify/verify.ts';
import { AttackedLedger } from '../attacks/attacked-ledger.ts';
import type { Told } from '../attacks/attacks.ts';
import { ATTACKS, SINGLE } from '../attacks/catalogue.ts';
import { exported, manifestIn, TRUST, verified } from '../support/archive-kit.ts';
import { LEDGER_ID, memoryFolder } from '../support/ledger-kit.ts';

const ledger = new AttackedLedger();
const folder = memoryFolder();
beforeAll(() => ledger.make());
afterAll(() => ledger.store.close());

/** What the store and its files can both know: the vault, the schema and derived columns are in no file. */
const STORE_ONLY = ['schema_mismatch', 'content_mismatch', 'derived_mismatch', 'duplicate_identical'];
const FILES_ONLY = ['manifest_invalid', 'archive_missing', 'archive_mismatch', 'archive_unlisted'];

function ofBoth({ findings }: Verification): Omit<Finding, 'severity'>[] {
  return findings
    .filter(({ code }) => !STORE_ONLY.includes(code) && !FILES_ONLY.includes(code))
    .map(({ severity: _, ...finding }) => finding);
}

describe('a whole ledger in files', () => {
  it('is verified by them and the public key alone, with what the store says of itself', async () => {
    const out = await exported(ledger.store, folder, ledger.now);
    const found = await verified(out);
    const online = await verify(ledger.store, { ledgerId: LEDGER_ID, trust: TRUST, asOf: ledger.now });
    const told = ({ elapsed_ms: _, unchecked: __, status: ___, ...rest }: Verification) => rest;
    expect(told(found)).toEqual(told(online));
    expect(online.status).toBe('valid');
    // The vault stays where it is, and the records of V refer to it.
    expect(found.status).toBe('incomplete');
    expect(found.unchecked).toEqual([expect.stringContaining('8 sealed contents')]);
  });

  it('lists each file with its digest, rows and places, for its owner only', async () => {
    const out = await exported(ledger.store, folder, ledger.now);
    const { files, kind, ledger_id } = manifestIn(out);
    expect({ kind, ledger_id }).toEqual({ kind: 'ledger', ledger_id: LEDGER_ID });
    expect(readdirSync(out).sort()).toEqual(['manifest', ...files.map(({ name }) => name)]);
    const rows = await ledger.rows();
    expect(files.reduce((sum, each) => sum + each.rows, 0)).toBe(rows.length);
    expect(files.flatMap(({ ranges }) => ranges.map(({ chain_id }) => chain_id))).toEqual(
      [...new Set(rows.map(({ chainId }) => String(chainId)))].sort(),
    );
    for (const name of readdirSync(out)) expect(statSync(join(out, name)).mode & 0o077).toBe(0);
  });

  it('goes into no folder that has something in it', async () => {
    const out = join(folder, 'full');
    mkdirSync(out);
    writeFileSync(join(out, 'mine'), '');
    await expect(exported(ledger.store, join(folder, 'full'), ledger.now)).resolves.toBeDefined();
    const { exportLedger } = await import('../../src/retain/archive/export.ts');
    const { LEDGER_SIGNER } = await import('../support/keeper-kit.ts');
    const failed = exportLedger({
      store: ledger.store,
      out,
      ledgerId: LEDGER_ID,
      origin: 'x',
      checkpoint: '',
      signer: LEDGER_SIGNER,
      now: 0,
    });
    await expect(failed).rejects.toSatisfy((error) => isSpanledgerError(error, 'usage_invalid'));
    expect(readFileSync(join(out, 'mine'), 'utf8')).toBe('');
  });
});

describe('whatever was done to a ledger', () => {
  const done = ATTACKS.filter(
    ({ finds, rebuilds, asks }) => rebuilds === undefined && asks === undefined && finds.length > 0,
  );

  it('is found in its files as it is in the store', async () => {
    const seen = new Set<string>();
    const one = fc.constantFrom(...done).map((attack) => [attack]);
    // Not every two can be done to one chain.
    const three = fc
      .shuffledSubarray([...SINGLE.keys()], { minLength: 3, maxLength: 3 })
      .chain((chains) => fc.tuple(...chains.map((chain) => fc.constantFrom(...SINGLE.get(chain)!))));
    await fc.assert(
      fc.asyncProperty(fc.oneof(one, three), async (attacks) => {
        try {
          for (const { does } of attacks) {
            const told = ((await does(ledger)) ?? {}) as Told;
            // What a verifier is given beside the ledger is no matter of where it is read from.
            if (Object.keys(told).length > 0) return;
          }
          const options = { ledgerId: LEDGER_ID, trust: TRUST, asOf: ledger.now };
          const online = await verify(ledger.store, options);
          let out: string;
          try {
            out = await exported(ledger.store, folder, ledger.now);
          } catch (error) {
            // Places that no manifest can name.
            expect(isSpanledgerError(error, 'archive_failed')).toBe(true);
            return;
          }
          const offline = await verified(out);
          if (offline.ledger_id === '') return;
          expect(ofBoth(offline)).toEqual(ofBoth(online));
          for (const { code } of ofBoth(offline)) seen.add(code);
        } finally {
          await ledger.reset();
        }
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(seen.size).toBeGreaterThanOrEqual(6);
  });
});
