import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { ZERO_HASH } from '../../src/chain/entry.ts';
import { appendLeaf, emptyFrontier, rootOf } from '../../src/chain/merkle.ts';
import type { VerifierState } from '../../src/verify/state.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { judgeLedger, type VerifyOptions } from '../../src/verify/verify.ts';
import { FabricatedChain, FabricatedLine, ORIGIN, START, signerOf } from '../support/fabricated-ledger.ts';
import { LEDGER_ID, memoryFolder, openStore } from '../support/ledger-kit.ts';
import { type RawRow, TamperedLedger, told } from '../support/tampered-ledger.ts';

const ledger = new TamperedLedger();
beforeAll(async () => {
  ledger.store = await openStore(join(memoryFolder(), 'ledger'));
  await ledger.keep();
});
beforeEach(async () => {
  for (const table of ['audit_records', 'audit_tombstones'])
    await ledger.store.command(`TRUNCATE TABLE spanledger.${table}`);
});
afterAll(() => ledger.store.close());

const GIVEN = trustFile(`${signerOf(ORIGIN, 9).vkey}\n`, 'given');
const LOCAL = { ...GIVEN, source: 'local' } as const;
/** Seconds after the start at which everything is verified, unless said. */
const NOW = START + 700;

async function put(...chains: readonly FabricatedChain[]): Promise<void> {
  for (const chain of chains) await ledger.put(chain.rows);
}

const verify = (options: Partial<VerifyOptions> = {}) =>
  ledger.verify({ trust: LOCAL, asOf: NOW, ...options });
const findings = async (options: Partial<VerifyOptions> = {}) => told(await verify(options));

/** Two chains, one of them closed, in three rounds. */
function whole({
  a = new FabricatedChain('a'),
  b = new FabricatedChain('b', signerOf(`${ORIGIN}/b`, 2)),
} = {}) {
  const line = new FabricatedLine().open();
  a.open()
    .fill(5, START + 1)
    .checkpoint(START + 60)
    .fill(3, START + 61);
  b.open(START + 2).fill(2, START + 3);
  line.round([a, b], START + 65).checkpoint(START + 66);
  a.checkpoint(START + 121).fill(1, START + 130);
  b.fill(2, START + 100).close(START + 110);
  line.round([a, b], START + 365).checkpoint(START + 366);
  line.round([], START + 665).checkpoint(START + 666);
  return { a, b, line };
}

/** As `verify` leaves it. */
async function seen(options: Partial<VerifyOptions> = {}): Promise<{ state: VerifierState; sha256: string }> {
  const { state } = await judgeLedger(ledger.store, {
    ledgerId: LEDGER_ID,
    trust: LOCAL,
    asOf: NOW,
    ...options,
  });
  expect(state).toBeDefined();
  return { state: state!, sha256: '' };
}

describe('a ledger with checkpoints and rounds', () => {
  it('is valid, and says what was verified', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    expect(await verify()).toMatchObject({
      status: 'valid',
      findings: [],
      checkpoints_verified: 6,
      rounds_verified: 3,
      // Its last checkpoint; of the chains, all is listed.
      unanchored: 1,
      trust: 'local',
      trusted_keys: [signerOf(ORIGIN, 9).vkey],
    });
  });

  it('is incomplete where nobody says whom to believe, and not only compared with itself', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    expect(await verify({ trust: null })).toMatchObject({
      status: 'incomplete',
      trust: 'none',
      rounds_verified: 3,
    });
  });

  it('says when time is not attested, where somebody gave trust', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    expect(await findings({ trust: GIVEN })).toEqual(['time_unattested :0']);
  });
});

