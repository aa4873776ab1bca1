import { readFileSync, realpathSync } from 'node:fs';

/** A line of /proc/self/mountinfo, as far as it concerns us. */
export interface Mount {
  point: string;
  type: string;
}

/** proc(5): `36 35 98:0 /root /mount/point options - type source options`; white space in a path is octal. */
export function mountsIn(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const point = before?.split(' ')[4];
    const type = after?.split(' ')[0];
    if (point === undefined || type === undefined) return [];
    return [{ point: point.replace(/\\([0-7]{3})/g, (_, octal: string) => codeText(octal)), type }];
  });
}

function codeText(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}

/** The mount a path lies on: the last made of the longest that are above it. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const root = mount.point.endsWith('/') ? mount.point : `${mount.point}/`;
    const isAbove = `${path}/`.startsWith(root);
    if (isAbove && mount.point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found;
}

/** The type of the filesystem a path that is there lies on; undefined where the machine doesn't tell. */
export function filesystemOf(path: string): string | undefined {
  try {
    return mountOf(realpathSync(path), mountsIn(readFileSync('/proc/self/mountinfo', 'utf8')))?.type;
  } catch {
    return undefined;
  }
}
