import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** Why no small disk can be mounted here, or undefined. */
export function mountMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting needs root';
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'mounting is not allowed';
  }
}

/** A disk of its own at `path`, as small as `options` say, unmounted when the test is done. */
export function smallDisk(path: string, options: string): void {
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', path]));
}

export function resizeDisk(path: string, options: string): void {
  execFileSync('mount', ['-o', `remount,${options}`, path]);
}
