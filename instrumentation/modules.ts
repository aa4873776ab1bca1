import { createRequire, Module, register } from 'node:module';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addHook } from 'import-in-the-middle';
import { register as registerInThread, supportsSyncHooks } from 'import-in-the-middle/register-hooks.mjs';
import type { Adapter, LoadedModule, ModuleNeed, Modules, Supported } from './contract.ts';
import { packageOf } from './package-of.ts';
import { isInRange } from './versions.ts';

/** No framework, but where spans are heard of: none is too early. */
const OTEL_API = '@opentelemetry/api';

type Patch = Parameters<Modules['onLoad']>[1];

/** A copy of a framework, as the app has loaded it. */
export interface Seen {
  package: string;
  version: string;
  isSupported: boolean;
  /** Before anything could be done about it: what its importers have taken from it stays as it was. */
  isEarly: boolean;
}

/**
 * Sees modules as an app loads them, by `require` and by `import`: those of adapters' lists, and no other. All else
 * goes through no hook of ours.
 */
export class LoadedModules implements Modules {
  readonly seen: Seen[] = [];
  readonly #needs = new Map<string, ModuleNeed[]>();
  readonly #supports = new Map<string, Supported[]>();
  readonly #patches = new Map<string, Set<Patch>>();
  readonly #loaded: LoadedModule[] = [];
  readonly #known = new Map<string, WeakSet<object>>();
  #heard: (seen: Seen) => void = () => {};