describe('a chain that nobody declared', () => {
  /** With rows as they are, and hashes that fit. */
  function fitted(chain: FabricatedChain, change: (row: RawRow) => Partial<RawRow>): RawRow[] {
    let prevHash = ZERO_HASH;
    let tree = emptyFrontier();
    return chain.rows.map((row) => {
      let { payload } = { ...row, ...change(row) };
      const note = signCheckpointSync(
        { origin: chain.signer.name, size: row.seq, root: rootOf(tree) },
        chain.signer,
      );
      payload = String(payload).replace('"NOTE"', JSON.stringify(note));
      const { expiresAt, seq } = row;
      prevHash = ledger.hashOf({ chainId: chain.id, seq, expiresAt, prevHash }, payload);
      tree = appendLeaf(tree, prevHash);
      return { ...row, payload, recordHash: prevHash };
    });
  }

  it('70 is no better for a checkpoint by a key of its own', async () => {
    const { a, b, line } = whole();
    const x = new FabricatedChain('x', signerOf(`${ORIGIN}/x`, 5))
      .open(START + 660)
      .fill(2, START + 661)
      .checkpoint(START + 662, 'NOTE');
    await put(a, b, line);
    await ledger.put(fitted(x, () => ({})));
    expect(await verify()).toMatchObject({ status: 'valid', unanchored: 5, checkpoints_verified: 7 });
    await ledger.remove(`chain_id = 'x'`);
    await ledger.put(fitted(x, ({ seq, payload }) => (seq === 1n ? { payload: `${payload} ` } : {})));
    expect(await findings()).toEqual(['payload_not_canonical x:1']);
  });

  it('and without a key is vouched for by nobody, where others are', async () => {
    const { a, b, line } = whole();
    const x = new FabricatedChain('x')
      .add('chain_opened', { role: 'records', writer: 'test' }, START + 660)
      .fill(2, START + 661);
    await put(a, b, line, x);
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], unanchored: 4 });
  });
});

