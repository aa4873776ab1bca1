import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { filesystemOf, mountOf, mountsIn } from '../../src/doctor/mounts.ts';

const MOUNTS = mountsIn(`22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /srv rw - nfs4 server:/export rw,vers=4.2
31 30 0:41 / /srv/my\\040ledger rw master:2 - tmpfs tmpfs rw
32 31 0:42 / /srv/my\\040ledger rw - xfs /dev/sdb rw
garbage
`);

describe('the mount of a path', () => {
  it.each([
    ['/', 'ext4'],
    ['/home/ledger', 'ext4'],
    ['/srv', 'nfs4'],
    ['/srv/other', 'nfs4'],
    ['/srvother', 'ext4'],
    ['/srv/my ledger/journal', 'xfs'],
    ['/srv/my ledgers', 'nfs4'],
    ['/procs', 'ext4'],
  ])('%s lies on %s', (path, type) => {
    expect(mountOf(path, MOUNTS)?.type).toBe(type);
  });

  it('is none where nothing is said', () => {
    expect(mountOf('/', mountsIn(''))).toBeUndefined();
  });

  it.runIf(process.platform === 'linux')('is found for real', () => {
    expect(filesystemOf('/proc')).toBe('proc');
    expect(filesystemOf(tmpdir())).toMatch(/^\w/);
    if (existsSync('/dev/shm')) expect(filesystemOf('/dev/shm')).toBe('tmpfs');
    expect(filesystemOf('/no/such/path')).toBeUndefined();
  });
});
