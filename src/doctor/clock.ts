import { existsSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import type { Store } from '../store/client.ts';
import { type Check, fail, failed, ok, skipped, warn } from './check.ts';

/** Milliseconds of difference that are warned of, and that make times in reports wrong. */
const WARN_SKEW = 1_000;
const FAIL_SKEW = 60_000;

/** Made by systemd-timesyncd once it has synchronised. */
const SYNCHRONISED = '/run/systemd/timesync/synchronized';

const SYNCHRONISE = 'synchronise the clock: timedatectl set-ntp true';

/**
 * The machine's clock against the newest record: behind it, a chain's `recorded_at` stands still until it has caught up.
 *
 * @param newest RFC 3339
 */
export function recordsClockCheck(newest: string | undefined, now: number): Check {
  const check = 'clock.records';
  if (newest === undefined) return skipped(check, 'there is no record to compare the clock with');
  const behind = Date.parse(newest) - now;
  return behind > WARN_SKEW
    ? fail(
        check,
        `the clock is ${seconds(behind)} behind the newest record (${newest}): what is recorded now is dated as that`,
        SYNCHRONISE,
      )
    : ok(check, `the clock is past the newest record (${newest})`);
}

/** Against a server's clock, as far as the answer's way lets it be told. */
export async function storeClockCheck(store: Store): Promise<Check> {
  const check = 'clock.store';
  if (store.where === 'embedded') return skipped(check, 'the embedded engine has this clock too');
  try {
    const asked = Date.now();
    const [row] = await store.query<{ now: string }>(
      `SELECT toString(toUnixTimestamp64Milli(now64(3))) AS now`,
    );
    const answered = Date.now();
    const skew = Math.max(0, asked - Number(row!.now), Number(row!.now) - answered);
    const found = `the clock and that of ${store.where} are ${skew === 0 ? 'the same' : `${seconds(skew)} apart`}, as far as ${answered - asked} ms of answering tell`;
    if (skew > FAIL_SKEW) return fail(check, found, SYNCHRONISE);
    return skew > WARN_SKEW ? warn(check, found, SYNCHRONISE) : ok(check, found);
  } catch (error) {
    return failed(check, error);
  }
}

export function ntpCheck(): Check {
  try {
    if (existsSync(SYNCHRONISED)) return ok('clock.ntp', 'systemd-timesyncd has synchronised the clock');
  } catch (error) {
    return skipped('clock.ntp', messageOf(error));
  }
  return skipped(
    'clock.ntp',
    `there is no ${SYNCHRONISED}: whether another service, as chrony, keeps the clock cannot be seen from here`,
  );
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}
