import { AsyncLocalStorage } from 'node:async_hooks';
import type { Adapter } from './contract.ts';
import { Recording, type Verdict } from './recording.ts';
import { type AnyFunction, alike, withProperties, wrapMethod } from './wrap.ts';

const PACKAGE = '@mastra/core';

/** A tool as an agent's loop calls it. */
interface LoopTool {
  execute?: AnyFunction;
  onInputAvailable?: AnyFunction;
}

interface LoopTools {
  [name: string]: LoopTool;
}

/** Of a run: whose, and which. */
interface Run {
  agent: { name?: string; id?: string };
  runId: string | undefined;
  conversationId: string | undefined;
}

interface CallOptions {
  toolCallId?: string;
  abortSignal?: AbortSignal;
  suspend?: AnyFunction;
}

/** What a tool of `createTool` is told, in an agent or without one. */
interface ToolContext extends CallOptions {
  agent?: { toolCallId?: string; threadId?: string; suspend?: AnyFunction };
  workflow?: { suspend?: AnyFunction };
}

/** A call of a loop, whose own tool has begun or has not. */
interface LoopCall {
  callId: string | undefined;
  isBegun: boolean;
}

/** By run, calls that a person has refused and the loop has not come back to. */
type Refusals = Map<string, { callId: string | undefined; reason: string | undefined }>;
const MAX_REFUSALS = 1_000;

/**
 * Tools of Mastra's agents, whatever they are made of, and those of `createTool` wherever else they run: in a
 * workflow, or called by the app. A tool that suspends its run is told as interrupted, a call that a person declines
 * as denied.
 */
export const mastra: Adapter = {
  name: 'mastra',
  supports: [{ package: PACKAGE, versions: '>=0.24 <2' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE },
    { package: PACKAGE, file: 'agent/index.js' },
    { package: PACKAGE, file: 'agent/index.cjs' },
    { package: PACKAGE, file: 'tools/index.js' },
    { package: PACKAGE, file: 'tools/index.cjs' },
  ],
  enable: (door, modules) => {
    const refusals: Refusals = new Map();
    const loop = new AsyncLocalStorage<LoopCall>();
    const agents = new WeakSet<object>();
    return Recording.begin(door, 'mastra', (recording) => [
      modules.onLoad(PACKAGE, ({ exports, file, version }) => {
        const undo: (() => void)[] = [];
        // Several files export the one class.
        const { prototype } = Object(exports.Agent) as { prototype?: object };
        if (prototype !== undefined && !agents.has(prototype)) {
          agents.add(prototype);
          undo.push(() => agents.delete(prototype));
          undo.push(...ofAgents(recording, refusals, loop, prototype));
        }
        // Of 0.x a tool's own function gets its arguments among much else.
        if (/\/tools\/index\.c?js$/.test(file) && !version.startsWith('0.'))
          undo.push(ofTools(recording, loop, exports));
        return () => {
          for (const each of undo) each();
        };
      }),
    ]);
  },
};

function ofAgents(
  recording: Recording,
  refusals: Refusals,
  loop: AsyncLocalStorage<LoopCall>,
  prototype: object,
): (() => void)[] {
  const undo = [
    wrapMethod(prototype, 'convertTools', (original) => {
      return async function convertTools(this: Run['agent'], ...args: unknown[]): Promise<unknown> {
        const tools = (await Reflect.apply(original, this, args)) as LoopTools;
        const { threadId: conversationId, runId } = Object(args[0]) as { threadId?: string; runId?: string };
        const run: Run = { agent: { name: this.name, id: this.id } as Run['agent'], runId, conversationId };
        const recorded = Object.entries(tools).map(([name, tool]) => [
          name,
          typeof Object(tool).execute === 'function'
            ? loopTool(recording, refusals, loop, name, tool, run)
            : tool,
        ]);
        return withProperties(tools, Object.fromEntries(recorded) as LoopTools);
      };
    }),
  ];
  for (const name of ['resumeStream', 'resumeGenerate'].filter((each) => each in prototype))
    undo.push(
      wrapMethod(prototype, name, (original) => {
        return function (this: unknown, ...args: unknown[]): unknown {
          const [said, options] = args.map(Object) as [
            { approved?: unknown; reason?: string },
            { runId?: string; toolCallId?: string } | undefined,
          ];
          if (said.approved === false && options?.runId !== undefined) {
            if (refusals.size >= MAX_REFUSALS) refusals.delete(refusals.keys().next().value!);
            refusals.set(options.runId, { callId: options.toolCallId, reason: said.reason });
          }
          return Reflect.apply(original, this, args) as unknown;
        };
      }),
    );
  return undo;
}

