import type { Agent } from 'node:http';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { Layout } from '../config/layout.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../errors.ts';
import { FileLock } from '../journal/lock.ts';
import {
  ClientEngine,
  type Engine,
  type QueryParameters,
  type SavedQuery,
  type TextFormat,
} from './engine.ts';
import { GuestEngine, type Host } from './guest.ts';

export type { QueryParameters, TextFormat } from './engine.ts';

/**
 * A ClickHouse: the engine in this process (chdb) or a server over HTTP, by the same client.
 *
 * Settings stand in the SQL text only: on the embedded connection the client's `clickhouse_settings` become a
 * lasting SET, and a deduplication token that stays set swallows the next insert without a word.
 */
export class Store {
  /** `embedded`, or the server's address without credentials. */
  readonly where: string;
  readonly #engine: Engine;
  readonly #release: () => Promise<void>;
  readonly #path: string | undefined;

  private constructor(where: string, engine: Engine, release: () => Promise<void>, path?: string) {
    this.where = where;
    this.#engine = engine;
    this.#release = release;
    this.#path = path;
  }

  /**
   * Opens the engine on `<dir>/clickhouse`. One process at a time, one directory a process.
   *
   * @param how `to-look` leaves every file as it was: no lock file is made, and the engine merges nothing.
   * @throws SpanledgerError `directory_busy`, `dependency_missing`, `store_unreachable`
   */
  static async embedded(layout: Layout, how: 'to-work' | 'to-look' = 'to-work'): Promise<Store> {
    const lock = how === 'to-work' ? FileLock.take(layout.storeLock) : FileLock.borrow(layout.storeLock);
    if (lock === undefined) {
      const holder = FileLock.holder(layout.storeLock);
      throw new SpanledgerError(
        'directory_busy',
        `${layout.dir} is open in another process${holder ? ` (${holder})` : ''}`,
        {
          hint: 'wait until it is done, or stop it',
        },
      );
    }
    try {
      const engine = await embeddedEngine(layout.clickhouse);
      if (how === 'to-look') await engine.command('SYSTEM STOP MERGES', {});
      const release = async () => {
        await engine.close();
        await drained();
        lock.release();
      };
      return new Store('embedded', engine, release, layout.clickhouse);
    } catch (cause) {
      lock.release();
      if (cause instanceof SpanledgerError) throw cause;
      throw new SpanledgerError(
        'store_unreachable',
        `the embedded ClickHouse does not open: ${messageOf(cause)}`,
        {
          cause,
          hint: `is ${layout.clickhouse} a folder of ClickHouse's own, whole, of a version no newer than this one, and may this user write in it?`,
        },
      );
    }
  }

  /**
   * A server; `url` as `http://user:password@host:8123`. Nothing is sent yet.
   *
   * @param agent of the lines to it. @default the client's own, of which each keeps the process running
   */
  static server(url: string, agent?: Agent): Store {
    let where: string;
    try {
      const { protocol, host } = new URL(url);
      where = `${protocol}//${host}`;
    } catch (cause) {
      throw new SpanledgerError('config_invalid', 'CLICKHOUSE_URL is no URL', {
        cause,
        hint: 'write it as http://user:password@host:8123',
      });
    }
    const client = createClient({
      url,
      request_timeout: 120_000,
      keep_alive: { enabled: true },
      ...(agent === undefined ? {} : { http_agent: agent }),
      // Errors are thrown, and what they quote belongs in no log.
      log: { level: ClickHouseLogLevel.OFF },
    });
    const engine = new ClientEngine(client, false);
    return new Store(where, engine, () => engine.close());
  }

  /** The embedded engine of another process, which has the directory open. */
  static through(host: Host): Store {
    const engine = new GuestEngine(host);
    return new Store('embedded', engine, () => engine.close());
  }

