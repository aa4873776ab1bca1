import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { DirectoryAnchor } from '../../src/anchor/directory.ts';
import { openCheckpoint, parseCheckpoint } from '../../src/chain/checkpoint.ts';
import { rootOfLeaves } from '../../src/chain/merkle.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import {
  enrolmentMessage,
  rootOfChains,
  signStatementSync,
  verifyRotation,
} from '../../src/chain/statements.ts';
import { parseVkey } from '../../src/chain/vkey.ts';
import { systemClock } from '../../src/clock.ts';
import type { Enrol } from '../../src/config/enrolment.ts';
import { Writer } from '../../src/pipeline.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { control } from '../../src/record/control.ts';
import type { Store } from '../../src/store/client.ts';
import { verify } from '../../src/verify/verify.ts';
import { keeperIn, LEDGER_SIGNER, told } from '../support/keeper-kit.ts';
import {
  codeOf,
  LEDGER_ID,
  memoryFolder,
  ORIGIN,
  openJournal,
  openStore,
  POLICY,
  sealChain,
  ship,
} from '../support/ledger-kit.ts';
import { toolCalls } from '../support/test-spans.ts';

const base = memoryFolder();
let store: Store;
let dir: string;
beforeAll(async () => {
  store = await openStore(base);
});
beforeEach(async () => {
  dir = join(base, randomBytes(4).toString('hex'));
  for (const table of ['audit_records', 'audit_tombstones'])
    await store.command(`TRUNCATE TABLE spanledger.${table}`);
});
afterAll(() => store.close());

/** A writer of records with a journal in some directory. */
function recorder(folder = dir, enrol?: Enrol) {
  const journal = openJournal(join(folder, 'journal', `app-${randomBytes(4).toString('hex')}`));
  const writer = new Writer({
    journal,
    policy: POLICY,
    ledgerId: LEDGER_ID,
    clock: systemClock,
    writer: 'app',
    version: '0',
    origin: ORIGIN,
    ...(enrol === undefined ? {} : { enrol }),
  });
  onTestFinished(() => journal.close());
  return {
    writer,
    get id() {
      return journal.chain!.chainId;
    },
    async record(count = 1) {
      await writer.append(toolCalls(count));
      await ship(writer, store);
    },
    async end() {
      await writer.close();
      await ship(writer, store);
    },
  };
}

async function keeping(said: Parameters<typeof keeperIn>[2] = {}) {
  const kept = await keeperIn(dir, store, said);
  onTestFinished(() => kept.close());
  return kept;
}

const hashesOf = async (chain: string) =>
  (
    await store.query<{ hash: string }>(
      'SELECT lower(hex(record_hash)) AS hash FROM spanledger.audit_records WHERE chain_id = {chain:String} ORDER BY seq',
      { chain },
    )
  ).map(({ hash }) => hash);

