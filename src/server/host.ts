import type { IncomingMessage } from 'node:http';
import type { OldKey } from '../config/ledger-key.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import type { AuditRecord } from '../record/record.ts';
import type { RetainAsk } from '../retain/ask.ts';
import type { ErasureAsk } from '../retain/erasure/erasure.ts';
import type { Store } from '../store/client.ts';
import { GUEST_PATHS, type GuestQuery, readGuestQuery } from '../store/guest.ts';
import { type Answer, json, type Route } from './http.ts';
import { checkpointed, type Keeping } from './keeping.ts';

export interface EngineOptions {
  /** A session of its own, so that a guest's long query holds up no shipping. */
  store: Store;
  /** Another, that only reads. */
  readOnly: Store;
}

export interface HostOptions {
  /** Resolves when all that was acknowledged is in the store. */
  shipped: () => Promise<void>;
  quarantined: () => Iterable<[string, unknown]>;
  verified: (status: string) => void;
}

/**
 * Lets the other commands in while this process has the embedded engine: they run as they always do, but for the
 * engine, which they ask through here. Whoever holds the token of `serve.json` could open the directory itself.
 */
export function engineRoutes({ store, readOnly }: EngineOptions): Route[] {
  const storeOf = (query: GuestQuery) => (query.readOnly ? readOnly : store);
  return [
    route('text', (body) => {
      const query = readGuestQuery(body);
      return storeOf(query).text(query.sql, query.format ?? 'JSONEachRow', query.parameters);
    }),
    route('command', async (body) => {
      const query = readGuestQuery(body);
      await storeOf(query).command(query.sql, query.parameters);
      return '';
    }),
    route('insert', async (body) => {
      const end = body.indexOf('\n');
      const query = readGuestQuery(body.slice(0, end));
      await storeOf(query).insert(query.sql, body.slice(end + 1));
      return '';
    }),
  ];
}

/** What only this process can do for them, whatever its store: it has a journal. */
export function hostRoutes({ shipped, quarantined, verified }: HostOptions): Route[] {
  return [
    route('ship', async () => {
      await shipped();
      return '';
    }),
    route('quarantine', async () => JSON.stringify([...quarantined()])),
    route('verified', async (body) => {
      verified((JSON.parse(body) as { status: string }).status);
      return '';
    }),
  ];
}

/** The keeper in this process. */
export function keeperRoutes(keeping: Keeping): Route[] {
  return [
    route('keep', async () => JSON.stringify(checkpointed(await keeping.keep()))),
    route('rotate', async (body) => {
      const { old } = JSON.parse(body) as { old: OldKey };
      const { rotate } = await keeping.held();
      return JSON.stringify(await rotate(old));
    }),
    route('abandon', async (body) => {
      const { chain, actor, reason } = JSON.parse(body) as {
        chain: string;
        actor: AuditRecord['actor'];
        reason: string;
      };
      const { keeper } = await keeping.held();
      return JSON.stringify(await keeper.abandon(chain, actor, reason));
    }),
    route('erase', async (body) => JSON.stringify(await keeping.erase(JSON.parse(body) as ErasureAsk))),
    route('retain', async (body) => JSON.stringify(await keeping.retain(JSON.parse(body) as RetainAsk))),
  ];
}

function route(what: keyof typeof GUEST_PATHS, work: (body: string) => Promise<string>): Route {
  return {
    method: 'POST',
    path: GUEST_PATHS[what],
    rights: ['admin'],
    isReading: true,
    answer: async ({ request }) => answerOf(async () => work(await textOf(request))),
  };
}

/** The guest hears of an error what it would have heard of its own engine. */
async function answerOf(work: () => Promise<string>): Promise<Answer> {
  try {
    return { status: 200, type: 'text/plain; charset=utf-8', body: await work() };
  } catch (error) {
    const known = isSpanledgerError(error) ? { code: error.code, hint: error.hint } : {};
    return json(500, { error: { message: messageOf(error), ...known } });
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
