import type { Adapter } from './contract.ts';
import { Recording, type Verdict } from './recording.ts';
import { type AnyFunction, alike, wrapMethod } from './wrap.ts';

const PACKAGE = '@google/adk';
/** Of its tracer. */
const SCOPE = 'gcp.vertex.agent';

interface Tool {
  name: string;
  runAsync: AnyFunction;
  execute?: unknown;
}

/** Of one call of a tool. */
interface ToolContext {
  functionCallId?: string;
  abortSignal?: AbortSignal;
  toolConfirmation?: { confirmed?: boolean };
  actions?: {
    requestedToolConfirmations?: { [callId: string]: unknown };
    requestedAuthConfigs?: { [callId: string]: unknown };
  };
  invocationContext?: {
    agent?: { name?: string };
    session?: { id?: string };
  };
}

interface Request {
  args?: unknown;
  toolContext?: ToolContext;
}

/**
 * Tools of Google's Agent Development Kit, of whichever class. ADK makes a span of each call itself; the adapter is
 * inside it, before the tool, writes the intent in its place, and can keep the tool from being called. A call that
 * waits for a person's confirmation, or for a credential, is told as interrupted, one that the person rejects as
 * denied.
 */
export const googleAdk: Adapter = {
  name: 'google-adk',
  supports: [{ package: PACKAGE, versions: '^2' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE, file: 'agents/functions.js' },
    { package: PACKAGE, file: 'tools/function_tool.js' },
  ],
  enable: (door, modules) =>
    Recording.begin(door, 'google-adk', (recording) => {
      const tools = new Tools(recording);
      const undo = modules.onLoad(PACKAGE, ({ exports, file }) => {
        if (file.endsWith('tools/function_tool.js')) tools.record(exports.FunctionTool?.prototype);
        else tools.recordThoseOf(exports);
        return undefined;
      });
      return [undo, () => tools.stop()];
    }),
};

/** Every class of tools has a `runAsync` of its own: each is wrapped when the first tool of it is to be called. */
class Tools {
  /** What has a `runAsync` that is wrapped. */
  readonly #recorded = new WeakSet<object>();
  readonly #recording: Recording;
  readonly #undo: (() => void)[] = [];
  /** By a call's context, the tools under way: of a class that calls the one it extends, the first tells. */
  readonly #running = new WeakMap<object, Set<Tool>>();

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  stop(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  /** Those that a model's calls are about to be given to. */
  recordThoseOf(exports: object): void {
    for (const name of ['handleFunctionCallsAsync', 'handleFunctionCallList'])
      this.#undo.push(
        wrapMethod(exports, name, (original) => {
          const tools = this;
          return function (this: unknown, ...args: unknown[]): unknown {
            const { toolsDict } = Object(args[0]) as { toolsDict?: { [name: string]: Tool } };
            const names = new Set(
              Object.values(toolsDict ?? {})
                .filter((tool) => tools.#see(tool))
                .map(({ name }) => name),
            );
            const run = () => Reflect.apply(original, this, args) as unknown;
            return tools.#recording.claim({ scope: SCOPE, tools: names }, run);
          };
        }),
      );
  }

  /** True where its calls will come by here. */
  #see(tool: Tool): boolean {
    let owner: object | null = tool;
    while (owner !== null && !Object.hasOwn(owner, 'runAsync'))
      owner = Object.getPrototypeOf(owner) as object | null;
    if (owner !== null) this.record(owner);
    return owner !== null;
  }

  record(owner: object | undefined): void {
    if (owner !== undefined && this.#recorded.has(owner)) return;
    if (owner !== undefined) this.#recorded.add(owner);
    this.#undo.push(
      wrapMethod(owner, 'runAsync', (original) => {
        const tools = this;
        return function runAsync(this: Tool, ...args: unknown[]): unknown {
          const run = () => Reflect.apply(original, this, args) as unknown;
          return tools.#call(this, Object(args[0]) as Request, run);
        };
      }),
    );
  }

  #call(tool: Tool, { args, toolContext = {} }: Request, run: () => unknown): unknown {
    const running = this.#running.get(toolContext) ?? new Set();
    if (running.has(tool)) return run();
    this.#running.set(toolContext, running.add(tool));
    note(tool);
    const { functionCallId: callId, invocationContext, abortSignal: signal } = toolContext;
    const answer = this.#recording.call(
      () => ({
        start: {
          name: tool.name,
          type: 'function',
          arguments: args,
          callId,
          agent: invocationContext?.agent?.name,
          conversationId: invocationContext?.session?.id,
        },
        signal,
        cause: (error) => thrown.get(toolContext) ?? error,
        verdict: (answer) => verdict(toolContext, answer),
      }),
      run,
    );
    const done = () => running.delete(tool);
    void Promise.resolve(answer).then(done, done);
    return answer;
  }
}

/** By the call's context, what a tool threw: ADK throws an error of its own with the message alone. */
const thrown = new WeakMap<object, unknown>();
const noting = new WeakSet<object>();

function note(tool: Tool): void {
  const { execute } = tool;
  if (typeof execute !== 'function' || noting.has(execute)) return;
  const noted = alike(execute as AnyFunction, async function (this: unknown, ...args: unknown[]) {
    try {
      return (await Reflect.apply(execute, this, args)) as unknown;
    } catch (error) {
      if (typeof args[1] === 'object' && args[1] !== null) thrown.set(args[1], error);
      throw error;
    }
  });
  noting.add(noted);
  try {
    tool.execute = noted;
  } catch {
    // its failures are told by what ADK makes of them
  }
}

function verdict(
  { functionCallId, toolConfirmation, actions }: ToolContext,
  answer: unknown,
): Verdict | undefined {
  const asked = { ...actions?.requestedToolConfirmations, ...actions?.requestedAuthConfigs };
  if (functionCallId !== undefined && functionCallId in asked) return { what: 'paused' };
  const { error } = Object(answer) as { error?: unknown };
  return toolConfirmation?.confirmed === false && error !== undefined
    ? { what: 'denied', reason: String(error) }
    : undefined;
}
