import { readFileSync } from 'node:fs';
import type { Environment } from '../config/deployment.ts';
import { type Check, fail, ok, skipped, warn } from './check.ts';

/** The oldest Node that runs it, as package.json says. */
const OLDEST_NODE = [20, 19] as const;
/** Files open at once that the engine wants at least: each part it reads is some. */
const LEAST_FILES = 4_096;

/** This process and its environment, which `serve` would have too. */
export function processChecks(env: Environment): Check[] {
  return [nodeCheck(), filesCheck(), environmentCheck(env)];
}

function nodeCheck(): Check {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  return isOld
    ? fail('process.node', `Node ${node}`, `use Node ${OLDEST_NODE.join('.')} or later`)
    : ok('process.node', `Node ${node}`);
}

function filesCheck(): Check {
  const check = 'process.files';
  const limit = openFilesLimit();
  if (limit === undefined)
    return skipped(check, 'this system does not say how many files a process may open');
  const found = `a process may open ${limit === Number.POSITIVE_INFINITY ? 'any number of' : limit.toLocaleString('en-US')} files`;
  return limit < LEAST_FILES
    ? warn(
        check,
        `${found}, and the engine wants ${LEAST_FILES.toLocaleString('en-US')}`,
        'ulimit -n 65536, or LimitNOFILE=65536 in the unit of serve',
      )
    : ok(check, found);
}

function openFilesLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === 'unlimited' ? Number.POSITIVE_INFINITY : soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}

/** Names only: a value may be a token. */
function environmentCheck(env: Environment): Check {
  const names = Object.keys(env).filter((name) => name.startsWith('OTEL_') && env[name] !== undefined);
  return ok(
    'process.environment',
    names.length === 0
      ? 'no OTEL_ variable is set'
      : `${names.join(', ')}: set here; serve is not changed by them, an app whose SDK is disabled, or samples, sends less`,
  );
}
