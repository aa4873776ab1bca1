import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { requests } from '../../bench/workload.ts';
import { GOLDEN_SETS, goldenCapture } from '../support/captures.ts';

/** One OTLP/protobuf request. */
export interface Request {
  signal: 'traces' | 'logs';
  body: Buffer;
}

/** What real agents' exporters sent. */
export function captured(): Request[] {
  return GOLDEN_SETS.flatMap((set) => {
    const { protobuf, logs } = goldenCapture(set);
    const traces = { signal: 'traces', body: protobuf } as const;
    return logs === undefined ? [traces] : [traces, { signal: 'logs', body: logs.protobuf } as const];
  });
}

/** An agent's day: spans enough to be under way whenever something is killed. */
export function busyDay(spans: number): Request[] {
  return Array.from(requests(spans), (body) => ({ signal: 'traces', body: Buffer.from(body) }));
}

/** Senders that send a request again until it is acknowledged, as every exporter does. */
const SENDERS = 4;

export class Load {
  /** Requests that have been acknowledged. */
  delivered = 0;
  readonly all: Promise<unknown>;
  readonly #to: string;

  constructor(to: string, requests: readonly Request[]) {
    this.#to = to;
    this.all = Promise.all(
      Array.from({ length: SENDERS }, (_, sender) =>
        this.#send(requests.filter((_request, i) => i % SENDERS === sender)),
      ),
    );
  }

  async #send(requests: readonly Request[]): Promise<void> {
    for (const request of requests) {
      while (!(await this.#isTaken(request))) await wait(20);
      this.delivered += 1;
    }
  }

  async #isTaken({ signal, body }: Request): Promise<boolean> {
    try {
      const headers = { 'content-type': 'application/x-protobuf' };
      const sent = { method: 'POST', headers, body: body as Buffer<ArrayBuffer> };
      const answer = await fetch(`${this.#to}/v1/${signal}`, sent);
      return answer.status === 200;
    } catch {
      return false;
    }
  }
}

/** The requests as files, in the order given. */
export function writeRequests(folder: string, requests: readonly Request[]): string[] {
  mkdirSync(folder, { recursive: true });
  return requests.map(({ signal, body }, i) => {
    const file = join(folder, `${signal}-${String(i).padStart(3, '0')}.pb`);
    writeFileSync(file, body);
    return file;
  });
}