describe('a chain', () => {
  it('3 written anew from a record on differs at its next checkpoint', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    await ledger.reseal('a', ({ seq, payload }) =>
      seq === 3n ? { payload: Buffer.from(payload).toString().replace('"n":2', '"n":7') } : {},
    );
    expect(await findings()).toEqual(['checkpoint_mismatch a:6', 'checkpoint_mismatch a:9']);
  });

  it('18 without its tail is short of what a round lists', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    await ledger.remove(`chain_id = 'a' AND seq >= 9`);
    expect(await findings()).toEqual(['tail_truncated a:9-11']);
  });

  it('20 goes on after its end', async () => {
    const { a, b, line } = whole();
    b.fill(1, START + 120);
    await put(a, b, line);
    expect(await findings()).toContain('checkpoint_mismatch b:6');
  });

  it('27 written anew with another key is not the one that was listed', async () => {
    const { a, b, line } = whole();
    const forged = new FabricatedChain('a', signerOf(`${ORIGIN}/a`, 7));
    forged
      .open()
      .fill(5, START + 1)
      .checkpoint(START + 60)
      .fill(5, START + 61);
    await put(forged, b, line);
    expect(a.size).toBe(forged.size);
    expect(await findings()).toEqual(
      expect.arrayContaining(['checkpoint_untrusted a:6', 'checkpoint_mismatch a:9']),
    );
  });

  it('30 that no round knows, ten minutes after it began', async () => {
    const { a, b, line } = whole();
    await put(
      a,
      b,
      line,
      new FabricatedChain('c', signerOf(`${ORIGIN}/c`, 3)).open(START + 1).close(START + 2),
    );
    expect(await findings()).toEqual(['chain_undeclared c:0']);
  });

  it('that began just now need not be in a round yet, and counts as vouched for by nobody', async () => {
    const { a, b, line } = whole();
    await put(
      a,
      b,
      line,
      new FabricatedChain('c', signerOf(`${ORIGIN}/c`, 3)).open(START + 100).close(START + 101),
    );
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], unanchored: 3 });
  });

  it('31 that is gone', async () => {
    const { a, line } = whole();
    await put(a, line);
    expect(await findings()).toEqual(['chain_missing b:0-5']);
  });

  it('32 with another genesis, and all after it', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    await ledger.reseal('a', ({ seq, payload }) =>
      seq === 0n
        ? { payload: Buffer.from(payload).toString().replace('"writer":"test"', '"writer":"tess"') }
        : {},
    );
    expect(await findings()).toEqual(['checkpoint_mismatch a:6', 'checkpoint_mismatch a:9']);
  });

  it.each([
    ['edited', (note: string) => note.replace('\n6\n', '\n5\n'), 'checkpoint_invalid c:6'],
    [
      'of another root',
      (note: string) => note.replace(/\n[^\n]{44}\n/, `\n${'A'.repeat(43)}=\n`),
      'checkpoint_invalid c:6',
    ],
    ['no note', () => 'no note', 'checkpoint_invalid c:6'],
  ])('50 whose checkpoint is %s', async (_, change, finding) => {
    const chain = new FabricatedChain('c').open().fill(5, START);
    chain.checkpoint(START, change(chain.note())).close(START);
    await put(chain);
    expect(await findings()).toEqual([finding]);
  });

  it('51 whose checkpoint another key of that name has signed', async () => {
    const chain = new FabricatedChain('c').open().fill(5, START);
    const own = chain.signer;
    chain.signer = signerOf(own.name, 7);
    chain.checkpoint(START);
    chain.signer = own;
    await put(chain.close(START));
    expect(await findings()).toEqual(['checkpoint_untrusted c:6']);
  });

  it('75 whose checkpoint is of another chain, or has the signature of something else', async () => {
    const chain = new FabricatedChain('c').open().fill(5, START);
    const other = new FabricatedChain('d').open().fill(5, START);
    chain.checkpoint(START, other.note());
    const signature = chain.note().split('\n').at(-2)!;
    const after = chain.note().split('\n');
    await put(
      chain
        .fill(1, START)
        .checkpoint(
          START,
          [...after.slice(0, 1), String(chain.size), ...after.slice(2, 4), signature, ''].join('\n'),
        ),
    );
    expect(await findings()).toEqual(['checkpoint_invalid c:6', 'checkpoint_invalid c:8']);
  });

  it('59 that should have checkpoints, and has none', async () => {
    await put(new FabricatedChain('c').open().fill(3, START + 200));
    expect(await findings()).toEqual(['checkpoint_missing c:0']);
  });

  it('58 and 85 that says nothing more', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    expect(await findings({ asOf: START + 5_000 })).toEqual([
      'time_unattested :0',
      'chain_stale a:11',
      'chain_stale control:6',
    ]);
  });

  it('58 with records that nobody covers', async () => {
    const { a, b, line } = whole();
    a.fill(2, START + 600);
    await put(a, b, line);
    expect(await findings({ asOf: START + 710 })).toEqual([]);
    expect(await findings({ asOf: START + 730 })).toEqual(['time_unattested :0', 'tail_unanchored a:12']);
  });

  it('79 whose clock runs back, or leaps', async () => {
    const back = new FabricatedChain('back').open(START);
    await put(
      back,
      new FabricatedChain('leap')
        .open(START)
        .fill(1, START + 5)
        .close(START + 100_000),
    );
    const [record] = new FabricatedChain('back').open(START - 60).records;
    const payload = record!.payload.replace('"action":"chain_opened"', '"action":"gap"');
    const place = { chainId: 'back', seq: 1n, expiresAt: record!.expiresAt, prevHash: back.head };
    await ledger.put([
      { ...place, retentionClass: 'ledger', payload, recordHash: ledger.hashOf(place, payload) },
    ]);
    expect(await findings({ asOf: START + 100_001 })).toEqual(
      expect.arrayContaining(['clock_regression back:1', 'clock_regression leap:2']),
    );
  });

  it('81 made today and dated last month', async () => {
    const { a, b, line } = whole();
    const old = new FabricatedChain('old', signerOf(`${ORIGIN}/old`, 3))
      .open(START - 3_000_000)
      .close(START - 2_999_999);
    line.round([old], START + 966).checkpoint(START + 967);
    await put(a, b, old, line);
    expect(await findings({ asOf: START + 970 })).toEqual(['clock_regression old:0']);
  });
});

