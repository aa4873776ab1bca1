import type { Adapter } from './contract.ts';
import { Recording } from './recording.ts';
import { wrapMethod } from './wrap.ts';

const PACKAGE = '@openai/agents-core';

interface Invocation {
  tool: { name: string };
  runContext: object;
  input: unknown;
  details?: { toolCall?: { callId?: string; arguments?: string }; signal?: AbortSignal };
}

interface Approval {
  toolName?: string;
  agent?: { name?: string };
  rawItem: { name?: string; callId?: string; id?: string; arguments?: unknown };
}

interface Traces {
  getCurrentTrace?: (() => { groupId?: string | null } | null) | undefined;
}

/**
 * Function tools of the OpenAI Agents SDK, those of MCP servers and of agents used as tools too. Hosted tools run at
 * the provider. A call that a person rejects is told as denied.
 */
export const openaiAgents: Adapter = {
  name: 'openai-agents',
  supports: [{ package: PACKAGE, versions: '>=0.13 <1' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE },
    { package: PACKAGE, file: 'dist/tool.mjs' },
    { package: PACKAGE, file: 'dist/tool.js' },
  ],
  enable: (door, modules) => {
    /** Of a run, the agent whose turn it is: it says which tools there are, before any of them is called. */
    const agents = new WeakMap<object, string>();
    const traces: Traces = {};
    return Recording.begin(door, 'openai-agents', (recording) => [
      modules.onLoad(PACKAGE, ({ exports, file }) => {
        if (/\/tool\.m?js$/.test(file)) return ofInvocations(recording, agents, traces, exports);
        traces.getCurrentTrace ??= exports.getCurrentTrace as Traces['getCurrentTrace'];
        const undo = [ofTurns(agents, exports.Agent), ofRejections(recording, exports.RunContext)];
        return () => {
          for (const each of undo) each();
        };
      }),
    ]);
  },
};

function ofTurns(agents: WeakMap<object, string>, Agent: { prototype: object } | undefined): () => void {
  return wrapMethod(Agent?.prototype, 'getAllTools', (original) => {
    return function getAllTools(this: { name?: string }, ...args: unknown[]): unknown {
      const [context] = args;
      if (typeof context === 'object' && context !== null && typeof this.name === 'string')
        agents.set(context, this.name);
      return Reflect.apply(original, this, args) as unknown;
    };
  });
}

function ofInvocations(
  recording: Recording,
  agents: WeakMap<object, string>,
  traces: Traces,
  exports: object,
): () => void {
  return wrapMethod(exports, 'invokeFunctionTool', (original) => {
    return function invokeFunctionTool(this: unknown, ...args: unknown[]): unknown {
      return recording.call(
        () => {
          const { tool, runContext, input, details } = args[0] as Invocation;
          return {
            start: {
              name: tool.name,
              type: 'function',
              arguments: input,
              callId: details?.toolCall?.callId,
              agent: agents.get(runContext),
              conversationId: traces.getCurrentTrace?.()?.groupId ?? undefined,
            },
            signal: details?.signal,
          };
        },
        () => Reflect.apply(original, this, args) as unknown,
      );
    };
  });
}

function ofRejections(recording: Recording, RunContext: { prototype: object } | undefined): () => void {
  return wrapMethod(RunContext?.prototype, 'rejectTool', (original) => {
    return function rejectTool(this: unknown, ...args: unknown[]): unknown {
      const answer: unknown = Reflect.apply(original, this, args);
      const [approval, about] = args as [Approval | undefined, { message?: string } | undefined];
      const { name, callId, id, arguments: asked } = Object(approval?.rawItem) as Approval['rawItem'];
      recording.deny(
        {
          name: approval?.toolName ?? name ?? 'unknown',
          type: 'function',
          arguments: asked,
          callId: callId ?? id,
          agent: approval?.agent?.name,
        },
        about?.message,
      );
      return answer;
    };
  });
}
