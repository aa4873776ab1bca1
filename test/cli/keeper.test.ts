import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Checkpointed } from '../../src/server/keeping.ts';
import { goldenCapture } from '../support/captures.ts';
import { complaints, documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';
import { until } from '../support/until.ts';

const [set] = readdirSync('test/golden/captures');
const capture = goldenCapture(set!);

interface Row {
  action: string;
  control: { [field: string]: unknown };
}

/** Records the ledger keeps of itself, as any reader gets them. */
async function told(dir: string, action: string): Promise<Row['control'][]> {
  const query = `SELECT JSONExtractRaw(payload, 'control') AS control FROM spanledger.audit_records WHERE action = '${action}' ORDER BY chain_id, seq`;
  const rows = documentOf<{ control: string }[]>(await spanledger(['sql', query, '--dir', dir, '--json']));
  return rows.map(({ control }) => JSON.parse(control) as Row['control']);
}

const controlChains = async (dir: string) =>
  (await told(dir, 'chain_opened')).filter(({ role }) => role === 'control');

function settled(dir: string, anchors: string, keeper = {}): void {
  mkdirSync(anchors, { recursive: true });
  mkdirSync(dir, { recursive: true });
  const said = { version: 1, keeper, anchors: [{ kind: 'directory', name: 'worm', path: anchors }] };
  writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify(said));
}

describe('spanledger checkpoint', () => {
  it('lists, signs and anchors what was ingested, and says so where the anchor is down', async () => {
    const folder = temporaryFolder();
    const [dir, worm] = [join(folder, 'ledger'), join(folder, 'worm')];
    settled(dir, worm);
    await spanledger(['ingest', '-', '--dir', dir], { input: capture.protobuf });
    const made = documentOf<Checkpointed>(await spanledger(['checkpoint', '--dir', dir, '--json']));
    expect(made).toMatchObject({
      round: 1,
      chains: 1,
      failed: [],
      verification: 'valid',
      anchors: [{ state: 'anchored' }],
    });
    const [place] = readdirSync(worm, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.checkpoint'),
    );
    expect(readFileSync(join(worm, place!), 'utf8')).toBe(made.note);
    expect(readFileSync(join(dir, 'trust'), 'utf8')).toMatch(new RegExp(`^${made.origin}\\+`));
    renameSync(worm, `${worm}-gone`);
    const down = await spanledger(['checkpoint', '--dir', dir, '--json']);
    expect(down.code).toBe(3);
    expect(documentOf<Checkpointed>(down)).toMatchObject({ round: 2, anchors: [{ state: 'failed' }] });
    const verify = () => spanledger(['verify', '--dir', dir, '--json']);
    const unasked = await verify();
    expect(unasked.code, 'what an anchor has is part of the proof').toBe(5);
    expect(documentOf(unasked)).toMatchObject({ status: 'incomplete', findings: [], anchors_verified: 0 });
    expect(documentOf<{ unchecked: string[] }>(unasked).unchecked).toEqual([
      expect.stringContaining('the anchor worm: '),
    ]);
    renameSync(`${worm}-gone`, worm);
    expect(documentOf(await verify())).toMatchObject({ status: 'valid', anchors_verified: 1, unchecked: [] });
  });

  it('is made by a serve that runs, which makes a last one as it ends, and goes on after it was killed', async () => {
    const folder = temporaryFolder();
    const [dir, worm] = [join(folder, 'ledger'), join(folder, 'worm')];
    settled(dir, worm, { round_seconds: 3_600 });
    const killed = await serve(dir);
    const send = (otlp: string) =>
      fetch(`${otlp}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: new Uint8Array(capture.protobuf),
      });
    await send(killed.otlp);
    const made = await spanledger(['checkpoint', '--dir', dir, '--json']);
    expect(complaints(made)).toBe('');
    expect(documentOf(made)).toMatchObject({
      chains: 1,
      verification: 'valid',
      anchors: [{ state: 'anchored' }],
    });
    const metrics = await (await fetch(`${killed.admin}/metrics`)).text();
    expect(metrics).toContain('spanledger_keeper_verification{status="valid"} 1');
    expect(metrics).toContain('spanledger_keeper_anchorings_total{anchor="worm",state="anchored"}');
    const rotated = documentOf<{ old: string; new: string }>(
      await spanledger(['keys', 'rotate', '--dir', dir, '--json']),
    );
    const shown = documentOf<{ ledger: { vkey: string }; trusted: string[] }>(
      await spanledger(['keys', 'show', '--dir', dir, '--json']),
    );
    expect(shown).toMatchObject({ ledger: { vkey: rotated.new }, trusted: [rotated.old, rotated.new] });
    await killed.stop('SIGKILL');

    const running = await serve(dir);
    await until(async () =>
      (await (await fetch(`${running.admin}/metrics`)).text()).includes('keeper_rounds_total 1'),
    );
    expect(await running.stop('SIGTERM')).toBe(0);
    expect(await controlChains(dir)).toHaveLength(1);
    const rounds = await told(dir, 'round');
    expect(rounds.map(({ round }) => round)).toEqual(rounds.map((_, i) => i + 1));
    expect(rounds.length).toBeGreaterThanOrEqual(4);
    const { old, new: next } = rotated;
    expect(await told(dir, 'key_rotated')).toMatchObject([{ old, new: next }]);
    expect(documentOf(await spanledger(['verify', '--dir', dir, '--json']))).toMatchObject({
      status: 'valid',
    });
    const init = await spanledger(['keys', 'init', '--dir', dir, '--json']);
    expect(init.code).toBe(2);
  });
});
