import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AttackedLedger } from './attacked-ledger.ts';
import type { Attack, Said, Told } from './attacks.ts';
import { ATTACKS, SINGLE, UNPROVEN } from './catalogue.ts';

/* The catalogue of attacks, row by row, on one ledger that is put back after each. `npm run attacks` prints it. */

const ledger = new AttackedLedger();
beforeAll(() => ledger.make());
afterAll(() => ledger.store.close());

declare module 'vitest' {
  interface TaskMeta {
    /** For the table. */
    attack?: { row: number; title: string; said?: string[]; is?: string; why?: string };
  }
}

/** What is said of an attack on a ledger that is as it was before. */
async function saidOf({ does, rebuilds }: Attack): Promise<string[]> {
  try {
    const told = ((await does(ledger)) ?? {}) as Told | Said;
    return 'said' in told ? told.said : await ledger.findings(told);
  } finally {
    await (rebuilds ? ledger.rebuild() : ledger.reset());
  }
}

it('nothing is found where nothing was done', async () => {
  expect(await ledger.findings({ state: ledger.state })).toEqual([]);
});

for (const attack of ATTACKS) {
  const { row, title, finds } = attack;
  it(`${row} ${title}`, async ({ task }) => {
    task.meta.attack = { row, title };
    const said = await saidOf(attack);
    task.meta.attack.said = said;
    expect(said.sort()).toEqual([...finds].sort());
  });
}

it('three at random, each on a chain of its own, are all found', async () => {
  const three = fc
    .shuffledSubarray([...SINGLE.keys()], { minLength: 3, maxLength: 3 })
    .chain((chains) => fc.tuple(...chains.map((chain) => fc.constantFrom(...SINGLE.get(chain)!))));
  await fc.assert(
    fc.asyncProperty(three, async (attacks) => {
      try {
        for (const { does } of attacks) await does(ledger);
        const said = await ledger.findings();
        expect(said).toEqual(expect.arrayContaining(attacks.flatMap(({ finds }) => finds)));
      } finally {
        await ledger.reset();
      }
    }),
    { numRuns: 10 },
  );
});

for (const { row, title, is, why } of UNPROVEN)
  it(`${row} ${title}: ${is}, ${why}`, ({ task, skip }) => {
    task.meta.attack = { row, title, is, why };
    skip();
  });

it('every row is in the catalogue, or it says why not', () => {
  const rows = new Set([...ATTACKS, ...UNPROVEN].map(({ row }) => row));
  expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: 85 }, (_, i) => i + 1));
});
