import type { Ending } from '../genai/outcome.ts';
import { present } from '../genai/values.ts';
import { type Detected, Findings, mentionsHealth } from '../policy/detection.ts';
import type { Policy } from '../policy/policy.ts';
import { MAX_SAID, type RedactionContext } from '../policy/redact.ts';
import type { Redactions } from '../policy/redactions.ts';
import { canonicalJson } from './canonical.ts';
import type { OlderDigests } from './facts.ts';
import type { AuditRecord, ContentDigest } from './record.ts';

const MAX_ERROR_LENGTH = 500;
const MAX_TYPE_LENGTH = 100;
/** Arguments are digested whole, however deep. */
const DIGEST_DEPTH = 64;

/** Gives, for what a span says, what may be kept of it, under one policy and for one tenant. */
export class Cleaner {
  readonly policy: Policy;
  readonly tenant: string;
  readonly #context: RedactionContext;
  #older: { [digest: string]: readonly string[] } | undefined;

  constructor(policy: Policy, tenant: string) {
    this.policy = policy;
    this.tenant = tenant;
    this.#context = { tenant };
  }

  /** A name or id in the span's own words: short, and without what gives a secret away. */
  said(text: string): string;
  said(text: string | undefined): string | undefined;
  said(text: string | undefined): string | undefined {
    return text === undefined ? undefined : this.policy.redactor.said(text);
  }

  /**
   * An id as it is, or its pseudonym where it may not stay so: it looks like a secret, or is too long. Two ids
   * stay two.
   */
  id(text: string): string;
  id(text: string | undefined): string | undefined;
  id(text: string | undefined): string | undefined {
    if (text === undefined) return undefined;
    const stays = text.length <= MAX_SAID && this.policy.redactor.isId(text);
    if (stays) return text;
    const { keyring } = this.policy;
    return keyring.isRotated
      ? this.#newest(keyring.pseudonyms(this.tenant, 'id', text))
      : keyring.pseudonym(this.tenant, 'id', text);
  }

  /** The name of a member, or its pseudonym where it is no identifier but perhaps words about somebody. */
  key(name: string): string {
    return this.policy.redactor.key(name, this.#context);
  }

  text(text: string, redactions?: Redactions, at?: string, findings?: Findings): string {
    const told = {
      ...(redactions === undefined || at === undefined ? {} : { redactions, at }),
      ...(findings === undefined ? {} : { findings }),
    };
    return this.policy.redactor.text(text, { ...this.#context, ...told });
  }

  digest(kind: string, text: string): string {
    const { keyring } = this.policy;
    return keyring.isRotated
      ? this.#newest(keyring.digests(this.tenant, kind, text))
      : keyring.digest(this.tenant, kind, text);
  }

  /** Of the digests and ids given so far, those under older keys. */
  get older(): OlderDigests | undefined {
    return this.#older;
  }

  #newest([newest, ...older]: [string, ...string[]]): string {
    this.#older ??= {};
    this.#older[newest] = older;
    return newest;
  }

  /** Of a system prompt, without what changes with each call. */
  instructionsDigest(text: string): string {
    return this.digest('instructions', this.policy.volatile.without(text));
  }

  content(kind: string, text: string): ContentDigest {
    return { digest: this.digest(kind, text), size: text.length };
  }

  /** To be told of what is found in one call or message. */
  findings(): Findings {
    return new Findings(this.policy.document.patterns);
  }

  /** What a message gives away, of which only a digest is kept. */
  detectedIn(text: string): Detected | undefined {
    const findings = this.findings();
    this.policy.redactor.look(text, { ...this.#context, findings });
    return findings.said(() => mentionsHealth(text));
  }

  /** Of canonical JSON, so that what a model asked for compares with what was executed. */
  argumentsDigest(args: unknown): string | undefined {
    return args === undefined ? undefined : this.digest('arguments', canonicalOrText(args));
  }

  /** The person the data is about. */
  subject(id: string | undefined): string | undefined {
    return id === undefined ? undefined : this.policy.keyring.pseudonym(this.tenant, 'subject', id);
  }

  outcome(
    { status, errorType, errorMessage }: Ending,
    redactions?: Redactions,
    findings?: Findings,
  ): NonNullable<AuditRecord['outcome']> {
    const message =
      errorMessage === undefined
        ? undefined
        : this.text(errorMessage, redactions, '/outcome/error_message', findings);
    return present({
      error_message:
        message !== undefined && message.length > MAX_ERROR_LENGTH
          ? `${message.slice(0, MAX_ERROR_LENGTH)}…`
          : message,
      error_type: errorType === undefined ? undefined : this.policy.redactor.scan(errorType, MAX_TYPE_LENGTH),
      status,
    });
  }
}

/** What arguments and results are digested as: canonical JSON, or what JSON there is of it. */
export function canonicalOrText(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    return canonicalJson(value, DIGEST_DEPTH);
  } catch {
    return JSON.stringify(value);
  }
}
