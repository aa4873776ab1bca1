import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { ClickHouseClient } from '@clickhouse/client';

export type QueryParameters = { [name: string]: unknown };
/** Of its answers, those we take as text. */
export type TextFormat = 'JSONEachRow' | 'TabSeparatedWithNamesAndTypes';

/** What a store asks of a ClickHouse, wherever it runs. Errors are the engine's own. */
export interface Engine {
  text(sql: string, format: TextFormat, parameters: QueryParameters): Promise<string>;
  command(sql: string, parameters: QueryParameters): Promise<void>;
  /** `sql` ends in its FORMAT; `rows` are the lines of that format. Answers what the engine said: nothing, or why not. */
  insert(sql: string, rows: string): Promise<string>;
  /** Writes the rows of a query to a new file, as Parquet. Not durable, and only whole where nothing failed. */
  save(query: SavedQuery, parameters: QueryParameters, path: string): Promise<void>;
  /** From now on it changes nothing. There is no way back. */
  readOnly(): Promise<void>;
  close(): Promise<void>;
}

/** A query whose rows are a file's. */
export interface SavedQuery {
  sql: string;
  /** Its columns, as the engine declares them. */
  structure: string;
  /** Of the format: `name = value` each. */
  settings: readonly string[];
}

/** The engine that shares our disk writes the file itself. */
export function saveStatement({ sql, structure, settings }: SavedQuery, path: string): string {
  const quoted = [path, 'Parquet', structure].map((text) => `'${text.replace(/[\\']/g, '\\$&')}'`);
  return `INSERT INTO FUNCTION file(${quoted.join(', ')}) ${sql} SETTINGS ${settings.join(', ')}`;
}

/** By the official client: the engine in this process, or a server over HTTP. */
export class ClientEngine implements Engine {
  readonly #client: ClickHouseClient;
  readonly #isEmbedded: boolean;
  /** Of a server only, where they go with each request. */
  #settings: { readonly: '2' } | undefined;

  constructor(client: ClickHouseClient, isEmbedded: boolean) {
    this.#client = client;
    this.#isEmbedded = isEmbedded;
  }

  async text(sql: string, format: TextFormat, parameters: QueryParameters): Promise<string> {
    const request = { query: sql, format: format as 'JSONEachRow', query_params: parameters };
    const result = await this.#client.query({
      ...request,
      ...(this.#settings === undefined ? {} : { clickhouse_settings: this.#settings }),
    });
    return result.text();
  }

  async command(sql: string, parameters: QueryParameters): Promise<void> {
    await this.#client.command({ query: sql, query_params: parameters });
  }

  async insert(sql: string, rows: string): Promise<string> {
    // The engine in this process takes one text: beside the statement, rows are made bytes, and text again. But at
    // the end of a statement the client cuts off semicolons and white space.
    const isOneText = this.#isEmbedded && rows.endsWith('\n') && !/[;\s]/.test(rows.charAt(rows.length - 2));
    const { stream } = await this.#client.exec(
      isOneText
        ? { query: `${sql}\n${rows}` }
        : { query: sql, values: Readable.from([rows], { objectMode: false }) },
    );
    return textOf(stream);
  }

  async save(query: SavedQuery, parameters: QueryParameters, path: string): Promise<void> {
    if (this.#isEmbedded) return this.command(saveStatement(query, path), parameters);
    const sql = `${query.sql} SETTINGS ${query.settings.join(', ')} FORMAT Parquet`;
    const { stream } = await this.#client.exec({ query: sql, query_params: parameters });
    await pipeline(stream, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  }

  async readOnly(): Promise<void> {
    if (this.#isEmbedded) await this.command('SET readonly = 1', {});
    else this.#settings = { readonly: '2' };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
