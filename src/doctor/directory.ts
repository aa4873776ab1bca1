import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Deployment, type Environment, openDeployment } from '../config/deployment.ts';
import type { Layout } from '../config/layout.ts';
import { type Check, fail, failed, ok, skipped, warn } from './check.ts';
import { filesystemOf } from './mounts.ts';

/** The directory: is it a ledger's, who may read it, and does its disk keep what it is given. */
export function directoryChecks(layout: Layout, env: Environment): Check[] {
  return [
    ledgerCheck(layout, env),
    ...modeChecks(layout, env),
    ownerCheck(layout),
    filesystemCheck(layout.dir),
    linkCheck(layout.dir),
  ];
}

function ledgerCheck(layout: Layout, env: Environment): Check {
  let deployment: Deployment;
  try {
    deployment = openDeployment(layout.dir, env);
  } catch (error) {
    return failed('directory.ledger', error);
  }
  const source = env.SPANLEDGER_LEDGER_ID === undefined ? layout.ledgerFile : 'SPANLEDGER_LEDGER_ID';
  return ok('directory.ledger', `ledger ${deployment.ledgerId}, from ${source}`);
}

/** What others may do with a path, and what of it they must not. */
interface Guarded {
  check: string;
  path: string;
  forbidden: number;
  mode: string;
  bad: typeof warn;
}

function modeChecks({ dir, masterKeyFile, contentKeyFile, serveFile }: Layout, env: Environment): Check[] {
  const check = 'directory.modes';
  // The directory may be a group's, as far as its secrets are not.
  const guarded: Guarded[] = [
    { check, path: dir, forbidden: 0o007, mode: 'o-rwx', bad: warn },
    { check, path: dirname(masterKeyFile), forbidden: 0o077, mode: '700', bad: warn },
    // Else whoever reads the key refuses an open one, which is `keys.master`.
    ...(env.SPANLEDGER_MASTER_KEY === undefined
      ? []
      : [{ check, path: masterKeyFile, forbidden: 0o077, mode: '600', bad: fail }]),
    { check, path: contentKeyFile, forbidden: 0o077, mode: '600', bad: fail },
    { check, path: serveFile, forbidden: 0o077, mode: '600', bad: fail },
  ];
  if (process.platform === 'win32') return [skipped(check, 'Windows has no file modes')];
  const there = guarded.flatMap((each) => {
    const bits = modeOf(each.path);
    return bits === undefined ? [] : [{ ...each, bits }];
  });
  const shown = ({ path, bits }: (typeof there)[number]) => `${path} ${bits.toString(8).padStart(4, '0')}`;
  const open = there.filter(({ bits, forbidden }) => (bits & forbidden) !== 0);
  if (open.length === 0) return [ok(check, `${there.map(shown).join(', ')}: closed to others`)];
  return open.map((each) =>
    each.bad(check, `${shown(each)}: open to others`, `chmod ${each.mode} ${each.path}`),
  );
}

/** Undefined for what is not there, or not any more, or is closed to this user too. */
function modeOf(path: string): number | undefined {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return undefined;
  }
}

/** Whoever else starts a command here leaves files that the owner cannot write. */
function ownerCheck({ dir }: Layout): Check {
  const own = process.getuid?.();
  const { uid } = statSync(dir);
  if (own === undefined) return skipped('directory.owner', 'this system has no user ids');
  return own === uid
    ? ok('directory.owner', `user ${uid} owns the directory, and runs this`)
    : warn(
        'directory.owner',
        `user ${uid} owns the directory, and user ${own} runs this: files made now would not be the owner's`,
        `run commands as its owner: sudo -u '#${uid}' spanledger verify`,
      );
}

const NETWORK = /^(nfs\d*|cifs|smb\d*|smbfs|ceph|glusterfs|lustre|9p|afs|fuse(\..*|blk)?|virtiofs)$/;
const MEMORY = /^(tmpfs|ramfs)$/;

/** The journal's promise is the disk's: `fdatasync` must mean it. */
function filesystemCheck(dir: string): Check {
  const check = 'directory.filesystem';
  const type = filesystemOf(dir);
  if (type === undefined) return skipped(check, 'this system does not say what the directory lies on');
  const remedy = `move ${dir} to a local disk (ext4, xfs), and name it by --dir or SPANLEDGER_DIR`;
  if (MEMORY.test(type))
    return warn(
      check,
      `${dir} lies on ${type}: what was acknowledged is gone with the machine's power`,
      remedy,
    );
  if (NETWORK.test(type))
    return warn(check, `${dir} lies on ${type}: whether fdatasync and locks hold is up to a server`, remedy);
  if (type === 'overlay')
    return warn(
      check,
      `${dir} lies on overlay, a container's own layer: it is gone with the container`,
      `mount a volume at ${dir}`,
    );
  return ok(check, `${dir} lies on ${type}`);
}

function linkCheck(dir: string): Check {
  const real = realpathSync(dir);
  return lstatSync(dir).isSymbolicLink()
    ? warn(
        'directory.link',
        `${dir} is a link to ${real}: whoever may change the link may exchange the ledger`,
        `name the directory itself: --dir ${real}`,
      )
    : ok('directory.link', `${dir} is no link`);
}