describe('a round', () => {
  it('lists how far each chain has come, and is signed', async () => {
    const [a, b] = [recorder(), recorder()];
    await a.record(3);
    await b.record();
    await b.end();
    const { keeper, journal } = await keeping();
    const first = await keeper.keep();
    expect(first.listed).toEqual([a.id, b.id].sort());
    await a.record();
    const second = await keeper.keep();
    const third = await keeper.keep();
    expect([second.listed, third.listed]).toEqual([[a.id], []]);
    const rounds = (await told(store, 'round')).map((each) => each.control);
    expect(rounds.map(({ round }) => round)).toEqual([1, 2, 3]);
    expect(
      rounds.map(({ chains }) => chains.map(({ chain_id, vkey }) => [chain_id, vkey !== undefined])),
    ).toEqual([[a.id, b.id].sort().map((id) => [id, true]), [[a.id, false]], []]);
    const ends = await Promise.all(
      [a.id, b.id].map(async (chainId) => ({ chainId, hashes: await hashesOf(chainId) })),
    );
    const all = ends.map(({ chainId, hashes }) => ({ chainId, size: hashes.length, head: hashes.at(-1)! }));
    for (const { all: listed } of rounds.slice(1))
      expect(listed).toEqual({ count: 2, root: rootOfChains(all) });
    const { chains } = rounds[1]!;
    const ofA = await hashesOf(a.id);
    expect(chains).toEqual([{ chain_id: a.id, size: ofA.length, head: ofA.at(-1), root: rootOfLeaves(ofA) }]);
    // Each checkpoint covers its round.
    const notes = (await told(store, 'checkpoint')).filter(({ id }) => id.startsWith(journal.chain!.chainId));
    const own = await hashesOf(journal.chain!.chainId);
    const keys = [parseVkey(LEDGER_SIGNER.vkey)];
    expect(
      notes.map(({ id, control: { note } }) => [
        id,
        openCheckpoint(note, keys).size,
        openCheckpoint(note, keys).root,
      ]),
    ).toEqual(
      notes.map(({ id }) => {
        const seq = Number(id.split(':')[1]);
        return [id, BigInt(seq), rootOfLeaves(own.slice(0, seq))];
      }),
    );
    expect(notes).toHaveLength(3);
    expect(third.checkpoint.note).toBe(notes.at(-1)!.control.note);
    expect((await verify(store, { ledgerId: LEDGER_ID })).status).toBe('valid');
    expect((await told(store, 'verification_completed')).map((each) => each.control.status)).toEqual(
      Array(3).fill('valid'),
    );
  });

  it('leaves a chain that fails at its last good place, and goes on', async () => {
    const [a, b] = [recorder(), recorder()];
    await a.record(3);
    await b.record(3);
    const { keeper } = await keeping();
    await keeper.keep();
    await a.record();
    await b.record();
    const at = (await hashesOf(a.id)).length - 1;
    await store.command(
      `ALTER TABLE spanledger.audit_records UPDATE payload = replaceOne(payload, '"phase"', '"phrase"') WHERE chain_id = {chain:String} AND seq = ${at} SETTINGS mutations_sync = 2`,
      { chain: a.id },
    );
    for (let times = 0; times < 2; times++) {
      const kept = await keeper.keep();
      expect(kept.failed).toEqual([a.id]);
      expect(kept.listed).toEqual(times === 0 ? [b.id] : []);
      expect(kept.verification.status).toBe('tampered');
    }
    const rounds = (await told(store, 'round')).map((each) => each.control);
    expect(rounds.at(-1)).toMatchObject({ failed: [a.id], chains: [], all: { count: 2 } });
  });

  it('takes several where a ledger is listed for the first time, and lists what is older than keys as it is', async () => {
    const { keeper } = await keeping();
    const opened = (vkey?: string) =>
      canonicalJson({
        ...control(
          'chain_opened',
          { role: 'records', writer: 'old', version: '0', ...(vkey && { vkey }) },
          1_700_000_000_000_000,
        ),
        salt: 'AAAAAAAAAAAAAAAAAAAAAA',
        recorded_at: '2023-11-14T22:13:20.000000Z',
      });
    const old = Array.from({ length: 1_001 }, (_, i) => sealChain(`old-${i}`, [opened()])[0]!);
    const foreign = sealChain('foreign', [opened(LEDGER_SIGNER.vkey)]);
    const line = ({ chainId, recordHash, payload }: (typeof old)[number]) =>
      `${chainId}\t0\tledger\t4102444800\t${recordHash.replace(/../g, '\\x$&')}\t${payload.replaceAll('\\', '\\\\')}\n`;
    const insert = (records: typeof old) =>
      store.insert(
        'INSERT INTO spanledger.audit_records (chain_id, seq, retention_class, expires_at, record_hash, payload) FORMAT TabSeparated',
        records.map(line).join(''),
      );
    await insert([...old, ...foreign]);
    const { round, listed, verification } = await keeper.keep();
    expect([round, listed.length, verification.status]).toEqual([2, 1_001, 'valid']);
    const rounds = (await told(store, 'round')).map((each) => each.control);
    expect(rounds.map(({ chains, all }) => [chains.length, all.count])).toEqual([
      [1_000, 1_000],
      [1, 1_001],
    ]);
    const ends = old.map(({ chainId, recordHash }) => ({ chainId, size: 1, head: recordHash }));
    expect(rounds[1]!.all.root).toBe(rootOfChains(ends));
    // Afterwards nobody may come without a key, nor with one that nobody knows.
    await insert(sealChain('late', [opened()]));
    expect((await keeper.keep()).listed).toEqual([]);
  });
});

