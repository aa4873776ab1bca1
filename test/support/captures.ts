import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const GOLDEN = 'test/golden/captures';
/** All captures, where the checkout stands beside them. */
const CORPUS = '../shared/corpus';

/** One run of a real agent, as two real exporters sent it. */
export interface Capture {
  set: string;
  json: Buffer;
  protobuf: Buffer;
  /** The log records of the same run, where it sent any. */
  logs: { json: Buffer; protobuf: Buffer } | undefined;
}

/** The captures every checkout has. */
export const GOLDEN_SETS = readdirSync(GOLDEN).sort();

export function goldenCapture(set: string): Capture {
  return captureIn(GOLDEN, set);
}

export function corpusCaptures(): Capture[] {
  if (!existsSync(CORPUS)) return [];
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => captureIn(CORPUS, name));
}

/** What other signals' exporters sent in the same runs: logs and metrics, in protobuf. */
export function otherSignals(): { name: string; body: Buffer }[] {
  if (!existsSync(CORPUS)) return [];
  return readdirSync(CORPUS, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(logs|metrics)-\d+\.pb$/.test(name))
    .map((name) => ({ name, body: readFileSync(join(CORPUS, name)) }));
}

function captureIn(folder: string, set: string): Capture {
  const read = (signal: string, extension: string) => {
    const found = readdirSync(join(folder, set)).filter((name) =>
      new RegExp(`^${signal}-\\d+\\.${extension}$`).test(name),
    );
    if (found.length > 1) throw new Error(`${set} has ${found.length} ${signal} files .${extension}`);
    return found.length === 0 ? undefined : readFileSync(join(folder, set, found[0]!));
  };
  const logs = { json: read('logs', 'json'), protobuf: read('logs', 'pb') };
  return {
    set,
    json: read('traces', 'json')!,
    protobuf: read('traces', 'pb')!,
    logs: logs.json === undefined ? undefined : { json: logs.json, protobuf: logs.protobuf! },
  };
}
