/**
 * What an adapter is: a plain object in a file of its own, which tells the door of the tool calls of one framework.
 *
 * @module spanledger/instrumentation/contract
 */
import type { AuditDoor } from '../src/sdk/door.ts';

export type { AuditDoor, ToolCall, ToolSpans, ToolStart } from '../src/sdk/door.ts';

/**
 * @example
 * export const mcp: Adapter = {
 *   name: 'mcp',
 *   supports: [{ package: '@modelcontextprotocol/sdk', versions: '^1.12' }],
 *   intentBeforeAction: true,
 *   failClosed: true,
 *   modules: [{ package: '@modelcontextprotocol/sdk', file: 'client/index.js' }],
 *   enable: (door, modules) =>
 *     modules.onLoad('@modelcontextprotocol/sdk', ({ exports }) => wrapMethod(exports.Client.prototype, 'callTool', …)),
 * };
 */
export interface Adapter {
  /** Stands in `source.scope`, as `spanledger/<name>`: give it as `scope` of `startTool`. */
  readonly name: string;
  /** Packages it knows, and which of their versions, as npm writes ranges. Others are told, and left alone. */
  readonly supports: readonly Supported[];
  /** The intent of a tool call stands in the journal before the tool is called. */
  readonly intentBeforeAction: boolean;
  /** It can keep a tool from being called, and does where `admit` says so. */
  readonly failClosed: boolean;
  /** The only files that are looked at as they load. */
  readonly modules: readonly ModuleNeed[];

  /** Begins. What it answers undoes all of it, for modules that are loaded already too. */
  enable(door: AuditDoor, modules: Modules): () => void;
}

export interface Supported {
  package: string;
  versions: string;
}

/** A file of a package, in each of its formats: `import` and `require` often load different ones. */
export interface ModuleNeed {
  package: string;
  /**
   * The end of the file's path inside the package, without a leading `./`: `client/index.js` is both
   * `dist/esm/client/index.js` and `dist/cjs/client/index.js`. Absent: whatever the package's own name loads.
   */
  file?: string;
}

/** A module of an adapter's list, loaded by the app. */
export interface LoadedModule {
  readonly package: string;
  /** Of that copy: an app may have several. */
  readonly version: string;
  /** Its path inside the package, with `/`. */
  readonly file: string;
  readonly format: 'esm' | 'commonjs';
  /**
   * What it exports. An export that is set to something else here is that for all who load it from now on; of an
   * ES module also for those who have imported it.
   */
  // biome-ignore lint/suspicious/noExplicitAny: what others export has no type here
  readonly exports: any;
}

export interface Modules {
  /**
   * Calls `patch` with each supported copy of the package's listed files as it loads, before the app has it, and at
   * once with those that `require` has loaded already. What `patch` answers undoes it.
   *
   * @returns undoes all of it.
   */
  onLoad(packageName: string, patch: (module: LoadedModule) => (() => void) | undefined): () => void;
}
