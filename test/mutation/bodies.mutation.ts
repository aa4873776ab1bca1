import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { spanledger, temporaryFolder } from '../support/cli.ts';
import { serve } from '../support/serve.ts';
import { decode, type Mutated, mutated } from './mutations.ts';

/** `MUTATE_BODIES` and `MUTATE_REQUESTS` say how many; `MUTATE_SEED` which. */
const asked = (name: string, otherwise: number) => Number(process.env[name] ?? otherwise);
const BODIES = asked('MUTATE_BODIES', 1_000_000);
const REQUESTS = asked('MUTATE_REQUESTS', 20_000);
const SEED = asked('MUTATE_SEED', 1);

const agent = new Agent({ keepAlive: true });

function send(base: string, { path, type, body }: Mutated): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      base + path,
      { method: 'POST', agent, headers: { 'content-type': type, 'content-length': body.length } },
      (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode!));
      },
    );
    sent.once('error', reject);
    sent.end(body);
  });
}

const residentMiB = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

describe('mutated bodies', () => {
  it(`${BODIES}, at the decoder: read or refused`, () => {
    const began = performance.now();
    const counts = { read: 0, refused: 0 };
    let slowest = 0;
    for (const each of mutated(BODIES, SEED)) {
      const started = performance.now();
      counts[decode(each)] += 1;
      slowest = Math.max(slowest, performance.now() - started);
    }
    const seconds = (performance.now() - began) / 1_000;
    console.log(
      `${BODIES} bodies decoded in ${seconds.toFixed(0)} s: ${counts.read} read, ${counts.refused} refused; the slowest took ${slowest.toFixed(0)} ms`,
    );
  }, 3_600_000);

  it(`${REQUESTS}, over HTTP to a serve: 200 or 4xx, and memory flat`, async () => {
    const dir = join(temporaryFolder(), 'served');
    const serving = await serve(dir);
    const statuses: { [status: number]: number } = {};
    const began = performance.now();
    const bodies = mutated(REQUESTS, SEED + 1);
    let done = 0;
    let atTenth = 0;
    const sender = async () => {
      for (const each of bodies) {
        const status = await send(serving.otlp, each);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (++done === Math.floor(REQUESTS / 10)) atTenth = residentMiB(serving.pid);
      }
    };
    await Promise.all([sender(), sender(), sender(), sender()]);
    const seconds = (performance.now() - began) / 1_000;
    const ratio = residentMiB(serving.pid) / atTenth;
    console.log(
      `${REQUESTS} requests in ${seconds.toFixed(0)} s: ${JSON.stringify(statuses)}; resident ${atTenth.toFixed(0)} MiB at a tenth, × ${ratio.toFixed(2)} at the end`,
    );
    for (const status of Object.keys(statuses)) expect(status).toMatch(/^(200|4..)$/);
    expect(ratio).toBeLessThan(1.15);
    expect(await serving.stop('SIGTERM')).toBe(0);
    expect(serving.log()).not.toMatch(/"level":[56]0/);
    expect((await spanledger(['verify', '--dir', dir])).code).toBe(0);
  }, 3_600_000);
});