  /** Another session with the same embedded engine: a long query in one holds up nothing in the other. */
  async beside(): Promise<Store> {
    const engine = await embeddedEngine(this.#path!);
    return new Store(this.where, engine, () => engine.close());
  }

  /** Rows as objects; 64-bit integers are text. Whatever is not constant comes in as a parameter. */
  async query<Row>(sql: string, parameters: QueryParameters = {}): Promise<Row[]> {
    // A clause of its own at the end, not the word in a text.
    const separator = /\bSETTINGS\b[^']*$/.test(sql) ? ',' : ' SETTINGS';
    const text = await this.text(
      `${sql}${separator} output_format_json_quote_64bit_integers = 1`,
      'JSONEachRow',
      parameters,
    );
    return this.#guard(async () => rowsOf<Row>(text));
  }

  /** The engine's own text in a format of its own. */
  async text(sql: string, format: TextFormat, parameters: QueryParameters = {}): Promise<string> {
    return this.#guard(() => this.#engine.text(sql, format, parameters));
  }

  async command(sql: string, parameters: QueryParameters = {}): Promise<void> {
    await this.#guard(() => this.#engine.command(sql, parameters));
  }

  /** `sql` ends in its FORMAT; `rows` are the lines of that format. */
  async insert(sql: string, rows: string): Promise<void> {
    await this.#guard(async () => {
      const answer = await this.#engine.insert(sql, rows);
      if (answer.trim() !== '') throw new Error(exceptionIn(answer));
    });
  }

  /** Writes the rows of a query to a new file, as Parquet. What is in it is for whoever reads it back to say. */
  async save(query: SavedQuery, path: string, parameters: QueryParameters = {}): Promise<void> {
    await this.#guard(() => this.#engine.save(query, parameters, path));
  }

  /**
   * From now on the engine refuses to change anything, and the embedded one to read anything but its tables:
   * there settings are refused too, so that `query` no longer works, and there is no way back. On a server the
   * role's rights say what else may be read, and a profile that is read-only itself lets no setting be changed
   * to another.
   */
  async readOnly(): Promise<void> {
    await this.#guard(() => this.#engine.readOnly());
  }

  async close(): Promise<void> {
    await this.#release();
  }

  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (isSpanledgerError(cause)) throw cause;
      const code = (cause as { code?: unknown }).code;
      const network = typeof code === 'string' && NETWORK_ERROR.test(code);
      if (network || messageOf(cause).startsWith('Timeout')) {
        const hint = 'is the server up, and is CLICKHOUSE_URL right?';
        throw new SpanledgerError('store_unreachable', `ClickHouse at ${this.where}: ${messageOf(cause)}`, {
          cause,
          hint,
        });
      }
      if (LEDGER_MISSING.test(messageOf(cause)))
        throw new SpanledgerError('store_schema', `ClickHouse: ${messageOf(cause)}`, {
          cause,
          hint: '`spanledger migrate` makes what the database lacks. If it was dropped, restore a backup first: only what the journals still hold can be sent again',
        });
      throw new SpanledgerError('store_failed', `ClickHouse: ${messageOf(cause)}`, { cause });
    }
  }
}

/** The database, or one of its tables and views, is not there. What follows the name may quote a whole query. */
const LEDGER_MISSING =
  /^(Database spanledger |(Table|Unknown table expression identifier|Unknown table function) ['`]?spanledger\.)/;

/** Node's codes for a server that is not there, cannot be found or trusted, or goes away. ClickHouse's are numbers. */
const NETWORK_ERROR = /^(E[A-Z]+|EAI_[A-Z]+|ERR_(SSL|TLS|STREAM)_.*|[A-Z_]*CERT[A-Z_]*|UND_ERR.*)$/;

/** A server's status goes out with the first bytes: what fails after them comes as text among the rows. */
function rowsOf<Row>(text: string): Row[] {
  try {
    return JSON.parse(`[${text.trimEnd().replaceAll('\n', ',')}]`) as Row[];
  } catch {
    throw new Error(exceptionIn(text));
  }
}

function exceptionIn(text: string): string {
  return /Code: \d+\. DB::Exception: .*/s.exec(text)?.[0].slice(0, 500) ?? 'it answered what is no answer';
}

async function embeddedEngine(path: string): Promise<Engine> {
  const { createChdbConnection } = await loadChdb();
  const connection = createChdbConnection({ path });
  // chdb carries a copy of the client's types, equal but for exact optional properties.
  const client = createClient({ connection } as unknown as Parameters<typeof createClient>[0]);
  return new ClientEngine(client, true);
}

async function loadChdb(): Promise<typeof import('chdb/connection')> {
  try {
    return await import('chdb/connection');
  } catch (cause) {
    throw new SpanledgerError('dependency_missing', 'the embedded ClickHouse is not installed', {
      cause,
      hint: 'npm install chdb, or give a server by CLICKHOUSE_URL',
    });
  }
}

/** The engine lets go of its directory a moment after it is closed. */
async function drained(): Promise<void> {
  const { drainPending } = await import('chdb');
  await drainPending();
}
