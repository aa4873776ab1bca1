import { activeContext } from '../src/sdk/context.ts';
import { activeSpan } from '../src/sdk/otel.ts';
import { isInTool } from '../src/sdk/tool-calls.ts';
import type { Adapter } from './contract.ts';
import { mcpResult } from './mcp-result.ts';
import { Recording, type Verdict } from './recording.ts';
import { withProperties, wrapMethod } from './wrap.ts';

const V1 = '@modelcontextprotocol/sdk';
const V2 = '@modelcontextprotocol/client';

interface Params {
  name: string;
  arguments?: unknown;
}

interface Client {
  transport?: { sessionId?: string };
  _clientInfo?: { name?: string; version?: string };
}

/**
 * Tool calls of `Client` of the Model Context Protocol's own SDK: what an agent asks of a server, whoever serves it. A
 * call from inside another adapter's tool of the same name is that call, and recorded once.
 */
export const mcpClient: Adapter = {
  name: 'mcp-client',
  supports: [
    { package: V1, versions: '^1.13' },
    { package: V2, versions: '^2' },
  ],
  intentBeforeAction: true,
  failClosed: true,
  modules: [{ package: V1, file: 'client/index.js' }, { package: V2 }],
  enable: (door, modules) =>
    Recording.begin(door, 'mcp-client', (recording) => [
      modules.onLoad(V1, ({ exports, file }) =>
        // The package's server has a file of its own, and an adapter.
        file.endsWith('client/index.js') ? ofClient(recording, exports) : undefined,
      ),
      modules.onLoad(V2, ({ exports }) => ofClient(recording, exports)),
    ]),
};

/** `callTool`, and what is below it for those who ask for a call themselves: `request`, and a task's stream. */
function ofClient(recording: Recording, { Client }: { Client?: { prototype: object } }): () => void {
  const calls = new Calls(recording);
  const undo = [
    wrapMethod(Client?.prototype, 'callTool', (original) => {
      return function callTool(this: Client, ...args: unknown[]): unknown {
        const params = args[0] as Params;
        return calls.record(this, params, args, (told) =>
          Reflect.apply(original, this, [told, ...args.slice(1)]),
        );
      };
    }),
    ofRequests(calls, Client?.prototype, 'request', {}),
  ];
  // Of versions that know tasks.
  if (Client !== undefined && 'requestStream' in Client.prototype)
    undo.push(ofRequests(calls, Client.prototype, 'requestStream', TASK));
  return () => {
    for (const each of undo) each();
  };
}

function ofRequests(calls: Calls, prototype: object | undefined, name: string, how: How): () => void {
  return wrapMethod(prototype, name, (original) => {
    return function (this: Client, ...args: unknown[]): unknown {
      const { method, params } = Object(args[0]) as { method?: unknown; params?: Params };
      if (method !== 'tools/call' || calls.isTold(params))
        return Reflect.apply(original, this, args) as unknown;
      return calls.record(
        this,
        params!,
        args,
        (told) =>
          Reflect.apply(original, this, [
            withProperties(args[0] as object, { params: told }),
            ...args.slice(1),
          ]) as unknown,
        how,
      );
    };
  });
}

/** What is particular to the answers of one way to call. */
interface How {
  verdict?: (answer: unknown) => Verdict | undefined;
  result?: (answer: unknown) => unknown;
  isSync?: boolean;
}

interface TaskMessage {
  type?: 'taskCreated' | 'taskStatus' | 'result' | 'error';
  result?: unknown;
  error?: unknown;
}

/** A stream of messages, whose last one is the result or the error. Where its reader left before, nobody knows. */
const TASK: How = {
  isSync: true,
  result: (last) => mcpResult((last as TaskMessage).result),
  verdict(last) {
    const { type, error } = Object(last) as TaskMessage;
    if (type === 'error') return { what: 'failed', error };
    return type === 'result' ? undefined : { what: 'paused' };
  },
};

class Calls {
  readonly #recording: Recording;
  /** Parameters that a call of ours has put in the place of the app's, which may stand for many calls. */
  readonly #told = new WeakSet<object>();

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  isTold(params: Params | undefined): boolean {
    return params !== undefined && this.#told.has(params);
  }

  record<T>(client: Client, params: Params, args: unknown[], run: (params: Params) => T, how: How = {}): T {
    const told = typeof params === 'object' && params !== null ? withProperties(params, {}) : params;
    if (told !== params) this.#told.add(told);
    const { isSync, ...answers } = how;
    return this.#recording.call(
      () => ({
        start: {
          name: params.name,
          type: 'extension',
          arguments: params.arguments,
          conversationId: activeContext()?.said.conversationId ?? client.transport?.sessionId,
          agent: agentOf(client),
        },
        result: mcpResult,
        // Last of what is given beside what is asked for, by whichever version.
        signal: (
          args.slice(1).findLast((each) => Object(each).signal) as { signal?: AbortSignal } | undefined
        )?.signal,
        ...answers,
      }),
      () => run(told),
      { isSync: isSync === true },
    );
  }
}

/** By the name the client gives itself, where nothing around it can know the agent better. */
function agentOf({ _clientInfo: info }: Client): { name?: string; version?: string } | undefined {
  if (isInTool() || activeContext()?.said.agent !== undefined || activeSpan() !== undefined) return undefined;
  return info && named(info);
}

function named({ name, version }: { name?: string; version?: string }): { name?: string; version?: string } {
  return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) };
}