describe('the control chain', () => {
  it.each([
    ['number', (round: { round: number }) => ({ ...round, round: 7 })],
    [
      'root of all',
      (round: { all: { count: number } }) => ({ ...round, all: { ...round.all, root: '0'.repeat(64) } }),
    ],
    ['count', (round: { all: { root: string } }) => ({ ...round, all: { ...round.all, count: 9 } })],
  ])('with a round of another %s', async (_, change) => {
    const a = new FabricatedChain('a').open().close(START + 1);
    const line = new FabricatedLine().open().round([a], START + 5, change as never);
    await put(a, line.checkpoint(START + 6));
    expect(await findings()).toEqual(['checkpoint_mismatch control:1']);
  });

  it('with a round that is none', async () => {
    const line = new FabricatedLine().open().add('round', { round: 0 }, START);
    await put(line.checkpoint(START + 6));
    expect(await findings()).toEqual(['checkpoint_invalid control:1']);
  });

  it('by a key that is not trusted: its rounds excuse nothing', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const trust = trustFile(`${signerOf(ORIGIN, 8).vkey}\n`, 'local');
    expect(await verify({ trust })).toMatchObject({ status: 'tampered', rounds_verified: 0 });
    expect(await findings({ trust })).toEqual(['checkpoint_untrusted control:2']);
  });

  it('rotates its key', async () => {
    const { a, b, line } = whole();
    line.rotate(8, START + 670).checkpoint(START + 671);
    await put(a, b, line);
    expect(await verify()).toMatchObject({ status: 'valid', findings: [], checkpoints_verified: 7 });
    // Whoever was given only the newer key believes what that says of the older.
    const trust = trustFile(`${signerOf(ORIGIN, 8).vkey}\n`, 'local');
    expect(await verify({ trust })).toMatchObject({ status: 'valid', checkpoints_verified: 7 });
  });

  it('55 rotates its key without both signatures, or elsewhere', async () => {
    const one = new FabricatedLine().open().rotate(8, START, (each) => ({ ...each, sig_old: each.sig_new }));
    await put(one);
    expect(await findings()).toEqual(['key_rotation_invalid control:1']);
  });

  it('55 rotates its key at another size', async () => {
    const line = new FabricatedLine().open().fill(1, START);
    const before = line.size;
    line.rotate(8, START, (each) => each);
    const moved = line.records.at(-1)!;
    const other = new FabricatedLine().open().fill(3, START);
    const rotated = (JSON.parse(moved.payload) as { control: { from: number } }).control;
    expect(rotated.from).toBe(before);
    await put(other.add('key_rotated', rotated, START));
    expect(await findings()).toEqual(['key_rotation_invalid control:4']);
  });

  it('56 is signed by a key that was retired', async () => {
    const line = new FabricatedLine().open();
    const old = line.signer;
    line.rotate(8, START).checkpoint(START + 1);
    line.signer = old;
    await put(line.checkpoint(START + 2));
    expect(await findings()).toEqual(['checkpoint_untrusted control:3']);
  });

  it('54 signed twice, differently', async () => {
    const { a, b, line } = whole();
    const second = new FabricatedLine('second').open().checkpoint(START + 1);
    await put(a, b, line, second);
    expect(await findings()).toContain('checkpoint_fork second:1');
  });
});