function loopTool(
  recording: Recording,
  refusals: Refusals,
  loop: AsyncLocalStorage<LoopCall>,
  name: string,
  tool: LoopTool,
  { agent, runId, conversationId }: Run,
): LoopTool {
  const { onInputAvailable } = tool;
  const execute = tool.execute!;
  const start = { name, type: 'function', agent, conversationId };
  return withProperties(tool, {
    execute: alike(execute, function (this: unknown, ...args: unknown[]): unknown {
      const options = Object(args[1]) as CallOptions;
      const { toolCallId: callId, abortSignal: signal, suspend } = options;
      let isPaused = false;
      const pausing = pause(suspend, () => (isPaused = true));
      if (pausing !== undefined) args[1] = { ...options, suspend: pausing };
      return recording.call(
        () => ({
          start: { ...start, arguments: args[0], callId },
          signal,
          cause,
          verdict: (answer) => (isPaused ? { what: 'paused' } : verdict(answer)),
        }),
        () => loop.run({ callId, isBegun: false }, () => Reflect.apply(execute, this, args) as unknown),
      );
    }),
    // The loop tells it of each call, before it looks at what a person has said of it.
    onInputAvailable: function (this: unknown, ...args: unknown[]): unknown {
      const { toolCallId: callId, input } = Object(args[0]) as { toolCallId?: string; input?: unknown };
      const refused = runId === undefined ? undefined : refusals.get(runId);
      if (refused !== undefined && (refused.callId ?? callId) === callId) {
        refusals.delete(runId!);
        recording.deny({ ...start, arguments: input, callId }, refused.reason);
      }
      return onInputAvailable && (Reflect.apply(onInputAvailable, this, args) as unknown);
    },
  });
}

function ofTools(
  recording: Recording,
  loop: AsyncLocalStorage<LoopCall>,
  exports: { createTool?: AnyFunction },
): () => void {
  return wrapMethod(exports, 'createTool', (original) => {
    return function createTool(this: unknown, ...args: unknown[]): unknown {
      const { id = 'unknown', execute } = Object(args[0]) as { id?: string; execute?: AnyFunction };
      if (typeof execute === 'function')
        args[0] = withProperties(args[0] as object, { execute: ownTool(recording, loop, id, execute) });
      return Reflect.apply(original, this, args) as unknown;
    };
  });
}

/** A tool's own function: the loop that calls it tells of the call, where one does. */
function ownTool(
  recording: Recording,
  loop: AsyncLocalStorage<LoopCall>,
  name: string,
  execute: AnyFunction,
): AnyFunction {
  return alike(execute, function (this: unknown, ...args: unknown[]): unknown {
    const context = Object(args[1]) as ToolContext;
    const { agent, workflow } = context;
    const callId = agent?.toolCallId ?? context.toolCallId;
    const above = loop.getStore();
    if (above !== undefined && !above.isBegun && above.callId === callId) {
      above.isBegun = true;
      return Reflect.apply(execute, this, args) as unknown;
    }
    let isPaused = false;
    for (const each of [context, agent, workflow]) {
      const pausing = pause(each?.suspend, () => (isPaused = true));
      if (pausing !== undefined) each!.suspend = pausing;
    }
    return recording.call(
      () => ({
        start: {
          name,
          type: 'function',
          arguments: args[0],
          callId: callId === '' ? undefined : callId,
          conversationId: agent?.threadId,
        },
        signal: context.abortSignal,
        verdict: (answer) => (isPaused ? { what: 'paused' } : verdict(answer)),
      }),
      () => Reflect.apply(execute, this, args) as unknown,
    );
  });
}

function pause(suspend: AnyFunction | undefined, paused: () => void): AnyFunction | undefined {
  if (typeof suspend !== 'function') return undefined;
  return alike(suspend, function (this: unknown, ...args: unknown[]): unknown {
    paused();
    return Reflect.apply(suspend, this, args) as unknown;
  });
}

/** Arguments that do not fit are answered; 0.x answers errors too. */
function verdict(answer: unknown): Verdict | undefined {
  if (answer instanceof Error) return { what: 'failed', error: cause(answer) };
  const { error, message, validationErrors } = Object(answer) as {
    error?: unknown;
    message?: unknown;
    validationErrors?: unknown;
  };
  if (error !== true || validationErrors === undefined) return undefined;
  return { what: 'failed', error: Object.assign(new Error(String(message)), { name: 'ValidationError' }) };
}

/** What the tool threw: Mastra throws what wraps it. */
function cause(error: unknown): unknown {
  const { id, cause: thrown } = Object(error) as { id?: unknown; cause?: unknown };
  return id === 'TOOL_EXECUTION_FAILED' && thrown !== undefined ? thrown : error;
}
