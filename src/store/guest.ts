import { request } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { isErrorCode, SpanledgerError } from '../errors.ts';
import {
  type Engine,
  type QueryParameters,
  type SavedQuery,
  saveStatement,
  type TextFormat,
} from './engine.ts';

/** Where a running `serve` lets the other commands of its directory in: `<dir>/serve.json`. */
export interface Host {
  /** Loopback HTTP. */
  address: string;
  token: string;
  pid: number;
}

/** What a guest asks its host for: a path each, under its address. */
export const GUEST_PATHS = {
  text: '/store/text',
  command: '/store/command',
  insert: '/store/insert',
  ship: '/store/ship',
  quarantine: '/store/quarantine',
  verified: '/store/verified',
  keep: '/store/keep',
  rotate: '/store/rotate',
  abandon: '/store/abandon',
  retain: '/store/retain',
  erase: '/store/erase',
} as const;

/** What a guest asks of the keeper in its host: a round now, another key, the end of a chain that is lost, what leaves. */
export type KeeperAsk = 'keep' | 'rotate' | 'abandon' | 'retain' | 'erase';

/** What a guest's text, command or insert is: the rows of an insert follow in further lines. */
export interface GuestQuery {
  sql: string;
  format?: TextFormat;
  parameters?: QueryParameters;
  readOnly?: true;
}

/** JSON knows no bigint, and as text it is another parameter: a list of them would be one of texts. */
function guestText(query: GuestQuery): string {
  return JSON.stringify(query, (_, value: unknown) =>
    typeof value === 'bigint' ? { bigint: String(value) } : value,
  );
}

/** What a guest asks, as it was before it was text. */
export function readGuestQuery(text: string): GuestQuery {
  return JSON.parse(text, (_, value: unknown) => {
    const { bigint } = Object(value) as { bigint?: unknown };
    return typeof bigint === 'string' ? BigInt(bigint) : value;
  }) as GuestQuery;
}

/** The engine of the process that has the directory open, asked over its loopback address. */
export class GuestEngine implements Engine {
  readonly #host: Host;
  #readOnly: { readOnly?: true } = {};

  constructor(host: Host) {
    this.#host = host;
  }

  text(sql: string, format: TextFormat, parameters: QueryParameters): Promise<string> {
    return this.#query('text', { sql, format, parameters, ...this.#readOnly });
  }

  async command(sql: string, parameters: QueryParameters): Promise<void> {
    await this.#query('command', { sql, parameters, ...this.#readOnly });
  }

  insert(sql: string, rows: string): Promise<string> {
    return this.#query('insert', { sql, ...this.#readOnly }, rows);
  }

  /** By the host, which is on this machine. */
  async save(query: SavedQuery, parameters: QueryParameters, path: string): Promise<void> {
    await this.command(saveStatement(query, path), parameters);
  }

  async readOnly(): Promise<void> {
    this.#readOnly = { readOnly: true };
  }

  async close(): Promise<void> {}

  #query(what: 'text' | 'command' | 'insert', query: GuestQuery, rows?: string): Promise<string> {
    const asked = guestText(query);
    return askHost(this.#host, what, rows === undefined ? asked : `${asked}\n${rows}`);
  }
}

/**
 * Asks the host, and answers its text.
 *
 * @throws SpanledgerError as the host's own work did; `store_unreachable` when it is gone.
 */
export async function askHost(
  { address, token, pid }: Host,
  what: keyof typeof GUEST_PATHS,
  body = '',
): Promise<string> {
  let answer: { status: number; text: string };
  try {
    answer = await post(address + GUEST_PATHS[what], token, body);
  } catch (cause) {
    throw new SpanledgerError(
      'store_unreachable',
      `the serving process (${pid}) has the directory and does not answer`,
      {
        cause,
        hint: 'is it just starting or stopping? Try again, or stop it',
      },
    );
  }
  if (answer.status === 200) return answer.text;
  throw errorIn(answer.text);
}

/** Waits as long as it takes: `fetch` would give up on a query of five minutes. */
function post(url: string, token: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', headers, agent: false }, (answer) => {
      textOf(answer).then((text) => resolve({ status: answer.statusCode!, text }), reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

function errorIn(text: string): SpanledgerError {
  let error: { code?: unknown; message?: unknown; hint?: unknown } = {};
  try {
    error = (JSON.parse(text) as { error: typeof error }).error;
  } catch {
    // not ours: told as it came
  }
  const { code, message, hint } = error;
  return new SpanledgerError(
    isErrorCode(code) ? code : 'store_failed',
    String(message ?? text).slice(0, 2_000),
    {
      ...(typeof hint === 'string' ? { hint } : {}),
    },
  );
}
