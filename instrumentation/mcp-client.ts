import { activeContext } from '../src/sdk/context.ts';
import { activeSpan } from '../src/sdk/otel.ts';
import { isInTool } from '../src/sdk/tool-calls.ts';
import type { Adapter } from './contract.ts';
import { mcpResult } from './mcp-result.ts';
import { Recording } from './recording.ts';
import { wrapMethod } from './wrap.ts';

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
 * `Client.callTool` of the Model Context Protocol's own SDK: what an agent asks of a server, whoever serves it. A
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
        file.endsWith('client/index.js') ? ofCallTool(recording, exports, 2) : undefined,
      ),
      modules.onLoad(V2, ({ exports }) => ofCallTool(recording, exports, 1)),
    ]),
};

/** @param at where among its parameters the options are, whose signal gives the call up. */
function ofCallTool(
  recording: Recording,
  { Client }: { Client?: { prototype: object } },
  at: number,
): () => void {
  return wrapMethod(Client?.prototype, 'callTool', (original) => {
    return function callTool(this: Client, ...args: unknown[]): unknown {
      return recording.call(
        () => {
          const params = args[0] as Params;
          return {
            start: {
              name: params.name,
              type: 'extension',
              arguments: params.arguments,
              conversationId: activeContext()?.said.conversationId ?? this.transport?.sessionId,
              agent: agentOf(this),
            },
            result: mcpResult,
            signal: (args[at] as { signal?: AbortSignal } | undefined)?.signal,
          };
        },
        () => Reflect.apply(original, this, args) as unknown,
      );
    };
  });
}

/** By the name the client gives itself, where nothing around it can know the agent better. */
function agentOf({ _clientInfo: info }: Client): { name?: string; version?: string } | undefined {
  if (isInTool() || activeContext()?.said.agent !== undefined || activeSpan() !== undefined) return undefined;
  return info && named(info);
}

function named({ name, version }: { name?: string; version?: string }): { name?: string; version?: string } {
  return { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) };
}
