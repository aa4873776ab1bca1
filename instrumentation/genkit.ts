import type { Adapter } from './contract.ts';
import { Recording } from './recording.ts';
import { type AnyFunction, alike, wrapMethod } from './wrap.ts';

const PACKAGE = '@genkit-ai/ai';

/** By what a tool is made, and where among its parameters the tool's own function is. */
const MAKERS = [
  ['defineTool', 2],
  ['tool', 1],
  ['dynamicTool', 1],
] as const;

/** Of its tracer. */
const SCOPE = 'genkit-tracer';

interface Around {
  abortSignal?: AbortSignal;
}

interface Tool {
  run: AnyFunction;
}

/**
 * Tools of Genkit, as they are defined. Genkit makes a span of each call itself; the adapter is inside it, before the
 * tool, writes the intent in its place, and can keep the tool from being called. A tool that waits for a person is
 * told as interrupted.
 */
export const genkit: Adapter = {
  name: 'genkit',
  supports: [{ package: PACKAGE, versions: '^1.42' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE, file: 'lib/tool.mjs' },
    { package: PACKAGE, file: 'lib/tool.js' },
  ],
  enable: (door, modules) =>
    Recording.begin(door, 'genkit', (recording) => [
      modules.onLoad(PACKAGE, ({ exports }) => {
        const undo = MAKERS.map(([maker, at]) =>
          wrapMethod(exports, maker, (original) => {
            return function (this: unknown, ...args: unknown[]): unknown {
              const { name = 'unknown' } = Object(args[at - 1]) as { name?: string };
              const fn = args[at];
              if (typeof fn !== 'function') return Reflect.apply(original, this, args);
              args[at] = recordedTool(recording, name, fn as AnyFunction);
              const tool = Reflect.apply(original, this, args) as Tool;
              claimSpans(recording, name, tool);
              return tool;
            };
          }),
        );
        return () => {
          for (const each of undo) each();
        };
      }),
    ]),
};

function recordedTool(recording: Recording, name: string, fn: AnyFunction): AnyFunction {
  return alike(fn, function (this: unknown, ...args: unknown[]): unknown {
    return recording.call(
      () => ({
        start: { name, type: 'function', arguments: args[0] },
        signal: (args[1] as Around | undefined)?.abortSignal,
        isPause: (error) => (Object(error) as { name?: unknown }).name === 'ToolInterruptError',
      }),
      () => Reflect.apply(fn, this, args) as unknown,
    );
  });
}

/** All that call it do so by its `run`, which begins the span. */
function claimSpans(recording: Recording, name: string, tool: Tool): void {
  const claimed = { scope: SCOPE, tools: new Set([name]) };
  wrapMethod(tool, 'run', (original) => {
    return function run(this: unknown, ...args: unknown[]): unknown {
      return recording.claim(claimed, () => Reflect.apply(original, this, args) as unknown);
    };
  });
}