describe('what a verifier saw before', () => {
  it('is remembered, and the next run goes on from there', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const state = await seen();
    const more = new FabricatedChain('c', signerOf(`${ORIGIN}/c`, 3)).open(START + 700).close(START + 701);
    a.fill(2, START + 710).close(START + 720);
    line.round([a, more], START + 966).checkpoint(START + 967);
    await ledger.put(a.rows.slice(12));
    await ledger.put(line.rows.slice(7));
    await put(more);
    const next = await verify({ state, incremental: true, asOf: START + 970 });
    expect(next).toMatchObject({ status: 'valid', findings: [], records_checked: 7, rounds_verified: 1 });
    expect(
      await verify({
        state: await seen({ state, incremental: true, asOf: START + 970 }),
        incremental: true,
        asOf: START + 970,
      }),
    ).toMatchObject({
      status: 'valid',
      findings: [],
      records_checked: 0,
    });
    expect(await verify({ state, asOf: START + 970 })).toMatchObject({ status: 'valid', findings: [] });
  });

  it('62 is gone: an older backup was put back', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const state = await seen();
    await ledger.remove(`chain_id = 'a' AND seq >= 9 OR chain_id = 'control' AND seq >= 3`);
    for (const incremental of [false, true])
      expect(await findings({ state, incremental })).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^rollback a:/),
          expect.stringMatching(/^rollback control:/),
        ]),
      );
  });

  it('57 is another: all was made anew with the same keys', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const state = await seen();
    await ledger.store.command('TRUNCATE TABLE spanledger.audit_records');
    const anew = whole({ a: new FabricatedChain('a') });
    anew.a.records.length = 0;
    const forged = new FabricatedChain('a').open(START, { forged: true }).fill(11, START + 61);
    const other = new FabricatedLine()
      .open(START + 1)
      .round([forged], START + 65)
      .checkpoint(START + 66)
      .fill(9, START + 70)
      .checkpoint(START + 400);
    await put(forged, other);
    const found = await findings({ state });
    expect(found).toEqual(
      expect.arrayContaining([
        'rollback a:11',
        'rollback b:0-5',
        'rollback control:5',
        'checkpoint_fork control:5',
      ]),
    );
  });

  it('63 is all there is: the database was dropped', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const state = await seen();
    await ledger.store.command('TRUNCATE TABLE spanledger.audit_records');
    expect(await verify({ state })).toMatchObject({ status: 'tampered' });
    expect(await findings({ state })).toContain('ledger_missing :0');
    expect(await findings({ trust: GIVEN })).toEqual(['ledger_missing :0']);
    expect(await verify()).toMatchObject({ status: 'empty', findings: [] });
  });

  it('64 was by another trust', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const state = await seen();
    const trust = trustFile(`# mine\n${signerOf(ORIGIN, 9).vkey}\n`, 'local');
    expect(await verify({ state, trust })).toMatchObject({ status: 'valid', trust_sha256: trust.sha256 });
    expect(await findings({ state, trust })).toEqual(['trust_changed :0']);
  });
});

describe('an anchor', () => {
  const held = (note: string, attested_at?: string) => ({
    place: 'x',
    note,
    ...(attested_at && { attested_at }),
  });
  const anchor = (...notes: ReturnType<typeof held>[]) => [{ name: 'worm', lists: true, held: notes }];
  const receipt = (line: FabricatedLine, size: number) => ({
    anchor: 'worm',
    kind: 'directory',
    size,
    root: JSON.parse(line.records[size]!.payload).control.note.split('\n')[2],
    proof: {},
  });
  const noteAt = (line: FabricatedLine, seq: number) =>
    (JSON.parse(line.records[seq]!.payload) as { control: { note: string } }).control.note;

  it('that has a checkpoint of the ledger says so', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const anchors = anchor(held(noteAt(line, 2)), held(noteAt(line, 6), '2026-03-01T12:11:10.000000Z'));
    expect(await verify({ anchors })).toMatchObject({ status: 'valid', findings: [], anchors_verified: 2 });
  });

  it('60 that no longer has what it gave a receipt for', async () => {
    const { a, b, line } = whole();
    const root = Buffer.from(receipt(line, 2).root, 'base64').toString('hex');
    line.add('checkpoint_anchored', { ...receipt(line, 2), root }, START + 670);
    await put(a, b, line);
    expect(await findings({ anchors: anchor(held(noteAt(line, 2))) })).toEqual([]);
    expect(await findings({ anchors: anchor() })).toEqual(['anchor_missing control:7']);
    expect(await findings({ anchors: [{ name: 'worm', lists: true, held: [{ place: 'x' }] }] })).toEqual([
      'anchor_missing control:0',
      'anchor_missing control:7',
    ]);
  });

  it('53 and 57 that knows more, or something else', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const other = new FabricatedLine().open(START + 1).fill(3, START + 1);
    const [same, beyond] = [other.note(), other.fill(90, START + 2).note()];
    expect(await findings({ anchors: anchor(held(same)) })).toEqual([
      'checkpoint_fork control:3',
      'anchor_mismatch control:3',
    ]);
    expect(await findings({ anchors: anchor(held(beyond)) })).toEqual(['rollback control:7-93']);
  });

  it('61 that has something which no key of the ledger has signed', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    expect(await findings({ anchors: anchor(held(new FabricatedLine('x', 7).open().note())) })).toEqual([
      'anchor_mismatch control:0',
    ]);
  });

  it('80 that saw it before it says it was recorded', async () => {
    const { a, b, line } = whole();
    await put(a, b, line);
    const anchors = anchor(held(noteAt(line, 2), '2026-03-01T11:00:00.000000Z'));
    expect(await findings({ anchors })).toEqual(['clock_regression control:1']);
  });

  it('63 knows of a ledger of which nothing is there', async () => {
    const { line } = whole();
    expect(await findings({ anchors: anchor(held(noteAt(line, 2))) })).toEqual(['ledger_missing :0']);
  });
});

