import type { Adapter } from './contract.ts';
import { Recording } from './recording.ts';
import { type AnyFunction, alike, withProperties, wrapMethod } from './wrap.ts';

const PACKAGE = 'openai';

/** A tool with its function, or one of the helpers for schemas, which keeps it aside. */
interface Tool {
  function?: { name?: string; function?: AnyFunction };
  $callback?: AnyFunction;
}

interface Body {
  tools?: Tool[];
}

interface Runner {
  messages?: { role?: string; tool_calls?: ToolCall[] }[];
  controller?: AbortController;
}

interface ToolCall {
  id?: string;
  function?: { name?: string; arguments?: string };
}

/** `chat.completions.runTools` of the OpenAI SDK, streamed or not: it calls the app's functions itself. */
export const openai: Adapter = {
  name: 'openai',
  supports: [{ package: PACKAGE, versions: '^5 || ^6 || ^7' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [{ package: PACKAGE }],
  enable: (door, modules) =>
    Recording.begin(door, 'openai', (recording) => [
      modules.onLoad(PACKAGE, ({ exports }) => {
        const OpenAI = exports.OpenAI as { Chat?: { Completions?: { prototype: object } } } | undefined;
        return wrapMethod(OpenAI?.Chat?.Completions?.prototype, 'runTools', (original) => {
          return function runTools(this: unknown, ...args: unknown[]): unknown {
            return Reflect.apply(original, this, [recordedBody(recording, args[0]), ...args.slice(1)]);
          };
        });
      }),
    ]),
};

function recordedBody(recording: Recording, body: unknown): unknown {
  const { tools } = Object(body) as Body;
  if (!Array.isArray(tools)) return body;
  return withProperties(body as Body, { tools: tools.map((tool) => recordedTool(recording, tool)) });
}

function recordedTool(recording: Recording, tool: Tool): Tool {
  const { function: about, $callback: callback } = Object(tool) as Tool;
  const fn = callback ?? about?.function;
  if (about === undefined || typeof fn !== 'function') return tool;
  const name = about.name ?? fn.name;
  const recorded = alike(fn, function (this: unknown, ...args: unknown[]): unknown {
    return recording.call(
      () => {
        const runner = args[1] as Runner | undefined;
        return {
          start: {
            name,
            type: 'function',
            arguments: args[0],
            callId: runner && callIdOf(runner, name, args[0]),
          },
          signal: runner?.controller?.signal,
        };
      },
      () => Reflect.apply(fn, this, args) as unknown,
    );
  });
  return callback === undefined
    ? withProperties(tool, { function: withProperties(about, { function: recorded }) })
    : withProperties(tool, { $callback: recorded });
}

/** Calls of the model's last message that have begun. */
const begun = new WeakSet<ToolCall>();

/** The function is told neither which call it is for, nor what others run beside it: by name, then by arguments. */
function callIdOf({ messages = [] }: Runner, name: string, args: unknown): string | undefined {
  const asked = messages.findLast(({ role }) => role === 'assistant')?.tool_calls ?? [];
  const left = asked.filter((call) => call.function?.name === name && !begun.has(call));
  const text = typeof args === 'string' ? args : JSON.stringify(args);
  const call = left.find((each) => plain(each.function?.arguments) === plain(text)) ?? left[0];
  if (call !== undefined) begun.add(call);
  return call?.id;
}

function plain(text: string | undefined): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text!));
  } catch {
    return text;
  }
}
