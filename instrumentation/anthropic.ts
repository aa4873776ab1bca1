import type { Adapter } from './contract.ts';
import { Recording } from './recording.ts';
import { type AnyFunction, alike, withProperties, wrapMethod } from './wrap.ts';

const PACKAGE = '@anthropic-ai/sdk';
const FILE = 'lib/tools/BetaRunnableTool';

interface Tool {
  name?: string;
  type?: string;
  mcp_server_name?: string;
  run: AnyFunction;
  parse?: AnyFunction;
}

interface Around {
  toolUse?: { id?: string; name?: string };
  toolUseBlock?: { id?: string; name?: string };
  signal?: AbortSignal;
}

/**
 * The tool runners of the Anthropic SDK (`beta.messages.toolRunner`, those of threads and of sessions): where they
 * have a tool run, whoever gave it.
 */
export const anthropic: Adapter = {
  name: 'anthropic',
  supports: [{ package: PACKAGE, versions: '>=0.137 <2' }],
  intentBeforeAction: true,
  failClosed: true,
  modules: [
    { package: PACKAGE, file: `${FILE}.mjs` },
    { package: PACKAGE, file: `${FILE}.js` },
  ],
  enable: (door, modules) =>
    Recording.begin(door, 'anthropic', (recording) => [
      modules.onLoad(PACKAGE, ({ exports }) =>
        wrapMethod(exports, 'runRunnableTool', (original) => {
          return function runRunnableTool(this: unknown, ...args: unknown[]): unknown {
            const [tool, input, around] = args as [Tool, unknown, Around | undefined];
            return Reflect.apply(original, this, [
              recordedTool(recording, tool, around),
              input,
              ...args.slice(2),
            ]);
          };
        }),
      ),
    ]),
};

function recordedTool(recording: Recording, tool: Tool, around: Around | undefined): Tool {
  const { run, parse } = Object(tool) as Tool;
  if (typeof run !== 'function') return tool;
  const recorded = alike(run, (...args: unknown[]): unknown =>
    recording.call(
      () => {
        const use = around?.toolUse ?? around?.toolUseBlock;
        return {
          start: {
            name: use?.name ?? tool.name ?? tool.mcp_server_name ?? tool.type ?? 'unknown',
            type: 'function',
            arguments: args[0],
            callId: use?.id,
          },
          signal: around?.signal,
        };
      },
      () => Reflect.apply(run, tool, args) as unknown,
    ),
  );
  // Both with the tool itself as their `this`: it may be of a class with fields that a likeness does not have.
  return withProperties(tool, {
    run: recorded,
    ...(typeof parse === 'function'
      ? { parse: alike(parse, (...args) => Reflect.apply(parse, tool, args)) }
      : {}),
  });
}
