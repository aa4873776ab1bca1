import { once } from 'node:events';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { AuditDoor, LoadedModule, Modules } from '../../instrumentation/contract.ts';
import { mcpServer } from '../../instrumentation/mcp-server.ts';
import { openai } from '../../instrumentation/openai.ts';
import { type AnyFunction, alike, withProperties, wrapMethod } from '../../instrumentation/wrap.ts';
import { processDoor } from '../../src/sdk/process-door.ts';

describe('wrapMethod', () => {
  class Plain {
    greet(name: string, _more?: string): string {
      return `${this.word} ${name}`;
    }
    get word(): string {
      return 'hello';
    }
  }
  class Heir extends Plain {}
  const louder = (original: AnyFunction) =>
    function (this: unknown, ...args: unknown[]): unknown {
      return String(Reflect.apply(original, this, args)).toUpperCase();
    };

  it('keeps name, arity, `this` and what stands on the function, and is undone', () => {
    const before = Plain.prototype.greet;
    Object.assign(before, { note: 'kept' });
    const undo = wrapMethod(Plain.prototype as never, 'greet', louder);
    expect(new Plain().greet('you')).toBe('HELLO YOU');
    expect([Plain.prototype.greet.name, Plain.prototype.greet.length]).toEqual(['greet', 2]);
    expect(Object.entries(Plain.prototype.greet)).toEqual([['note', 'kept']]);
    expect(Object.keys(Plain.prototype)).toEqual([]);
    undo();
    expect(Plain.prototype.greet).toBe(before);
  });

  it('leaves what is inherited where it is', () => {
    const undo = wrapMethod(Heir.prototype as never, 'greet', louder);
    expect([new Heir().greet('you'), new Plain().greet('you')]).toEqual(['HELLO YOU', 'hello you']);
    undo();
    expect(Object.hasOwn(Heir.prototype, 'greet')).toBe(false);
  });

  it('steps aside, where somebody has wrapped it in the meantime', () => {
    const target = { greet: () => 'hello' };
    const undo = wrapMethod(target, 'greet', louder);
    const ours = target.greet;
    const theirs = () => `${ours()}!`;
    target.greet = theirs;
    undo();
    expect(target.greet).toBe(theirs);
    expect(target.greet()).toBe('hello!');
  });

  it('says what it does not find', async () => {
    const warned = once(process, 'warning');
    wrapMethod({}, 'greet', louder)();
    expect((await warned)[0]).toMatchObject({ code: 'SPANLEDGER_ADAPTER' });
  });
});

describe('what stands in the place of what an app gave', () => {
  it('is like it, and leaves it as it was', () => {
    class Tool {
      name = 'look';
      run(): string {
        return this.name;
      }
    }
    const tool = Object.defineProperty(new Tool(), 'hidden', { value: 1 });
    const like = withProperties(tool, { name: 'other' });
    expect(like).toBeInstanceOf(Tool);
    expect([like.run(), tool.run(), (like as { hidden?: number }).hidden]).toEqual(['other', 'look', 1]);
    expect(Object.keys(like)).toEqual(['name']);
    expect(alike(tool.run, () => 1).name).toBe('run');
  });
});

describe('an adapter that is disabled', () => {
  const require = createRequire(import.meta.url);
  const modulesOf = (name: string): Modules => ({
    onLoad(packageName, patch) {
      if (packageName !== name) return () => {};
      const exports: unknown = require(name);
      const module: LoadedModule = {
        package: name,
        version: '0',
        file: 'index.js',
        format: 'commonjs',
        exports,
      };
      return patch(module) ?? (() => {});
    },
  });
  const started: string[] = [];
  const door: AuditDoor = Object.create(processDoor(), {
    startTool: {
      value({ name }: { name: string }) {
        started.push(name);
        throw new Error('not here');
      },
    },
  });

  it('leaves what it changed as it was', () => {
    const { prototype } = require('openai').OpenAI.Chat.Completions as { prototype: { runTools: unknown } };
    const before = prototype.runTools;
    const disable = openai.enable(door, modulesOf('openai'));
    expect(prototype.runTools).not.toBe(before);
    disable();
    expect(prototype.runTools).toBe(before);
  });

  it('records no more of what others hold by then', async () => {
    const disable = mcpServer.enable(door, modulesOf('@modelcontextprotocol/server'));
    const { Server } = require('@modelcontextprotocol/server');
    const server = new Server({ name: 'records', version: '1' }, { capabilities: { tools: {} } });
    const handlers = new Map<string, AnyFunction>();
    server._wrapHandler = (method: string, handler: AnyFunction) => {
      handlers.set(method, handler);
      return handler;
    };
    server.setRequestHandler('tools/call', () => ({ content: [] }));
    const call = () => handlers.get('tools/call')!({ method: 'tools/call', params: { name: 'look' } }, {});
    expect(call).toThrow('not here');
    disable();
    expect(await call()).toEqual({ content: [] });
    expect(started).toEqual(['look']);
  });
});
