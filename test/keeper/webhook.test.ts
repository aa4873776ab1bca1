import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isPrivate, tellWebhook } from '../../src/keeper/webhook.ts';
import { codeOf } from '../support/ledger-kit.ts';

interface Heard {
  body: string;
  type: string | undefined;
  token: string | undefined;
}

/** A receiver that answers as told, call by call; the last answer stays. */
async function receiver(...answers: ((response: ServerResponse) => void)[]) {
  const heard: Heard[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      heard.push({
        body,
        type: request.headers['content-type'],
        token: request.headers['x-token'] as string,
      });
      (answers[heard.length - 1] ?? answers.at(-1)!)(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.closeAllConnections(), 0);
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { heard, port, url: `http://127.0.0.1:${port}/hook` };
}

const answer =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end('x'.repeat(100));
const told = { status: 'tampered', findings: { seq_gap: 1 } };
const settings = (url: string, allow_private = true) => ({ url, headers: { 'x-token': 't' }, allow_private });

function pauses(calls = 5) {
  const slept: number[] = [];
  const pause = async (milliseconds: number) => slept.push(milliseconds) < calls;
  return { slept, pause };
}

describe('a webhook', () => {
  it('is told once it answers 2xx, with a pause that grows', async () => {
    const { heard, url } = await receiver(answer(500), (response) => void response.destroy(), answer(204));
    const { slept, pause } = pauses();
    await tellWebhook(settings(url), told, pause);
    expect(slept).toEqual([1_000, 4_000]);
    expect(heard).toEqual(
      Array(3).fill({ body: JSON.stringify(told), type: 'application/json', token: 't' }),
    );
  });

  it('is given up after some calls, and at once where there is an end', async () => {
    const { heard, url } = await receiver(answer(503));
    expect(await codeOf(() => tellWebhook(settings(url), told, pauses().pause))).toBe('webhook_failed');
    expect(heard).toHaveLength(5);
    expect(await codeOf(() => tellWebhook(settings(url), told, pauses(1).pause))).toBe('webhook_failed');
    expect(heard).toHaveLength(6);
  });

  it('follows no redirect', async () => {
    const aim = await receiver(answer(200));
    const { url } = await receiver(answer(307, { location: aim.url }));
    expect(await codeOf(() => tellWebhook(settings(url), told, pauses(1).pause))).toBe('webhook_failed');
    expect(aim.heard).toEqual([]);
  });

  it('goes to no private address by number or by name, unless it may', async () => {
    const { heard, port, url } = await receiver(answer(200));
    for (const each of [
      url,
      `http://localhost:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://2130706433:${port}/`,
    ])
      expect(await codeOf(() => tellWebhook(settings(each, false), told, pauses(1).pause))).toBe(
        'webhook_failed',
      );
    expect(heard).toEqual([]);
    await tellWebhook(settings(`http://localhost:${port}/`), told, pauses(1).pause);
    expect(heard).toHaveLength(1);
  });

  it('knows which addresses are private', () => {
    const hidden =
      '127.0.0.1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 :: ::1 fc00::1 fd12::1 fe80::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::7f00:1 nonsense';
    const open = '1.1.1.1 172.32.0.1 172.15.0.1 100.128.0.1 2606:4700::1111 ::ffff:1.1.1.1';
    expect(hidden.split(' ').filter((each) => !isPrivate(each))).toEqual([]);
    expect(open.split(' ').filter(isPrivate)).toEqual([]);
  });
});
