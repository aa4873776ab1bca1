import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../src/errors.ts';
import type { Store, TextFormat } from '../../src/store/client.ts';

/** What a request is for: of ship's, its three steps; anything else is another's. */
export type Step = 'look' | 'insert' | 'confirm' | 'other';

export interface Asked {
  step: Step;
  sql: string;
  parameters: { [name: string]: string };
  /** Lines of an insert. */
  rows: string;
}

/** What the sender hears: a status and a text, or nothing, as the line is cut. */
export type Reply = { status: number; text: string } | 'cut';

/** What happens to a request. `work` has the engine do what is asked, and may be given other rows. */
export type Meddling = (asked: Asked, work: (rows?: string) => Promise<string>) => Promise<Reply>;

const honest: Meddling = async (_, work) => ({ status: 200, text: await work() });

/**
 * ClickHouse's HTTP interface over the real engine in this process, and a hand on the line: whatever a server,
 * its network or its disk does to a request can be done here.
 */
export class ServedClickHouse {
  readonly asked: Asked[] = [];
  meddling: Meddling = honest;
  readonly #store: Store;
  #server: Server | undefined;
  #port = 0;
  /** One statement at a time: what came first has been done when the next begins. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens, on the port it had before. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#take(request, response));
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Cuts every line, and refuses new ones. */
  async leave(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  /** Meddles with the next request of a step, and resolves when it has been answered, or not. */
  async strike(step: Step, how: Meddling, times = 1): Promise<void> {
    let left = times;
    await new Promise<void>((resolve) => {
      this.meddling = async (asked, work) => {
        if (asked.step !== step) return honest(asked, work);
        left -= 1;
        const isLast = left === 0;
        if (isLast) this.meddling = honest;
        try {
          return await how(asked, work);
        } finally {
          if (isLast) resolve();
        }
      };
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const asked = askedBy(request, Buffer.concat(chunks).toString());
    this.asked.push(asked);
    const reply = await this.#reply(asked);
    if (reply === 'cut') return void response.socket?.destroy();
    response.writeHead(reply.status).end(reply.text);
  }

  async #reply(asked: Asked): Promise<Reply> {
    try {
      return await this.meddling(asked, (rows = asked.rows) =>
        this.#inTurn(() => this.#run({ ...asked, rows })),
      );
    } catch (error) {
      const { cause = error } = error as { cause?: unknown };
      const { code = 1000, type = 'UNKNOWN_EXCEPTION' } = cause as { code?: unknown; type?: unknown };
      return { status: 500, text: `Code: ${code}. DB::Exception: ${messageOf(cause)} (${type})` };
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run({ sql, parameters, rows }: Asked): Promise<string> {
    // Its rows come beside it; those of VALUES and SELECT stand in it.
    if (/^INSERT .*\sFORMAT \w+$/is.test(sql)) {
      await this.#store.insert(sql, rows);
      return '';
    }
    // The engine in this process lets nobody see policies, and has none.
    if (sql.includes('FROM system.row_policies')) return '';
    const query = /^(.*?)\s+FORMAT (\w+)\s*$/s.exec(sql);
    if (query !== null) return this.#store.text(query[1]!, query[2] as TextFormat, parameters);
    await this.#store.command(sql, parameters);
    return '';
  }
}

function askedBy(request: IncomingMessage, body: string): Asked {
  const search = new URL(request.url!, 'http://x').searchParams;
  const inQuery = search.get('query');
  const sql = (inQuery ?? body).trim();
  const parameters = [...search].flatMap(([name, value]) =>
    name.startsWith('param_') ? [[name.slice('param_'.length), unescaped(value)] as const] : [],
  );
  return {
    step: stepOf(sql),
    sql,
    parameters: Object.fromEntries(parameters),
    rows: inQuery === null ? '' : body,
  };
}

function stepOf(sql: string): Step {
  if (sql.startsWith('INSERT INTO spanledger.audit_records ')) return 'insert';
  if (sql.includes('AS places')) return 'confirm';
  return sql.includes('groupUniqArray((hash, digest') ? 'look' : 'other';
}

const ESCAPES: { [letter: string]: string } = { t: '\t', n: '\n', r: '\r', '0': '\0' };

/** Of a parameter's text, as the client writes it. */
function unescaped(value: string): string {
  return value.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