  constructor(adapters: readonly Pick<Adapter, 'modules' | 'supports'>[]) {
    this.#needs.set(OTEL_API, [{ package: OTEL_API }]);
    for (const { modules, supports } of adapters) {
      for (const need of modules) push(this.#needs, need.package, need);
      for (const each of supports) push(this.#supports, each.package, each);
    }
    this.#lookBack();
    this.#hookRequire();
    this.#hookImport();
  }

  onLoad(packageName: string, patch: Patch): () => void {
    const undo: (() => void)[] = [];
    const patching: Patch = (module) => {
      const undone = patch(module);
      if (undone !== undefined) undo.push(undone);
      return undefined;
    };
    const patches = this.#patches.get(packageName) ?? new Set();
    this.#patches.set(packageName, patches.add(patching));
    for (const module of this.#loaded) if (module.package === packageName) this.#run(patching, module);
    return () => {
      patches.delete(patching);
      for (const each of undo.splice(0).reverse()) each();
    };
  }

  /** Hears of each copy from now on. */
  listen(heard: (seen: Seen) => void): void {
    this.#heard = heard;
  }

  #lookBack(): void {
    const { cache } = createRequire(import.meta.url);
    for (const path of Object.keys(cache))
      if (cache[path]?.loaded && isHeld(cache[path].exports))
        this.#load(path, cache[path].exports, 'commonjs', undefined);
  }

  /** The one method that all of CommonJS goes through, whoever else has wrapped it. */
  #hookRequire(): void {
    const { prototype } = Module as unknown as { prototype: NodeModule };
    const original = prototype.require;
    const loaded = this;
    prototype.require = Object.assign(function require(this: NodeModule, id: string): unknown {
      const exports = Reflect.apply(original, this, [id]) as unknown;
      return loaded.#required(id, this, exports) ?? exports;
    }, original);
  }

  /** What is to be answered instead, if anything. */
  #required(id: string, from: NodeModule, exports: unknown): unknown {
    try {
      if (Module.isBuiltin(id) || !isHeld(exports)) return undefined;
      // A file of a package asks for another of its own by its path, others for the package by its name.
      const isPath = /^[./]|^[A-Za-z]:/.test(id);
      if (isPath ? !this.#mayHold(from.filename) : !this.#mayHold(`node_modules${sep}${id}`))
        return undefined;
      const path = createRequire(from.filename ?? import.meta.url).resolve(id);
      const cached = createRequire(import.meta.url).cache[path];
      if (!cached?.loaded) return undefined;
      this.#load(path, exports, 'commonjs', id);
      return cached.exports;
    } catch {
      // Whatever cannot be told apart is none of those we look for.
      return undefined;
    }
  }

  #mayHold(path: string | null | undefined): boolean {
    if (path === null || path === undefined) return false;
    const plain = path.split(sep).join('/');
    for (const name of this.#needs.keys()) if (plain.includes(`/${name}`)) return true;
    return false;
  }

  #hookImport(): void {
    const include = [...this.#includes()];
    if (supportsSyncHooks()) registerInThread({ include });
    else register('import-in-the-middle/hook.mjs', import.meta.url, { data: { include } });
    addHook((url, exports, specifier) => {
      try {
        if (url.startsWith('file:')) this.#load(fileURLToPath(url), exports, 'esm', specifier ?? '');
      } catch {
        // as above
      }
    });
  }

  /** Nothing but what is needed: files of a package that are hooked besides can break it (openai 4's shims). */
  *#includes(): Generator<RegExp | string> {
    for (const needs of this.#needs.values())
      for (const { package: name, file } of needs)
        yield file === undefined
          ? name
          : new RegExp(`/node_modules/${literal(name)}/(.*/)?${literal(file)}$`);
  }

  /** @param specifier what it was asked for by; undefined for what was loaded before. */
  #load(path: string, exports: object, format: LoadedModule['format'], specifier: string | undefined): void {
    if (!this.#mayHold(path)) return;
    const found = packageOf(path);
    const needs = found && this.#needs.get(found.name);
    if (needs === undefined) return;
    const isNeeded = needs.some(({ package: asked, file }) =>
      file === undefined
        ? (specifier ?? specifierOf(path, asked)) === asked
        : found!.file === file || found!.file.endsWith(`/${file}`),
    );
    if (!isNeeded) return;
    const isEarly = specifier === undefined;
    const known = this.#known.get(path) ?? new WeakSet();
    this.#known.set(path, known);
    if (known.has(exports)) return;
    known.add(exports);
    const { name, version, file } = found!;
    const supports = this.#supports.get(name) ?? [];
    const isSupported =
      supports.length === 0 || supports.some(({ versions }) => isInRange(version, versions));
    if (name !== OTEL_API) this.#tell({ package: name, version, isSupported, isEarly });
    if (!isSupported) return;
    const open = format === 'commonjs' ? opened(path, exports) : exports;
    known.add(open);
    const module: LoadedModule = { package: name, version, file, format, exports: open };
    this.#loaded.push(module);
    for (const patch of this.#patches.get(name) ?? []) this.#run(patch, module);
  }

  #tell(seen: Seen): void {
    const same = this.seen.find(
      (each) =>
        each.package === seen.package && each.version === seen.version && each.isEarly === seen.isEarly,
    );
    if (same !== undefined) return;
    this.seen.push(seen);
    this.#heard(seen);
  }

  /** An adapter that fails costs its framework's records, and is told; the app goes on. */
  #run(patch: Patch, module: LoadedModule): void {
    try {
      patch(module);
    } catch (error) {
      process.emitWarning(`${module.package} ${module.version} is not recorded: ${String(error)}`, {
        type: 'SpanledgerWarning',
        code: 'SPANLEDGER_ADAPTER',
      });
    }
  }
}

/** Some bundlers make exports that cannot be changed: a likeness that can takes their place in `require`'s cache. */
function opened(path: string, exports: object): object {
  const all = Object.getOwnPropertyDescriptors(exports) as PropertyDescriptorMap;
  const cached = createRequire(import.meta.url).cache[path];
  const isOpen = Object.values(all).every(({ configurable, writable }) => configurable || writable);
  if (isOpen || typeof exports === 'function' || cached?.exports !== exports) return exports;
  const open = Object.create(Object.getPrototypeOf(exports) as object | null) as object;
  for (const [key, each] of Object.entries(all)) {
    const { enumerable = false } = each;
    const set = (value: unknown) =>
      void Object.defineProperty(open, key, { value, enumerable, configurable: true, writable: true });
    Object.defineProperty(open, key, {
      ...each,
      configurable: true,
      ...('value' in each ? {} : { set: each.set ?? set }),
    });
  }
  cached.exports = open;
  return open;
}

function isHeld(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** The package's name, where that is what loads the file. */
function specifierOf(path: string, name: string): string {
  try {
    return createRequire(path).resolve(name) === path ? name : '';
  } catch {
    return '';
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
