import type { Message } from '../genai/activity.ts';
import { present } from '../genai/values.ts';
import type { ToolCall as RegistryCall, ToolPolicy } from '../policy/registry.ts';
import type { Cleaner } from './cleaner.ts';
import { canonicalOrText } from './cleaner.ts';
import type { Contents, Kept } from './facts.ts';
import type { AuditRecord, ContentDigest } from './record.ts';

/** Of one content, in UTF-8. */
export const MAX_CONTENT_BYTES = 1024 * 1024;
/** Far beyond what a record shows: the whole is cut at its end. */
const LIMITS = { nodes: 100_000, text: MAX_CONTENT_BYTES };

/** What a record says of its contents, before they are sealed. Members stand in canonical order. */
export function digestsOf(contents: Contents | undefined): AuditRecord['content'] {
  if (contents === undefined) return undefined;
  const said: NonNullable<AuditRecord['content']> = {};
  for (const field of ['answer', 'arguments', 'prompt', 'result'] as const) {
    const kept = contents[field];
    if (kept !== undefined) said[field] = { digest: kept.digest, size: kept.size };
  }
  return said;
}

/** A message or an answer. */
export function keptText(text: string, said: ContentDigest, clean: Cleaner): Kept {
  return keptAs(redacted(text, clean), said);
}

/**
 * Arguments and result of a call, where the policy vaults them. A word alone is not: nobody can tell a secret from a
 * name.
 */
export function keptCall(
  { content, pseudonyms }: ToolPolicy,
  call: Partial<RegistryCall>,
  clean: Cleaner,
): Contents | undefined {
  if (content !== 'vault') return undefined;
  const of = (kind: 'arguments' | 'result') => {
    const value = call[kind];
    if (value === undefined || (kind === 'arguments' && isUnnamed(value))) return undefined;
    return keptAs(redacted(value, clean, pseudonyms), said(kind, value, clean));
  };
  const contents = present<Contents>({ arguments: of('arguments'), result: of('result') });
  return Object.keys(contents).length > 0 ? contents : undefined;
}

/** A model's input as JSON: of tools whose calls are not vaulted it tells digests, as their own records do. */
export function keptInput(
  messages: readonly Message[],
  system: string | undefined,
  said: ContentDigest,
  clean: Cleaner,
): Kept {
  const input = new Input(messages, clean);
  const hasSystem = messages.some(({ role }) => role === 'system' || role === 'developer');
  const all = messages.map((each) => input.message(each));
  if (system !== undefined && !hasSystem) all.unshift({ role: 'system', text: input.text(system) });
  return keptAs({ text: JSON.stringify(all), truncated: input.truncated }, said);
}

/** One word alone: only its digest is kept. */
export function isUnnamed(args: unknown): boolean {
  return typeof args === 'string' && /^\S+$/.test(args);
}

/** Redacts the messages of one input. */
class Input {
  truncated = false;
  readonly #clean: Cleaner;
  readonly #calls = new Map<string, Message['toolCalls'][number]>();

  constructor(messages: readonly Message[], clean: Cleaner) {
    this.#clean = clean;
    for (const { toolCalls } of messages)
      for (const call of toolCalls) if (call.id !== undefined) this.#calls.set(call.id, call);
  }

  message({ role, text, toolCalls, toolResults }: Message): object {
    const shown =
      role === 'tool' || role === 'function' ? this.#tool(undefined, 'result', text) : this.text(text);
    return present({
      role: this.#clean.said(role),
      text: text === '' ? undefined : shown,
      tool_calls: toolCalls.length === 0 ? undefined : toolCalls.map((call) => this.#call(call)),
      tool_results: toolResults.length === 0 ? undefined : toolResults.map((each) => this.#result(each)),
    });
  }

  text(text: string): unknown {
    return this.#redacted(text);
  }

  #call({ id, name, arguments: args }: Message['toolCalls'][number]): object {
    const policy = this.#policyOf(name, { arguments: args, result: undefined });
    return present({
      id: this.#clean.id(id),
      name: this.#clean.said(name),
      arguments: args === undefined ? undefined : this.#tool(policy, 'arguments', args),
    });
  }

  #result({ id, name, result }: Message['toolResults'][number]): object {
    const call = id === undefined ? undefined : this.#calls.get(id);
    const policy = this.#policyOf(name ?? call?.name, { arguments: call?.arguments, result });
    return present({
      id: this.#clean.id(id),
      name: this.#clean.said(name ?? call?.name),
      result: this.#tool(policy, 'result', result),
    });
  }

  /** Undefined for a tool nobody names: it may be one whose calls are not kept. */
  #policyOf(name: string | undefined, call: RegistryCall): ToolPolicy | undefined {
    return name === undefined ? undefined : this.#clean.policy.registry.tool(name, call);
  }

  #tool(policy: ToolPolicy | undefined, kind: 'arguments' | 'result', value: unknown): unknown {
    if (policy?.content !== 'vault' || (kind === 'arguments' && isUnnamed(value)))
      return said(kind, value, this.#clean);
    return this.#redacted(value, policy.pseudonyms);
  }

  #redacted(value: unknown, pseudonyms: { [name: string]: string } = {}): unknown {
    const { tenant, policy } = this.#clean;
    const redacted = policy.redactor.redact(value, { tenant, pseudonyms, limits: LIMITS });
    if (redacted.truncated) this.truncated = true;
    return redacted.value;
  }
}

interface Text {
  text: string;
  truncated: boolean;
}

function said(kind: 'arguments' | 'result', value: unknown, clean: Cleaner): ContentDigest {
  return clean.content(kind, canonicalOrText(value));
}

function redacted(value: unknown, clean: Cleaner, pseudonyms: { [name: string]: string } = {}): Text {
  const { tenant, policy } = clean;
  const { value: clear, truncated } = policy.redactor.redact(value, { tenant, pseudonyms, limits: LIMITS });
  return { text: typeof clear === 'string' ? clear : JSON.stringify(clear), truncated };
}

/** Cut after it is redacted: half a secret is not recognised. */
function keptAs({ text, truncated }: Text, { digest, size }: ContentDigest): Kept {
  const bytes = Buffer.byteLength(text) > MAX_CONTENT_BYTES ? Buffer.from(text) : undefined;
  const kept = bytes === undefined ? text : wholeCharacters(bytes, MAX_CONTENT_BYTES);
  return { digest, size, text: kept, ...(truncated || bytes !== undefined ? { truncated: true } : {}) };
}

/** UTF-8 to a limit, and no half of a character. */
function wholeCharacters(bytes: Buffer, limit: number): string {
  let end = limit;
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
