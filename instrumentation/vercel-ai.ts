import { metadataObject } from '../src/genai/metadata.ts';
import type { Adapter } from './contract.ts';
import { mayAnswerAtOnce, Recording } from './recording.ts';
import { refusedCalls } from './vercel-ai-approvals.ts';
import { type AnyFunction, alike, withProperties, wrapMethod } from './wrap.ts';

const PACKAGE = 'ai';

interface Tool {
  execute?: AnyFunction;
}

interface Tools {
  [name: string]: Tool;
}

interface Telemetry {
  functionId?: string;
  metadata?: { [name: string]: unknown };
}

interface Call {
  tools?: Tools;
  messages?: unknown;
  prompt?: unknown;
  experimental_telemetry?: Telemetry;
  telemetry?: Telemetry;
}

interface Agent {
  id?: string;
  tools?: Tools;
  settings?: { name?: string };
}

/** Who calls the tools, as far as the framework is told. */
interface Caller {
  agent: string | undefined;
  conversationId: string | undefined;
}

/** `execute` of the tools of the Vercel AI SDK's `generateText`, `streamText` and agents, and approvals refused. */
export const vercelAi: Adapter = {
  name: 'vercel-ai',
  supports: [{ package: PACKAGE, versions: '^5 || ^6 || ^7' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [{ package: PACKAGE }],
  enable: (door, modules) =>
    Recording.begin(door, 'vercel-ai', (recording) => [
      modules.onLoad(PACKAGE, ({ exports }) => {
        const undo = ['generateText', 'streamText'].map((name) => ofCalls(recording, exports, name));
        const agents = new Set([exports.ToolLoopAgent, exports.Experimental_Agent]);
        for (const agent of agents) undo.push(...ofAgents(recording, agent?.prototype));
        return () => {
          for (const each of undo) each();
        };
      }),
    ]),
};

function ofCalls(recording: Recording, exports: object, name: string): () => void {
  return wrapMethod(exports, name, (original) => {
    return function (this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(original, this, [withRecorded(recording, args[0]), ...args.slice(1)]);
    };
  });
}

/** They call what stands behind the exports. Version 5 has no `prepareCall`, whose answer holds all of a call. */
function ofAgents(recording: Recording, prototype: object | undefined): (() => void)[] {
  if (prototype === undefined) return [];
  if ('prepareCall' in prototype)
    return [
      wrapMethod(prototype, 'prepareCall', (original) => {
        return async function prepareCall(this: Agent, ...args: unknown[]): Promise<unknown> {
          return withRecorded(recording, await Reflect.apply(original, this, args), this);
        };
      }),
    ];
  return ['generate', 'stream'].map((name) =>
    wrapMethod(prototype, name, (original) => {
      return function (this: Agent, ...args: unknown[]): unknown {
        const call = Object(args[0]) as Call;
        const all = { ...this.settings, ...call } as Call;
        const { tools } = Object(withRecorded(recording, all, this)) as Call;
        return Reflect.apply(original, this, [tools === undefined ? args[0] : { ...call, tools }]);
      };
    }),
  );
}

function withRecorded(recording: Recording, call: unknown, agent?: Agent): unknown {
  const { tools, telemetry, experimental_telemetry = telemetry, ...given } = Object(call) as Call;
  const caller: Caller = {
    agent: agent?.id ?? agent?.settings?.name ?? experimental_telemetry?.functionId,
    conversationId: metadataObject(experimental_telemetry?.metadata).conversationId,
  };
  for (const { reason, ...refused } of refusedCalls(given))
    recording.deny({ ...refused, type: 'function', ...caller }, reason);
  if (typeof tools !== 'object' || tools === null) return call;
  const recorded = Object.entries(tools).map(([name, tool]) => [
    name,
    recordedTool(recording, name, tool, caller),
  ]);
  return { ...(call as Call), tools: withProperties(tools, Object.fromEntries(recorded)) };
}

function recordedTool(recording: Recording, name: string, tool: Tool, caller: Caller): Tool {
  const { execute } = Object(tool) as Tool;
  if (typeof execute !== 'function' || RECORDED.has(execute)) return tool;
  // It looks at once whether it was answered a stream of results.
  const isSync = mayAnswerAtOnce(execute);
  const recorded = alike(execute, function (this: unknown, ...args: unknown[]): unknown {
    return recording.call(
      () => {
        const [input, around] = args as [
          unknown,
          { toolCallId?: string; abortSignal?: AbortSignal } | undefined,
        ];
        return {
          start: { name, type: 'function', arguments: input, callId: around?.toolCallId, ...caller },
          signal: around?.abortSignal,
        };
      },
      () => inSteps(Reflect.apply(execute, this === standing ? tool : this, args)),
      { isSync },
    );
  });
  RECORDED.add(recorded);
  const standing = withProperties(tool, { execute: recorded });
  return standing;
}

/** Tools of an agent come by here twice, where its call is one of the exports'. */
const RECORDED = new WeakSet<AnyFunction>();

/** Whatever can be iterated is a tool that tells how far it is, and ends when its iteration does. */
function inSteps(answer: unknown): unknown {
  const isIterable =
    typeof (answer as Partial<AsyncIterable<unknown>> | null | undefined)?.[Symbol.asyncIterator] ===
    'function';
  if (!isIterable || Object.prototype.toString.call(answer) === '[object AsyncGenerator]') return answer;
  return (async function* steps() {
    yield* answer as AsyncIterable<unknown>;
  })();
}
