import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Right } from '../config/settings.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import { isBug, Refusal, refusalOf } from './answers.ts';
import type { Address, Certificates } from './listen.ts';
import { type Grant, granted, type Tokens } from './tokens.ts';

export interface Answer {
  status: number;
  type: string;
  body: Buffer | string;
  headers?: { [name: string]: string };
}

export interface Call {
  request: IncomingMessage;
  url: URL;
  /** What the path has after the route's own: `/v1/chains/abc` → `abc`. */
  rest: string;
  grant: Grant;
}

export interface Route {
  method: 'GET' | 'POST';
  /** With a `/` at its end it takes every path below it. */
  path: string;
  /** Any of them will do; without any, no token is asked for. */
  rights: readonly Right[];
  /** It gives something of the log, so that a refusal is recorded. */
  isReading?: true;
  answer(call: Call): Promise<Answer>;
  /** How a refusal is told here; JSON where absent. */
  refuse?(refusal: Refusal, request: IncomingMessage): Answer;
}

/** Who asked for what, and from where. The path is the route's: what follows it may hold anything. */
export interface Attempt {
  /** The token's holder; undefined where there was no known token. */
  subject: string | undefined;
  /** Method and path. */
  asked: string;
  clientIp: string | undefined;
}

export interface HttpOptions {
  routes: readonly Route[];
  tokens: Tokens;
  certificates?: Certificates | undefined;
  /** Somebody asked for something of the log, and was not let. */
  denied?: (refusal: Refusal, attempt: Attempt) => void;
  /** Every request, once it is answered. */
  answered?: (path: string, status: number, milliseconds: number) => void;
  /** A bug: what is thrown and is no refusal. */
  failed?: (error: unknown, path: string) => void;
}

/** A sender that takes longer to send a request is cut off. */
const REQUEST_TIMEOUT_MS = 60_000;
export const CLOSE_MS = 10_000;

/** A small HTTP server: a table of routes, a token for each call, one way to refuse. */
export class HttpServer {
  readonly #options: HttpOptions;
  readonly #server: Server;
  /** Also those that never said anything, or are not through with TLS: a server that closes waits for them too. */
  readonly #sockets = new Set<Socket>();
  #isClosing = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    const listener: RequestListener = (request, response) => void this.#answer(request, response);
    const { certificates } = options;
    this.#server =
      certificates === undefined
        ? createServer(listener)
        : createTlsServer(
            { ...certificates, requestCert: certificates.ca !== undefined, minVersion: 'TLSv1.2' },
            listener,
          );
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    // Longer than a load balancer's, which else sends into a connection that is just being closed.
    this.#server.keepAliveTimeout = 65_000;
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
  }

  /** Resolves with where it listens. */
  async listen({ host, port }: Address): Promise<Address> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => {
        const hint =
          cause.code === 'EADDRINUSE' ? 'is another one running? Port 0 takes a free one' : undefined;
        const said = `cannot listen on ${host}:${port}: ${messageOf(cause)}`;
        reject(new SpanledgerError('config_invalid', said, { cause, ...(hint ? { hint } : {}) }));
      });
      this.#server.listen(port, host, resolve);
    });
    this.#server.removeAllListeners('error');
    // Connections that cannot be accepted, for want of descriptors say, end no server.
    this.#server.on('error', (error) => this.#options.failed?.(error, 'accept'));
    return { host, port: (this.#server.address() as AddressInfo).port };
  }

  /** Takes no new requests and resolves when those under way are answered, or cut off after so many milliseconds. */
  async close(within = CLOSE_MS): Promise<void> {
    this.#isClosing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, within);
    await closed;
    clearTimeout(timer);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const route = this.#routeOf(request);
    const answer = await this.#answerOf(request, route);
    // What is left of a body is not worth reading, and a connection kept alive would hold up the end.
    const close = request.complete && !this.#isClosing ? {} : { connection: 'close' };
    if (!response.destroyed) {
      response.writeHead(answer.status, {
        'content-type': answer.type,
        'content-length': Buffer.byteLength(answer.body),
        ...answer.headers,
        ...close,
      });
      response.end(answer.body);
    }
    this.#options.answered?.(route?.path ?? 'other', answer.status, performance.now() - started);
  }

  async #answerOf(request: IncomingMessage, route: Route | undefined): Promise<Answer> {
    try {
      if (route === undefined) throw this.#notFound(request);
      return await this.#run(request, route);
    } catch (error) {
      const refusal = refusalOf(error);
      if (isBug(error)) this.#options.failed?.(error, route?.path ?? 'other');
      const { refuse } = route ?? this.#routesAt(request)[0] ?? {};
      return (refuse ?? refuseInJson)(refusal, request);
    }
  }

  async #run(request: IncomingMessage, route: Route): Promise<Answer> {
    const url = urlOf(request);
    const call = { request, url, rest: url.pathname.slice(route.path.length) };
    const { tokens, denied } = this.#options;
    if (route.rights.length === 0) return route.answer({ ...call, grant: NOBODY });
    const grant = tokens.find(request.headers.authorization);
    try {
      return await route.answer({ ...call, grant: granted(grant, ...route.rights) });
    } catch (error) {
      const refusal = refusalOf(error);
      const isDenial = refusal.status === 401 || refusal.status === 403;
      if (isDenial && route.isReading)
        denied?.(refusal, {
          subject: grant?.subject,
          asked: `${route.method} ${route.path}`,
          clientIp: request.socket.remoteAddress,
        });
      throw error;
    }
  }

  #routesAt(request: IncomingMessage): Route[] {
    const { pathname } = urlOf(request);
    return this.#options.routes.filter((route) => isAt(route, pathname));
  }

  #routeOf(request: IncomingMessage): Route | undefined {
    return this.#routesAt(request).find(({ method }) => method === request.method);
  }

  #notFound(request: IncomingMessage): Refusal {
    const methods = this.#routesAt(request).map(({ method }) => method);
    if (methods.length > 0)
      return new Refusal(405, `that is asked by ${methods.join(' or ')}`, {
        allow: methods.join(', '),
      });
    const paths = this.#options.routes.map(({ path }) => path);
    return new Refusal(404, `there is nothing there, but at ${paths.join(', ')}`);
  }
}

const NOBODY: Grant = { subject: '', rights: new Set() };

function isAt({ path }: Route, pathname: string): boolean {
  return path.endsWith('/') ? pathname.startsWith(path) : pathname === path;
}

/** What cannot be a URL is at none of our paths. */
function urlOf(request: IncomingMessage): URL {
  const path = request.url ?? '/';
  return URL.canParse(path, 'http://localhost')
    ? new URL(path, 'http://localhost')
    : new URL('http://localhost/');
}

function refuseInJson({ status, message, headers }: Refusal): Answer {
  return {
    status,
    type: 'application/json',
    body: JSON.stringify({ error: { code: NAMES[status] ?? 'internal', message } }),
    headers,
  };
}

const NAMES: { [status: number]: string } = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  413: 'too_large',
  415: 'unsupported',
  429: 'too_many',
  503: 'unavailable',
};

export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}
