import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LocalSigner } from '../../src/chain/signer.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { exported, forgeManifest, verified } from '../support/archive-kit.ts';
import { keeperIn, LEDGER_SIGNER } from '../support/keeper-kit.ts';
import { memoryFolder, ORIGIN, openStore } from '../support/ledger-kit.ts';

it('a manifest is signed by the key of the ledger at its end, and by no key that was retired', async () => {
  const dir = memoryFolder();
  const store = await openStore(join(dir, 'ledger'));
  const kept = await keeperIn(dir, store);
  await kept.keeper.keep();
  const next = new LocalSigner(ORIGIN, Buffer.alloc(32, 4));
  await kept.keeper.rotate(next, () => {});
  await kept.close();
  const out = await exported(store, dir, Date.now() / 1_000);
  await store.close();

  for (const trust of [`${LEDGER_SIGNER.vkey}\n`, `${next.vkey}\n`].map((text) => trustFile(text, 'given'))) {
    await forgeManifest(out, (manifest) => manifest, LEDGER_SIGNER);
    const retired = await verified(out, trust);
    expect(retired.findings.map(({ code }) => code)).toContain('manifest_invalid');
    expect(retired.status).toBe('tampered');

    await forgeManifest(out, (manifest) => manifest, next);
    const { status, findings } = await verified(out, trust);
    expect([status, findings.filter(({ severity }) => severity === 'critical')]).toEqual(['valid', []]);
  }
});
