import type { Registry } from '../policy/registry.ts';
import type { Facts, ModelFacts, OlderDigests, ToolFacts } from './facts.ts';
import { type AskedMemory, type CallMemory, type ExecutionMemory, keys, type Memory } from './memory.ts';
import { digestsOf } from './older-keys.ts';
import { demanded, UNKNOWN_TOOL } from './tool-facts.ts';

/**
 * Which tool calls are known, so that what several spans tell of one call is recorded as the calls they are. A
 * call is known by its id; where a span has none, by the trace, the tool and its arguments; and a result whose
 * call is not named at all, by the prompt whose answer asked for it.
 */
export class Calls {
  readonly #memory: Memory;
  readonly #tenant: string;
  readonly #service: string;
  readonly #trace: string;
  readonly #older: OlderDigests | undefined;

  constructor({ tenant, source, trace, older }: Facts, memory: Memory) {
    this.#memory = memory;
    this.#tenant = tenant;
    this.#service = source.service ?? '';
    this.#trace = trace.trace_id;
    this.#older = older;
  }

  /** A tool's own span has told. */
  executed({ recorded, argumentsDigest }: ToolFacts): void {
    const { name, call_id } = recorded;
    if (call_id !== undefined) this.#memory.set(this.#byId(call_id), 'executed' satisfies CallMemory);
    const key = this.#execution(name, argumentsDigest);
    if (this.#memory.get(key) === 'without_id') return;
    const execution: ExecutionMemory = call_id === undefined ? 'without_id' : 'with_id';
    // A result without its call's name is known by the digest of what was asked for, which may be of before a rotation.
    for (const each of digestsOf(argumentsDigest ?? '', this.#older))
      this.#memory.set(this.#execution(name, each), execution);
  }

  /** Takes note of a reported result; false when the call is known already. */
  reported({ recorded, argumentsDigest, answers }: ToolFacts): boolean {
    const { name, call_id } = recorded;
    const keysOf = [
      ...(call_id === undefined ? [] : [this.#byId(call_id)]),
      ...(call_id !== undefined || answers === undefined
        ? []
        : [keys.answer(this.#tenant, this.#service, this.#trace, answers.prompt, answers.position)]),
    ];
    if (keysOf.some((key) => this.#memory.get(key) !== undefined)) return false;
    // An execution that had neither id nor arguments to tell stands for any call of its tool.
    const executions = [this.#execution(name, argumentsDigest), this.#execution(name, undefined)].map((key) =>
      this.#memory.get(key),
    );
    // Of two ids, each is a call of its own.
    const same = call_id === undefined ? executions.some(Boolean) : executions.includes('without_id');
    if (same) return false;
    for (const key of keysOf) this.#memory.set(key, 'reported' satisfies CallMemory);
    return true;
  }

  /** What a model's answer asked for, for results that come without their call's name. */
  asked({ toolCalls, content }: ModelFacts): void {
    if (toolCalls.length === 0) return;
    const asked = toolCalls.map(({ id, name, arguments_digest }): AskedMemory & { id?: string } => ({
      ...(id === undefined ? {} : { id }),
      ...(name === undefined ? {} : { name }),
      ...(arguments_digest === undefined ? {} : { digest: arguments_digest }),
    }));
    for (const { id, ...call } of asked)
      if (id !== undefined) this.#memory.set(keys.askedById(this.#tenant, this.#service, id), call);
    const prompt = content?.prompt?.digest;
    if (prompt !== undefined && asked.some(({ id }) => id === undefined))
      this.#memory.set(keys.askedBy(this.#tenant, this.#service, prompt), asked);
  }

  /** The result with its call's name, if an earlier answer told it, and what the registry knows of that tool. */
  named(tool: ToolFacts, registry: Registry): ToolFacts {
    if (tool.recorded.name !== UNKNOWN_TOOL) return tool;
    const { name, digest } = this.#askedFor(tool) ?? {};
    if (name === undefined) return tool;
    const known = registry.tool(name, { arguments: undefined, result: undefined });
    const named = { ...tool, ...demanded(known, tool.detected) };
    // It was redacted as a tool's that nobody knew; and a rule that looks at arguments may keep less.
    const isKept = known.content === 'vault' && Object.keys(known.pseudonyms).length === 0;
    if (!isKept || registry.looksInside(name)) delete named.contents;
    named.recorded = { ...tool.recorded, name };
    if (digest !== undefined) named.argumentsDigest = digest;
    return named;
  }

  #askedFor({ recorded, answers }: ToolFacts): AskedMemory | undefined {
    const tenant = this.#tenant;
    if (recorded.call_id !== undefined)
      return this.#memory.get(keys.askedById(tenant, this.#service, recorded.call_id)) as
        | AskedMemory
        | undefined;
    if (answers === undefined) return undefined;
    const asked = this.#memory.get(keys.askedBy(tenant, this.#service, answers.prompt));
    return (asked as AskedMemory[] | undefined)?.[answers.position];
  }

  #byId(id: string): string {
    return keys.call(this.#tenant, this.#service, id);
  }

  #execution(tool: string, digest: string | undefined): string {
    return keys.execution(this.#tenant, this.#service, this.#trace, tool, digest ?? '');
  }
}
