import { toJson, unwrapJson } from '../genai/values.ts';
import type { Policy } from '../policy/policy.ts';
import type { AttributeValue, Span } from '../span.ts';
import { DEFAULT_TENANT } from './facts-of.ts';
import type { ContentDigest } from './record.ts';

/** Bytes of a preview as JSON: a flood of hostile spans must not fill the journal. */
const MAX_BYTES = 32 * 1_024;
/** Of those, for what stands around names and attributes. */
const FRAME_BYTES = 256;
/** Longer texts are somebody's words, whatever their name says. */
const MAX_TEXT = 200;
const ID = /^([0-9a-f]{16}|[0-9a-f]{32})$/;
/** Words in the names of attributes that hold what people and models said. */
const CONTENT =
  /^(message|prompt|completion|content|input|output|argument|arg|result|response|instruction|query|body|text)s?$/;

/**
 * What is kept of a span in quarantine: its ids and names, and its attributes as far as they fit, redacted; of
 * what people and models said, a keyed digest and the size. Never throws: of what cannot be read, less is kept.
 */
export function preview(span: Span, policy: Policy): { [name: string]: unknown } {
  const view = new View(policy);
  const names = view.object([
    ['name', () => span.name],
    ['scope', () => span.scope.name],
    ['service', () => span.resource.get('service.name') ?? null],
  ]);
  const attributes = view.object(entriesOf(span));
  return { ...idsOf(span), ...names, attributes, ...(view.leftOut > 0 ? { left_out: view.leftOut } : {}) };
}

/** What is no id in hexadecimal may be anything. */
function idsOf(span: Span): { trace_id?: string; span_id?: string } {
  try {
    const { traceId, spanId } = span;
    return {
      ...(ID.test(traceId) ? { trace_id: traceId } : {}),
      ...(ID.test(spanId) ? { span_id: spanId } : {}),
    };
  } catch {
    return {};
  }
}

type Member = readonly [name: string, read: () => AttributeValue];

function entriesOf(span: Span): Member[] {
  try {
    return [...span.attributes].map(([name, value]): Member => [String(name), () => value]);
  } catch {
    return [];
  }
}

class View {
  /** Members there was no room for. */
  leftOut = 0;
  #room = MAX_BYTES - FRAME_BYTES;
  readonly #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  object(members: readonly Member[]): { [name: string]: unknown } {
    const object = Object.create(null) as { [name: string]: unknown };
    for (const member of members) {
      const [name, value] = this.#member(member);
      const bytes = Buffer.byteLength(JSON.stringify([name, value]));
      if (bytes > this.#room) this.leftOut += 1;
      else {
        this.#room -= bytes;
        object[name] = value;
      }
    }
    return object;
  }

  #member([name, read]: Member): readonly [name: string, value: unknown] {
    try {
      const value = toJson(read());
      // What the policy does to a field of this name comes first.
      const [shown, named] = this.#redacted(name, true);
      return named === true && holdsContent(name, value)
        ? [shown, this.#digest(value)]
        : this.#redacted(name, value);
    } catch {
      return [this.#policy.redactor.scan(name).slice(0, MAX_TEXT), '[unreadable]'];
    }
  }

  #redacted(name: string, value: unknown): readonly [name: string, value: unknown] {
    const { value: redacted } = this.#policy.redactor.redact({ [name]: value }, { tenant: DEFAULT_TENANT });
    return Object.entries(redacted as { [name: string]: unknown })[0]!;
  }

  #digest(value: unknown): ContentDigest {
    const text = textOf(value);
    return { digest: this.#policy.keyring.digest(DEFAULT_TENANT, 'quarantine', text), size: text.length };
  }
}

/** By its own name, by the names in it, also where it is JSON in a text, or by its length. */
function holdsContent(name: string, value: unknown): boolean {
  return namesContent(name) || textOf(value).length > MAX_TEXT || hasContent(unwrapJson(value));
}

function hasContent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, each]) => namesContent(name) || hasContent(unwrapJson(each)));
}

function namesContent(name: string): boolean {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z]+/);
  return words.some((word) => CONTENT.test(word));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
