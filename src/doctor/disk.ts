import { existsSync, statfsSync } from 'node:fs';
import type { Layout } from '../config/layout.ts';
import { messageOf } from '../errors.ts';
import { bytesText, type Check, fail, ok, percent, skipped, warn } from './check.ts';

/** Of a disk, or its inodes, this much in use is nearly full. */
const NEARLY_FULL = 0.9;
/** Bytes free below which there is hardly place for a segment of the journal and a part of the store. */
const LEAST_FREE = 64 * 1024 * 1024;

/** Space on the disks where the journal and the embedded engine lie, which may be two. */
export function diskChecks(layout: Layout, maxJournalBytes: number, journalBytes: number): Check[] {
  const places = [layout.dir, layout.journals, layout.clickhouse].filter((path) => existsSync(path));
  const checks: Check[] = [];
  const seen = new Set<string>();
  for (const path of places) {
    try {
      const disk = statfsSync(path);
      const total = disk.blocks * disk.bsize;
      const free = disk.bavail * disk.bsize;
      const key = [disk.type, disk.blocks, disk.bfree, disk.files].join(' ');
      if (seen.has(key)) continue;
      seen.add(key);
      checks.push(
        spaceCheck(path, total, disk.bfree * disk.bsize, free),
        inodesCheck(path, disk.files, disk.ffree),
      );
    } catch (error) {
      checks.push(skipped('disk.space', `${path}: ${messageOf(error)}`));
    }
  }
  checks.push(limitCheck(layout, maxJournalBytes, journalBytes));
  return checks;
}

function spaceCheck(path: string, total: number, unused: number, free: number): Check {
  const check = 'disk.space';
  if (total === 0) return skipped(check, `the filesystem at ${path} does not say how large it is`);
  const used = total - unused;
  const found = `${bytesText(free)} free of ${bytesText(total)} at ${path}, ${percent(used, used + free)} in use`;
  const remedy = `free space at ${path}, or move the directory to a larger disk`;
  if (free < LEAST_FREE) return fail(check, found, remedy);
  return used / (used + free) >= NEARLY_FULL ? warn(check, found, remedy) : ok(check, found);
}

function inodesCheck(path: string, total: number, free: number): Check {
  const check = 'disk.inodes';
  if (total === 0) return skipped(check, `the filesystem at ${path} counts no inodes`);
  const found = `${free.toLocaleString('en-US')} inodes free at ${path}, ${percent(total - free, total)} in use`;
  const remedy = `remove files nobody needs at ${path}, or move the directory to another disk`;
  if (free === 0) return fail(check, found, remedy);
  return (total - free) / total >= NEARLY_FULL ? warn(check, found, remedy) : ok(check, found);
}

/** While the store is away the journal grows: its limit should be reached before the disk's. */
function limitCheck({ dir, journals }: Layout, limit: number, bytes: number): Check {
  const check = 'disk.journal';
  const disk = statfsSync(existsSync(journals) ? journals : dir);
  const room = bytes + disk.bavail * disk.bsize;
  const found = `the journals hold ${bytesText(bytes)}; one may grow to ${bytesText(limit)}, and the disk has room for ${bytesText(room)}`;
  return room < limit
    ? warn(
        check,
        `${found}: the disk would be full first`,
        `set serve.max_journal_bytes in spanledger.yaml to ${Math.max(LEAST_FREE, Math.floor(room * NEARLY_FULL))}, or free space`,
      )
    : ok(check, found);
}
