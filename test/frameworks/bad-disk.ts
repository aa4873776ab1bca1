import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/cli.ts';

/** The environment of a fail-closed app whose disk takes nothing. */
export function failClosedOnBadDisk(): NodeJS.ProcessEnv {
  const folder = temporaryFolder();
  const shim = join(folder, 'shim.so');
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/fdatasync-shim.c', '-ldl']);
  const env = { SPANLEDGER_FAIL_MODE: 'closed', LD_PRELOAD: shim };
  return { ...env, SHIM_COUNT: join(folder, 'count'), SHIM_GO: join(folder, 'go'), SHIM_FROM: '1' };
}

/** The shim is built here. */
export const missing =
  process.platform !== 'linux'
    ? 'not Linux'
    : existsSync('/usr/bin/gcc')
      ? undefined
      : 'gcc is not installed';