describe('enrolment', () => {
  it('is of own journals, of writers that are named, and of what relays among them say; nothing else is listed', async () => {
    const alice = new LocalSigner('alice', Buffer.alloc(32, 21));
    const enrol: Enrol = (chain) => signStatementSync(enrolmentMessage(chain), alice);
    const mallory = new LocalSigner('mallory', Buffer.alloc(32, 22));
    const forged: Enrol = (chain) => signStatementSync(enrolmentMessage(chain), mallory);
    const own = recorder();
    // It names a key of this directory, and cannot sign by it.
    const thief = recorder(dir, forged);
    const [writer, forger, relayed, wrong, stranger] = [
      recorder(join(base, 'w1'), enrol),
      recorder(join(base, 'w2'), forged),
      recorder(join(base, 'w3')),
      recorder(join(base, 'w4')),
      recorder(join(base, 'w5')),
    ];
    const all = [own, thief, writer, forger, relayed, wrong, stranger];
    for (const each of all) await each.record();
    const { keeper } = await keeping({ writers: [parseVkey(alice.vkey)] });
    const first = await keeper.keep();
    expect(first.listed).toEqual([own.id, writer.id].sort());
    const say = async (who: typeof own, chain: typeof own, vkey?: string) => {
      const opened = (await told(store, 'chain_opened')).find(({ id }) => id === `${chain.id}:0`)!.control;
      who.writer.tell(
        control(
          'chain_enrolled',
          { chain_id: chain.id, vkey: vkey ?? opened.vkey, subject: 'x' },
          systemClock(),
        ),
      )!;
      await ship(who.writer, store);
    };
    await say(own, relayed);
    await say(own, wrong, alice.vkey);
    await say(stranger, stranger);
    expect((await keeper.keep()).listed).toEqual([own.id, relayed.id].sort());
    // One that was relayed speaks for nobody.
    await say(relayed, stranger);
    expect((await keeper.keep()).listed).toEqual([relayed.id]);
    await say(writer, stranger);
    expect((await keeper.keep()).listed).toEqual([stranger.id, writer.id].sort());
  });

  it('is remembered by the next keeper of the journal', async () => {
    const relay = recorder();
    await relay.record();
    const app = recorder(join(base, 'w6'));
    const first = await keeperIn(dir, store);
    await first.keeper.keep();
    await app.writer.append(toolCalls(1));
    const { vkey } = new LocalSigner(`${ORIGIN}/${app.id}`, app.writer.journal.key);
    relay.writer.tell(control('chain_enrolled', { chain_id: app.id, vkey, subject: 'x' }, systemClock()));
    await ship(relay.writer, store);
    await first.keeper.keep();
    await first.close();
    await ship(app.writer, store);
    const { keeper } = await keeping();
    const kept = await keeper.keep();
    expect(kept.listed).toEqual([app.id]);
    expect(kept.round).toBe(3);
    const chains = await told(store, 'chain_opened');
    expect(chains.filter((each) => each.control.role === 'control')).toHaveLength(1);
  });
});