describe('a part of the ledger', () => {
  /** As `whole`; of conversation c are b:3 and b:4, and of a its last record, which no round lists. */
  async function conversation() {
    const made = whole();
    const said = { conversation_id: 'c' };
    const b = new FabricatedChain('b', signerOf(`${ORIGIN}/b`, 2)).open(START + 2).fill(2, START + 3);
    b.add('gap', { n: 0 }, START + 3, said)
      .add('gap', { n: 1 }, START + 4, said)
      .close(START + 10);
    const line = new FabricatedLine().open();
    line.round([made.a, b], START + 65).checkpoint(START + 66);
    made.a.add('gap', { n: 9 }, START + 130, said);
    return { ...made, b, line };
  }
  const part = (options: Partial<VerifyOptions> = {}) => verify({ conversation: 'c', ...options });

  it('is proven by rounds and checkpoints, and says what they do not cover', async () => {
    const { a, b, line } = await conversation();
    const other = new FabricatedChain('other').open().fill(2, START + 1);
    other.fill(1, START + 2);
    await put(a, b, line, other);
    expect(await part({ asOf: START + 200 })).toMatchObject({
      status: 'valid',
      findings: [],
      records_checked: 3,
      unanchored: 1,
      rounds_verified: 1,
      chains: [{ chain_id: 'a' }, { chain_id: 'b' }, { chain_id: 'control' }],
    });
    expect(await part({ asOf: START + 200, trust: null })).toMatchObject({ status: 'incomplete' });
  });

  it('of other chains nothing is told, and of its own all', async () => {
    const { a, b, line } = await conversation();
    await put(a, b, line);
    const before = await seen({ asOf: START + 200 });
    await ledger.remove(`chain_id = 'a' AND seq > 3 AND seq != 12`);
    expect(told(await part({ asOf: START + 200, state: before }))).toContain('seq_gap a:4-11');
    expect(told(await verify({ resource: 'r', asOf: START + 200 }))).toEqual([]);
    await ledger.remove(`chain_id = 'a'`);
    expect(told(await part({ asOf: START + 200, state: before }))).toEqual([]);
    // Made anew by whoever has its key: its hashes and its checkpoint fit, and the round lists another.
    await ledger.remove(`chain_id = 'b'`);
    const anew = new FabricatedChain('b', signerOf(`${ORIGIN}/b`, 2)).open(START + 2).fill(3, START + 3);
    anew.add('gap', { n: 1 }, START + 4, { conversation_id: 'c' }).close(START + 10);
    await put(anew);
    expect(told(await part({ asOf: START + 200 }))).toEqual(['checkpoint_mismatch b:5']);
  });
});
