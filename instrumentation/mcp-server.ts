import { activeContext } from '../src/sdk/context.ts';
import { isInTool } from '../src/sdk/tool-calls.ts';
import type { Adapter } from './contract.ts';
import { mcpResult } from './mcp-result.ts';
import { Recording } from './recording.ts';
import { type AnyFunction, alike, wrapMethod } from './wrap.ts';

const V1 = '@modelcontextprotocol/sdk';
const V2 = '@modelcontextprotocol/server';

interface Request {
  method?: string;
  params: { name: string; arguments?: unknown };
}

/** What a handler is given beside the request: of version 1, and of version 2. */
interface Around {
  sessionId?: string;
  signal?: AbortSignal;
  requestId?: string | number;
  mcpReq?: { id?: string | number; signal?: AbortSignal };
}

interface Server {
  getClientVersion?(): { name?: string; version?: string } | undefined;
}

/**
 * Tool calls that a server of the Model Context Protocol's own SDK is asked for, before its handler has them: those
 * of `McpServer` and of `Server` alike, of unknown tools too. The client's name is the agent's.
 */
export const mcpServer: Adapter = {
  name: 'mcp-server',
  supports: [
    { package: V1, versions: '^1.13' },
    { package: V2, versions: '^2' },
  ],
  intentBeforeAction: true,
  failClosed: true,
  modules: [{ package: V1, file: 'server/index.js' }, { package: V2 }],
  enable: (door, modules) =>
    Recording.begin(door, 'mcp-server', (recording) => [
      modules.onLoad(V1, ({ exports, file }) =>
        file.endsWith('server/index.js') ? ofHandlers(recording, exports) : undefined,
      ),
      modules.onLoad(V2, ({ exports }) => ofHandlers(recording, exports)),
    ]),
};

function ofHandlers(recording: Recording, { Server }: { Server?: { prototype: object } }): () => void {
  return wrapMethod(Server?.prototype, 'setRequestHandler', (original) => {
    return function setRequestHandler(this: Server, ...args: unknown[]): unknown {
      // The handler comes last, after a schema, or a method and perhaps a schema.
      const at = args.findLastIndex((each) => typeof each === 'function');
      if (at > 0) args[at] = ofHandler(recording, this, args[at] as AnyFunction);
      return Reflect.apply(original, this, args) as unknown;
    };
  });
}

function ofHandler(recording: Recording, server: Server, handler: AnyFunction): AnyFunction {
  return alike(handler, function (this: unknown, ...args: unknown[]): unknown {
    const run = () => Reflect.apply(handler, this, args) as unknown;
    const [request, around] = args as [Request | undefined, Around | undefined];
    if (request?.method !== 'tools/call') return run();
    const told = () => {
      const { name, arguments: asked } = request.params;
      const { requestId, mcpReq, sessionId, signal } = around ?? {};
      const id = requestId ?? mcpReq?.id;
      const context = activeContext();
      return {
        start: {
          name,
          type: 'extension',
          // Every connection counts from 0: an id is one call's only within a session.
          callId: id === undefined || sessionId === undefined ? undefined : `${sessionId}/${id}`,
          arguments: asked,
          conversationId: context?.said.conversationId ?? sessionId,
          agent: isInTool() || context?.said.agent !== undefined ? undefined : server.getClientVersion?.(),
        },
        result: mcpResult,
        signal: signal ?? mcpReq?.signal,
      };
    };
    return recording.call(told, run);
  });
}