describe('another keeper', () => {
  it('is refused while the first one lives', async () => {
    const first = await keeping();
    await first.keeper.keep();
    const other = new LocalSigner(ORIGIN, Buffer.alloc(32, 8));
    const journal = () => openJournal(join(base, `other-${randomBytes(4).toString('hex')}`));
    expect(await codeOf(() => keeperIn(dir, store, { journal: journal(), signer: other }))).toBe(
      'keeper_conflict',
    );
    expect(await codeOf(() => keeperIn(dir, store, { journal: journal() }))).toBe('keeper_lost');
    expect(
      (await told(store, 'chain_opened')).filter((each) => each.control.role === 'control'),
    ).toHaveLength(1);
  });

  it('is an older copy of this one', async () => {
    const first = await keeping();
    await first.keeper.keep();
    await first.close();
    cpSync(join(dir, 'journal'), join(dir, 'copy'), { recursive: true });
    const again = await keeping();
    await again.keeper.keep();
    await again.close();
    const journal = openJournal(join(dir, 'copy', 'control-00000001'));
    const { size } = journal.chain!;
    const refused = keeperIn(dir, store, { journal });
    await expect(refused).rejects.toMatchObject({
      code: 'keeper_lost',
      message: expect.stringMatching(new RegExp(`the store has \\d+ records .*, and its journal ${size}:`)),
      hint: expect.stringMatching(/^put <dir>\/journal\/control-\* back .*spanledger init --dir ANOTHER/),
    });
    // Nothing has come of it, and the one that is right goes on.
    expect(
      (await told(store, 'chain_opened')).filter((each) => each.control.role === 'control'),
    ).toHaveLength(1);
    const right = await keeping();
    expect((await right.keeper.keep()).round).toBe(3);
  });

  it('is found as it writes, where both were let in: it makes no second line', async () => {
    const first = await keeping();
    await first.keeper.keep();
    await first.close();
    cpSync(join(dir, 'journal'), join(dir, 'copy'), { recursive: true });
    const again = await keeping();
    const copy = await keeperIn(dir, store, { journal: openJournal(join(dir, 'copy', 'control-00000001')) });
    await again.keeper.keep();
    for (let times = 0; times < 2; times++)
      expect(await codeOf(() => copy.keeper.keep())).toBe('keeper_conflict');
    await copy.close();
    expect((await again.keeper.keep()).round).toBe(3);
    expect((await told(store, 'round')).map((each) => each.control.round)).toEqual([1, 2, 3]);
    expect(await told(store, 'fork_detected')).toEqual([]);
    const rounds = await verify(store, { ledgerId: LEDGER_ID });
    expect(rounds.findings.filter(({ severity }) => severity === 'critical')).toEqual([]);
  });
});

describe('anchors', () => {
  it('get each checkpoint, and one that is down stops nothing', async () => {
    const path = join(dir, 'worm');
    mkdirSync(path, { recursive: true });
    const up = new DirectoryAnchor({ name: 'up', path });
    const down = new DirectoryAnchor({ name: 'down', path: join(dir, 'unmounted') });
    const first = await keeping({ anchors: [up, down] });
    for (let round = 1; round <= 2; round++) {
      const { checkpoint, anchored } = await first.keeper.keep();
      expect(anchored).toMatchObject([
        { anchor: 'up', state: 'anchored', size: checkpoint.size },
        { anchor: 'down', state: 'failed', code: 'anchor_unreachable' },
      ]);
    }
    const receipts = (await told(store, 'checkpoint_anchored')).map((each) => each.control);
    const held = await up.list({ origin: ORIGIN });
    expect(receipts.map(({ anchor, size }) => [anchor, size])).toEqual(
      held.map(({ note }) => ['up', Number(parseCheckpoint(note!).size)]),
    );
    expect(held).toHaveLength(2);
    await first.close();
    // The store, and with it the journal, is put back to before it was anchored: the anchor knows better.
    rmSync(join(dir, 'journal'), { recursive: true });
    for (const table of ['audit_records', 'audit_tombstones'])
      await store.command(`TRUNCATE TABLE spanledger.${table}`);
    expect(await codeOf(() => keeperIn(dir, store, { anchors: [up, down] }))).toBe('keeper_lost');
  });
});

describe('rotation', () => {
  it('is said by both keys, and the control chain goes on', async () => {
    const kept = await keeping();
    await kept.keeper.keep();
    const next = new LocalSigner(ORIGIN, Buffer.alloc(32, 4));
    const decided: string[] = [];
    const { from, checkpoint } = await kept.keeper.rotate(next, () => decided.push('decided'));
    expect(decided).toEqual(['decided']);
    const { id, control: said } = (await told(store, 'key_rotated'))[0]!;
    const { chainId } = kept.journal.chain!;
    expect(id).toBe(`${chainId}:${from}`);
    expect(verifyRotation({ ledgerId: LEDGER_ID, chainId, ...said }, said.sig_old, said.sig_new)).toBe(true);
    expect(openCheckpoint(checkpoint.note, [parseVkey(next.vkey)]).size).toBe(BigInt(from + 1));
    await kept.close();
    expect(await codeOf(() => keeperIn(dir, store))).toBe('key_invalid');
    const { keeper } = await keeping({ signer: next });
    await keeper.keep();
    expect((await verify(store, { ledgerId: LEDGER_ID })).status).toBe('valid');
  });
});
