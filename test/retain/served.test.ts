import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layoutOf } from '../../src/config/layout.ts';
import type { RetentionStatus } from '../../src/retain/status.ts';
import { Store } from '../../src/store/client.ts';
import { AgedWriter, DAY, present } from '../support/aged-ledger.ts';
import { complaints, documentOf, spanledger } from '../support/cli.ts';
import { fileFolder, LEDGER_ID, ORIGIN } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';
import { until } from '../support/until.ts';

const ENV = { SPANLEDGER_LEDGER_ID: LEDGER_ID };
const NOW = Math.floor(Date.now() / 1_000);

it('a serve lets go on its schedule, and places and releases holds for whoever asks', async () => {
  const dir = join(fileFolder(), 'ledger');
  const settings = {
    version: 1,
    origin: ORIGIN,
    keeper: { round_seconds: 1 },
    retention: { every_seconds: 2 },
  };
  mkdirSync(dir);
  writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify({ ...settings, retention: { enabled: false } }));
  for (const command of ['init', 'migrate'])
    expect((await spanledger([command, '--dir', dir], { env: ENV })).code).toBe(0);
  const store = await Store.embedded(layoutOf(dir));
  const writer = new AgedWriter(dir, store);
  const patient = (id: string) => ({ resource: { type: 'patient', id } });
  const held = writer.record(NOW - 500 * DAY, 'default', patient('p1'));
  writer.record(NOW - 500 * DAY + 1, 'default', patient('p2'));
  const young = writer.record(NOW - 390 * DAY, 'default', patient('p2'));
  await writer.close();
  await store.close();

  const ask = async <T>(...words: string[]) => {
    const ran = await spanledger([...words, '--dir', dir, '--json'], { env: ENV });
    expect([words.join(' '), complaints(ran), ran.code]).toEqual([words.join(' '), '', 0]);
    return documentOf<T>(ran);
  };
  const idle = await serve(dir, [], ENV);
  const placed = await ask<{ hold_id: string; records: number }>(
    ...['hold', 'place', '--case', 'c', '--reason', 'r', '--actor', 'ann', '--resource', 'p1'],
  );
  expect(placed.records).toBe(1);
  expect(await ask<object>('retention', 'status')).toMatchObject({
    next_run: null,
    last_run: null,
    holds: 1,
  });
  expect(await ask<object>('retention', 'run', '--dry-run')).toMatchObject({
    due: 2,
    held: 1,
    expired: 1,
    purged: 0,
  });
  expect(await idle.stop('SIGTERM')).toBe(0);

  writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify(settings));
  const running = await serve(dir, [], ENV);
  const purged = async () => {
    const text = await (await fetch(`${running.admin}/metrics`)).text();
    return {
      runs: Number(/^spanledger_retention_runs_total (\d+)/m.exec(text)?.[1]),
      due: /^spanledger_retention_due\{class="default",month="\d+"\} 1$/m.test(text),
      held: /^spanledger_retention_held\{class="default",month="\d+"\} 1$/m.test(text),
    };
  };
  await until(async () => {
    const { runs, due, held } = await purged();
    return runs > 1 && due && held;
  });
  const status = await ask<RetentionStatus>('retention', 'status');
  expect(status.last_run).not.toBeNull();
  await ask('hold', 'release', placed.hold_id, '--reason', 'over', '--actor', 'ben');
  await until(async () =>
    (await ask<RetentionStatus>('retention', 'status')).partitions.every(({ due }) => due === 0),
  );
  expect(await ask('verify')).toMatchObject({ status: 'valid', expired: 2, on_hold: 0 });
  expect(await running.stop('SIGTERM')).toBe(0);
  const after = await Store.embedded(layoutOf(dir));
  expect(await present(after)).toEqual([young]);
  expect(held).not.toBe(young);
  await after.close();
}, 300_000);
