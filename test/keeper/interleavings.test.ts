import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DirectoryAnchor } from '../../src/anchor/directory.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { Writer } from '../../src/pipeline.ts';
import type { Store } from '../../src/store/client.ts';
import type { VerifierState } from '../../src/verify/state.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { judgeLedger, type VerifyOptions } from '../../src/verify/verify.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../support/keeper-kit.ts';
import {
  id,
  LEDGER_ID,
  memoryFolder,
  ORIGIN,
  openJournal,
  openStore,
  ship,
  writerIn,
} from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const base = memoryFolder();
let store: Store;
beforeAll(async () => {
  store = await openStore(base);
});
afterAll(() => store.close());

const trust = trustFile(`${LEDGER_SIGNER.vkey}\n`, 'local');
const APPS = 3;

type Step =
  | { do: 'append'; app: number; calls: number }
  | { do: 'ship' | 'end' | 'crash'; app: number }
  | { do: 'round' | 'restart' | 'look' };

const app = fc.nat(APPS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('append' as const), app, calls: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('ship', 'end', 'crash'), app }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('round', 'restart', 'look') }) },
);

/** An app with a journal, whose process may end at any time; the next one goes on in it. */
class App {
  readonly #dir: string;
  #journal: Journal | undefined;
  #writer: Writer | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  get #open(): Writer {
    this.#journal ??= openJournal(this.#dir);
    this.#writer ??= writerIn(this.#journal);
    return this.#writer;
  }

  async append(calls: number): Promise<void> {
    await this.#open.append(toolCalls(calls));
  }

  async ship(): Promise<void> {
    await ship(this.#open, store);
  }

  /** With its chain's end, shipped or not, or without. */
  async leave(isClean: boolean): Promise<void> {
    if (isClean) await this.#writer?.close();
    await this.#journal?.close();
    this.#journal = undefined;
    this.#writer = undefined;
  }
}

it('whatever happens in whatever order, all of it verifies, and in parts as at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      for (const table of ['audit_records', 'audit_tombstones'])
        await store.command(`TRUNCATE TABLE spanledger.${table}`);
      const dir = join(base, id(4));
      const worm = join(dir, 'worm');
      mkdirSync(worm, { recursive: true });
      const anchor = new DirectoryAnchor({ name: 'worm', path: worm });
      const apps = Array.from({ length: APPS }, (_, i) => new App(join(dir, 'journal', `app-0000000${i}`)));
      const open = () => keeperIn(dir, store, { anchors: [anchor] });
      let kept = await open();
      let state: VerifierState | undefined;

      /** All of it, and what is new since it was looked at: which say the same. */
      async function look(): Promise<void> {
        const held = await anchor.list({ origin: ORIGIN });
        const anchors = [
          { name: 'worm', lists: true, held: held.map(({ place, note }) => ({ place, note: note! })) },
        ];
        const options: VerifyOptions = { ledgerId: LEDGER_ID, trust, anchors };
        const full = await judgeLedger(store, options);
        expect(full.verification).toMatchObject({ findings: [], anchors_verified: held.length });
        expect(full.verification.status).toBe('valid');
        if (state !== undefined) {
          const before = { sha256: '0'.repeat(64), state };
          const since = await judgeLedger(store, { ...options, state: before, incremental: true });
          expect(since.verification).toMatchObject({ status: 'valid', findings: [] });
          expect(since.state).toEqual(full.state);
        }
        state = full.state;
      }

      for (const each of steps) {
        if (each.do === 'append') await apps[each.app]!.append(each.calls);
        if (each.do === 'ship') await apps[each.app]!.ship();
        if (each.do === 'end') await apps[each.app]!.leave(true);
        if (each.do === 'crash') await apps[each.app]!.leave(false);
        if (each.do === 'look') await look();
        if (each.do === 'round')
          expect(await kept.keeper.keep()).toMatchObject({
            failed: [],
            stopped: [],
            anchored: [{ state: 'anchored' }],
            verification: { status: expect.stringMatching(/^(valid|empty)$/) },
          });
        if (each.do === 'restart') {
          await kept.close();
          kept = await open();
        }
      }
      for (const each of apps) {
        await each.ship();
        await each.leave(false);
      }
      await kept.keeper.keep();
      await look();
      // Everything that is in the store has been listed, where it stands.
      const last = new Map<string, number>();
      for (const { control } of await told(store, 'round'))
        for (const { chain_id, size } of control.chains) last.set(chain_id, size);
      const chains = await store.query<{ chain: string; n: string }>(
        'SELECT toString(chain_id) AS chain, toString(count()) AS n FROM spanledger.audit_records GROUP BY chain',
      );
      const control = kept.journal.chain!.chainId;
      expect(Object.fromEntries(last)).toEqual(
        Object.fromEntries(
          chains.filter(({ chain }) => chain !== control).map(({ chain, n }) => [chain, Number(n)]),
        ),
      );
      await kept.close();
    }),
    { numRuns: 12 },
  );
}, 240_000);
