import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import build from '../support/build.ts';

/** A program of another project, or why there is none here. */
export type Found = { path: string } | { missing: string };

/** The Python instrumentations whose agents are run, each in an environment of its own. */
export const INSTRUMENTATIONS = ['openai-v2', 'openinference', 'traceloop'] as const;
export type Instrumentation = (typeof INSTRUMENTATIONS)[number];

declare module 'vitest' {
  interface ProvidedContext {
    collector: Found;
    versitygw: Found;
    witness: Found;
    pythons: { [I in Instrumentation]: Found };
  }
}

const CACHE = 'node_modules/.cache/spanledger-interop';
const COLLECTOR_BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.155.0';
const COLLECTOR_PARTS = 'deploy/collector/builder.yaml';
const VERSITYGW = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0';
const GO_PARTS = 'test/interop/go';
const REQUIREMENTS = 'test/interop/python';

/** Builds and installs, once, what the tests run spanledger with. */
export default function prepare(project: TestProject): void {
  build();
  project.provide('collector', collector());
  project.provide('versitygw', versitygw());
  project.provide('witness', witness());
  const [openai, openinference, traceloop] = INSTRUMENTATIONS.map(python);
  project.provide('pythons', { 'openai-v2': openai!, openinference: openinference!, traceloop: traceloop! });
}

function collector(): Found {
  if (!runs('go', 'version')) return { missing: 'go is not installed: no Collector can be built' };
  const folder = cached('collector', [COLLECTOR_PARTS], (made) => {
    run('go', ['install', COLLECTOR_BUILDER], { cwd: made, env: { ...process.env, GOBIN: made } });
    run(join(made, 'builder'), ['--config', resolve(COLLECTOR_PARTS)], { cwd: made });
  });
  return { path: join(folder, 'otelcol-spanledger/otelcol-spanledger') };
}

/** An S3 server with versions and Object Lock. */
export function versitygw(): Found {
  if (!runs('go', 'version')) return { missing: 'go is not installed: no S3 server can be built' };
  const folder = cached(VERSITYGW.replace(/.*\//, ''), [], (made) => {
    run('go', ['install', VERSITYGW], { env: { ...process.env, GOBIN: made } });
  });
  return { path: join(folder, 'versitygw') };
}

/** A witness made of golang.org/x/mod. */
export function witness(): Found {
  if (!runs('go', 'version')) return { missing: 'go is not installed: no witness can be built' };
  const sources = ['main.go', 'go.mod', 'go.sum'].map((name) => join(GO_PARTS, name));
  const folder = cached('witness', sources, (made) => {
    run('go', ['build', '-o', join(made, 'witness'), '.'], { cwd: GO_PARTS });
  });
  return { path: join(folder, 'witness') };
}

function python(instrumentation: Instrumentation): Found {
  if (!runs('python3', '-c', 'import ensurepip, sys; assert sys.version_info >= (3, 10)'))
    return { missing: 'python3 is not installed, older than 3.10 or without ensurepip: no agent can be run' };
  const files = [`${instrumentation}.txt`, 'common.txt'].map((name) => join(REQUIREMENTS, name));
  const folder = cached(`python-${instrumentation}`, files, (made) => {
    run('python3', ['-m', 'venv', made]);
    const options = ['--quiet', '--disable-pip-version-check'];
    run(join(made, 'bin/pip'), ['install', ...options, ...files.flatMap((file) => ['-r', file])]);
  });
  return { path: join(folder, 'bin/python') };
}

/** A folder for these sources as they are now; one that was left half made is made again. */
function cached(name: string, sources: readonly string[], make: (folder: string) => void): string {
  const digest = createHash('sha256');
  for (const source of sources) digest.update(readFileSync(source));
  const folder = resolve(CACHE, `${name}-${digest.digest('hex').slice(0, 12)}`);
  const whole = join(folder, '.whole');
  if (existsSync(whole)) return folder;
  console.log(`Preparing ${folder}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  make(folder);
  writeFileSync(whole, '');
  return folder;
}

function run(command: string, args: readonly string[], options: object = {}): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
}

function runs(command: string, ...args: readonly string[]): boolean {
  try {
    run(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
