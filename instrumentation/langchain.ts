import type { Adapter } from './contract.ts';
import { Recording } from './recording.ts';
import { wrapMethod } from './wrap.ts';

const PACKAGE = '@langchain/core';

interface Tool {
  name: string;
}

interface ToolCall {
  id?: string;
  args?: unknown;
  type?: string;
}

interface Config {
  toolCall?: ToolCall;
  signal?: AbortSignal;
  metadata?: { [name: string]: unknown };
  configurable?: { [name: string]: unknown };
}

/**
 * Tools of LangChain and LangGraph, whoever calls them: `ToolNode`, an agent, or the app's own `invoke`. A tool that
 * pauses its graph for a person is told as interrupted.
 */
export const langchain: Adapter = {
  name: 'langchain',
  supports: [{ package: PACKAGE, versions: '>=0.3 <2' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE, file: 'tools/index.js' },
    { package: PACKAGE, file: 'tools/index.cjs' },
  ],
  enable: (door, modules) =>
    Recording.begin(door, 'langchain', (recording) => [
      modules.onLoad(PACKAGE, ({ exports }) =>
        wrapMethod(exports.StructuredTool?.prototype, 'call', (original) => {
          return function call(this: Tool, ...args: unknown[]): unknown {
            return recording.call(
              () => {
                const [asked, config] = args as [unknown, Config | undefined];
                const toolCall = isToolCall(asked) ? asked : config?.toolCall;
                const { metadata = {}, configurable = {} } = config ?? {};
                return {
                  start: {
                    name: this.name,
                    type: 'function',
                    arguments: isToolCall(asked) ? asked.args : asked,
                    callId: toolCall?.id,
                    conversationId: textOf(configurable.thread_id ?? metadata.thread_id),
                    agent: textOf(metadata.lc_agent_name),
                  },
                  signal: config?.signal,
                  result: contentOf,
                  isPause,
                };
              },
              () => Reflect.apply(original, this, args) as unknown,
            );
          };
        }),
      ),
    ]),
};

function isToolCall(value: unknown): value is ToolCall {
  return (Object(value) as ToolCall).type === 'tool_call';
}

/** Of a `ToolMessage`, what it says: the rest is the framework's. */
function contentOf(answer: unknown): unknown {
  const { content, tool_call_id, status } = Object(answer) as {
    content?: unknown;
    tool_call_id?: unknown;
    status?: unknown;
  };
  if (tool_call_id === undefined || content === undefined) return answer;
  return status === 'error' ? { isError: true, content } : content;
}

/** LangGraph's `interrupt()`, which leaves the tool by throwing. */
function isPause(error: unknown): boolean {
  return /^(Graph|Node)(Interrupt|BubbleUp|Drained)$/.test(
    String((Object(error) as { name?: unknown }).name),
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
