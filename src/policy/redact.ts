import { namesPassword } from './commands.ts';
import type { Findings } from './detection.ts';
import type { PolicyDocument } from './document.ts';
import type { Hit } from './hits.ts';
import type { Keyring } from './keyring.ts';
import { KEEP, type NameRule, NameRules, plainName, REDACT } from './names.ts';
import { isEmail } from './people.ts';
import { type Redactions, type Rule, step } from './redactions.ts';
import { remembered } from './remembered.ts';
import { beginning, REDACTED, Scanner } from './scanner.ts';

export { REDACTED };

/** Deeper values become `[too deep]`, further members are left out, longer texts are cut: all are marked. */
const MAX_DEPTH = 20;
const MAX_TEXT = 4_000;
const SHOWN = { nodes: 2_000, text: MAX_TEXT };
/** Of what is looked at and not kept. */
const LOOKED = { nodes: 20_000, text: MAX_TEXT };
const MAX_KEY = 256;
/** Of a name or an id in a span's own words. */
export const MAX_SAID = 500;
const MAX_NESTED_JSON = 3;
/** Keys that are a field's name, and no words about somebody. */
const IDENTIFIER = /^[A-Za-z_$][\w$.-]{0,63}$/;

export interface Redacted {
  /** A JSON value of plain objects, lists, texts, finite numbers, booleans and null. */
  value: unknown;
  /** Something was left out at a limit: the record says so. */
  truncated: boolean;
}

export interface RedactionContext {
  tenant: string;
  /** Names that are pseudonyms here only, by normalised name. */
  pseudonyms?: { [name: string]: string };
  /** Members and characters of a text that are kept, where that is not as many as a record shows. */
  limits?: { nodes: number; text: number };
  /** Is told what was taken out, and where: under this place in the record. */
  redactions?: Redactions;
  at?: string;
  /** Is told what was found: for what the record is, not for what becomes of the value. */
  findings?: Findings;
}

/**
 * Takes secrets and people out of a value: by field name, at any depth, through lists and JSON in strings; and
 * by pattern in every text that stays.
 */
export class Redactor {
  readonly names: NameRules;
  readonly #keyring: Keyring;
  readonly #scanner: Scanner;

  constructor(document: PolicyDocument, keyring: Keyring) {
    this.names = new NameRules(document);
    this.#keyring = keyring;
    this.#scanner = new Scanner(this.names, document.patterns);
  }

  redact(value: unknown, context: RedactionContext): Redacted {
    const walk = new Walk(this, context);
    return { value: walk.value(value, 0), truncated: walk.truncated };
  }

  /** A text that is not a field: an error message, a description. */
  text(text: string, context: RedactionContext): string {
    return this.redact(text, context).value as string;
  }

  /** Tells the context's findings what is in a value of which nothing is kept. */
  look(value: unknown, context: RedactionContext & { findings: Findings }): void {
    const walk = new Walk(this, context, 'look');
    walk.value(value, 0);
    if (walk.truncated) context.findings.leftOut();
  }

  /** Free text, and JSON that was cut: `name: value` with a listed name, and patterns. Read before it is cut. */
  scan(text: string, limit = MAX_TEXT, taken?: (hit: Hit) => void, found?: (hit: Hit) => void): string {
    return this.#scanner.scan(text, limit, taken, found);
  }

  /** What `scan` would find in a text, however long. */
  lookThrough(text: string, findings: Findings): void {
    for (const part of findings.readable(text))
      this.#scanner.look(part, ({ kind, rule }) => findings.add(kind, rule));
  }

  /** Whether the policy has patterns of its own. */
  get hasPatterns(): boolean {
    return this.#scanner.custom !== undefined;
  }

  /** A name, a word or a sentence in somebody's own words, short and without what gives a secret away. */
  readonly said = remembered((text) => this.scan(text, MAX_SAID));

  /** Whether an id gives nothing away but who it is: an e-mail address is what users sign in with. */
  readonly isId = remembered((text) => {
    const [local, domain, ...more] = text.split('@') as [string, ...string[]];
    const parts = domain !== undefined && more.length === 0 && isEmail(text) ? [local, domain] : [text];
    return parts.every((part) => this.scan(part) === part);
  });

  /** A member's name; where it is no identifier but perhaps words about somebody, a pseudonym. */
  key(name: string, context: RedactionContext, kind = 'id'): string {
    return IDENTIFIER.test(name) ? this.shown(name) : this.pseudonym(kind, name, context);
  }

  /** A member's name without what gives a secret away. */
  readonly shown = remembered((name) => this.scan(name, MAX_KEY));

  pseudonym(kind: string, value: unknown, context: RedactionContext): string {
    return this.#keyring.pseudonym(context.tenant, kind, String(value));
  }
}

/** One walk over one value. */
class Walk {
  truncated = false;
  #nodes = 0;
  /** The steps to what is looked at; what lies in JSON in a text has its text's place. */
  readonly #path: string[] = [];
  #texts = 0;
  readonly #redactor: Redactor;
  readonly #context: RedactionContext;
  readonly #limits: { nodes: number; text: number };
  /** Kinds of pseudonyms by plain name, where the tool has some of its own. */
  readonly #ownKind: ReadonlyMap<string, string> | undefined;

  /** What is only looked at is not kept, and need not be made. */
  readonly #isLook: boolean;

  constructor(redactor: Redactor, context: RedactionContext, purpose: 'keep' | 'look' = 'keep') {
    this.#redactor = redactor;
    this.#context = context;
    this.#isLook = purpose === 'look';
    this.#limits = this.#isLook ? LOOKED : (context.limits ?? SHOWN);
    const own = Object.entries(context.pseudonyms ?? {});
    this.#ownKind = own.length > 0 ? new Map(own) : undefined;
  }

  /** @param field the name of the field that the value, or the list it is in, stands in */
  value(value: unknown, depth: number, nested = 0, field = ''): unknown {
    if (typeof value === 'string') return this.#text(value, depth, nested, field);
    if (typeof value !== 'object' || value === null) return this.#scalar(value, field);
    if (depth >= MAX_DEPTH) return this.#cut('[too deep]');
    if (Array.isArray(value)) {
      return this.#list(value, (each, i) =>
        this.#ruled(this.#ruleOfElement(value, i), each, depth + 1, nested, field),
      );
    }
    const inPerson = this.#redactor.names.isPerson(field);
    const labelled = this.#ruleOfLabel(value);
    const isKey = 'kty' in value;
    return this.#object(value, (key, each) => {
      if (each === null || each === undefined) return null;
      if (isFhirName(key, each) || (inPerson && NAMES_OF_PEOPLE.has(plainName(key))))
        return this.#pseudonyms('patient_name', each, depth + 1);
      if (isKey && PRIVATE_OF_KEY.has(key)) return this.#redacted('secret', 'name');
      const rule = labelled !== undefined && LABELLED.test(key) ? labelled : this.#rule(key);
      return this.#ruled(rule, each, depth + 1, nested, key);
    });
  }

  /** What becomes of the value of a field of this name. */
  #rule(name: string): NameRule {
    const kind = this.#ownKind?.get(plainName(name));
    return kind === undefined ? this.#redactor.names.decide(name) : { do: 'pseudonym', kind };
  }

  #ruled(rule: NameRule, value: unknown, depth: number, nested: number, field: string): unknown {
    if (rule.do === 'redact') {
      if (!isNothing(value)) this.#found(rule.kind, 'name');
      return this.#redacted(rule.kind, 'name');
    }
    if (rule.do === 'pseudonym') return this.#pseudonyms(rule.kind, value, depth);
    return this.value(value, depth, nested, field);
  }

  /**
   * In `["x-api-key", "…"]`, `["login", "--password", "…"]` and a flat list of headers, what stands before an
   * element names it.
   */
  #ruleOfElement(list: readonly unknown[], i: number): NameRule {
    const before: unknown = list[i - 1];
    if (typeof before !== 'string') return KEEP;
    if (namesPassword(list, i)) return REDACT;
    const flat = i % 2 === 1 && list.length > 2 && HEADER.test(before);
    if (list.length !== 2 && !flat && !before.startsWith('-')) return KEEP;
    const rule = this.#ruleOfText(before);
    if (flat) return rule.do === 'redact' ? rule : KEEP;
    const value = list[i];
    // Two names of fields are no name and value.
    const areNames =
      rule.do === 'pseudonym' && typeof value === 'string' && this.#redactor.names.isFieldName(value);
    return areNames ? KEEP : rule;
  }

  /** In `{name: "password", value: "…"}`, the label names the value. */
  #ruleOfLabel(object: object): NameRule | undefined {
    if (!('value' in object || 'Value' in object || 'values' in object)) return undefined;
    for (const key of LABELS) {
      const label = (object as Record<string, unknown>)[key];
      const rule = typeof label === 'string' ? this.#ruleOfText(label) : KEEP;
      if (rule.do !== 'keep') return rule;
    }
    return undefined;
  }

  /** Of a text that may be a name. */
  #ruleOfText(text: string): NameRule {
    if (!NAME.test(text) || text.includes(REDACTED)) return KEEP;
    return SENTENCE.test(text) ? this.#redactor.names.decideInText(text) : this.#rule(text);
  }

  #scalar(value: unknown, field: string): unknown {
    if (typeof value === 'number') {
      if (!Number.isFinite(value)) return String(value);
      if (LABEL.test(field) && this.#scanned(String(value), field) === REDACTED) return REDACTED;
      // A card number may come as a number, and so may what a policy's own patterns look for.
      const text = String(value);
      if (text.length < 13 && !this.#redactor.hasPatterns) return value;
      return this.#redactor.scan(text, MAX_TEXT, this.#taken, this.#hit) === text ? value : REDACTED;
    }
    if (typeof value === 'bigint') return this.#scanned(value.toString());
    return typeof value === 'boolean' ? value : null;
  }

  #list(list: readonly unknown[], each: (value: unknown, i: number) => unknown): unknown[] {
    const kept: unknown[] = [];
    for (const [i, value] of list.entries()) {
      if (++this.#nodes > this.#limits.nodes) {
        this.truncated = true;
        break;
      }
      if (this.#texts === 0) this.#path.push(String(i));
      kept.push(each(value, i));
      if (this.#texts === 0) this.#path.pop();
    }
    return kept;
  }

  /** @param kind the pseudonym that keys become which are no identifiers */
  #object(
    object: object,
    each: (key: string, value: unknown) => unknown,
    kind?: string,
  ): Record<string, unknown> {
    const kept = Object.create(null) as Record<string, unknown>;
    for (const key of Object.keys(object)) {
      if (++this.#nodes > this.#limits.nodes) {
        this.truncated = true;
        break;
      }
      const shown =
        kind === undefined ? this.#redactor.shown(key) : this.#redactor.key(key, this.#context, kind);
      if (this.#texts === 0) this.#path.push(shown);
      if (shown !== key && kind === undefined && shown.includes(REDACTED)) {
        this.#took('key', 'pattern');
        if (this.#context.findings !== undefined) this.#redactor.scan(key, MAX_KEY, undefined, this.#hit);
      }
      kept[shown] = each(key, (object as Record<string, unknown>)[key]);
      if (this.#texts === 0) this.#path.pop();
    }
    return kept;
  }

  /** Every text and number below becomes a pseudonym, but for the words FHIR uses to say what a value is. */
  #pseudonyms(kind: string, value: unknown, depth: number): unknown {
    if (value === null || value === undefined || value === '') return null;
    if (typeof value !== 'object') {
      if (!isNothing(value)) this.#found(kind, 'name');
      return this.#isLook ? null : this.#redactor.pseudonym(kind, value, this.#context);
    }
    if (depth >= MAX_DEPTH) return this.#cut('[too deep]');
    return Array.isArray(value)
      ? this.#list(value, (each) => this.#pseudonyms(kind, each, depth + 1))
      : this.#object(
          value,
          (key, each) => (FHIR_WORDS[key]?.has(each) ? each : this.#pseudonyms(kind, each, depth + 1)),
          kind,
        );
  }

  #text(text: string, depth: number, nested: number, field: string): string {
    if (nested < MAX_NESTED_JSON && JSON_START.test(text)) {
      const parsed = parse(text);
      // Written anew even where nothing was taken out: a key that stood twice hid its first value from us.
      if (parsed !== undefined) {
        this.#texts += 1;
        const clean = this.value(parsed, depth + 1, nested + 1, field);
        this.#texts -= 1;
        return this.#isLook ? '' : this.#limited(JSON.stringify(clean));
      }
    }
    return this.#scanned(text, field);
  }

  #scanned(text: string, field = ''): string {
    // What only the words before it give away, its field's name does.
    const label = LABEL.test(field) ? `${field}: ` : '';
    const labelled = `${label}${text}`;
    const max = this.#limits.text;
    const { findings } = this.#context;
    if (findings !== undefined && (this.#isLook || text.length > max))
      this.#redactor.lookThrough(labelled, findings);
    if (this.#isLook) return '';
    const limit = max + 1 + label.length;
    const said = this.#redactor.scan(labelled, limit, this.#taken, findings && this.#hit);
    const clean = said.startsWith(label) ? said.slice(label.length) : said;
    return text.length > max ? this.#cut(`${beginning(clean, max)}…`) : this.#limited(clean);
  }

  readonly #hit = ({ kind, rule }: Hit) => this.#found(kind, rule);

  #found(kind: string, rule: Rule): void {
    this.#context.findings?.add(kind, rule);
  }

  #redacted(kind: string, rule: Rule): string {
    this.#took(kind, rule);
    return REDACTED;
  }

  readonly #taken = ({ kind, rule }: Hit) => this.#took(kind, rule);

  #took(kind: string, rule: Rule): void {
    const { redactions, at = '' } = this.#context;
    redactions?.add([at, ...this.#path.map(step)].join('/'), kind, rule);
  }

  #limited(text: string): string {
    const limit = this.#limits.text;
    return text.length > limit ? this.#cut(`${beginning(text, limit)}…`) : text;
  }

  #cut(text: string): string {
    this.truncated = true;
    return text;
  }
}

/** Gives nothing away, whatever its name is; or is gone already. */
function isNothing(value: unknown): boolean {
  return value === '' || value === REDACTED || typeof value === 'boolean';
}

/** Names of fields as `findLabelled` and patterns know them. */
const LABEL = /^\w{0,32}(?:auth|npi|dea|nhs|mbi|medicare|passport|licen[cs]e|policy|tin)\w{0,16}$/i;
/** Of a JSON Web Key (RFC 7518). */
const PRIVATE_OF_KEY = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']);
const JSON_START = /^\s{0,64}[[{"]/;
/** Of whoever is a person. */
const NAMES_OF_PEOPLE = new Set(['name', 'first', 'last', 'middle', 'displayname', 'nickname']);
/** What a text looks like that may be a name. */
const NAME = /^[^"'{}:;=/\n]{1,64}(?<![.!?])$/;
/** Headers that hold a secret, as they stand in Node's `rawHeaders` and in other flat lists. */
const HEADER =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?api-?key|[\w-]{1,40}-(?:key|token|secret|password|auth))$/i;
/** `password reset page` is no name of what stands behind it. */
const SENTENCE = /^[^ ]+ [^ ]+ [^ ]/;
const LABELS = ['name', 'key', 'Name', 'Key', 'field', 'header', 'label'];
const LABELLED = /^values?$/i;

/** FHIR HumanName: `name` is an object, or a list of them, with `given`, `family` or `text`. */
function isFhirName(key: string, value: unknown): boolean {
  if (key !== 'name') return false;
  const names: unknown[] = Array.isArray(value) ? value : [value];
  return names.some(
    (name) =>
      typeof name === 'object' && name !== null && ('given' in name || 'family' in name || 'text' in name),
  );
}

/** The codes FHIR R4 has for a HumanName, a ContactPoint and an Address, by the member they stand in. */
const FHIR_WORDS: { [key: string]: ReadonlySet<unknown> } = Object.assign(Object.create(null), {
  use: new Set('usual official temp nickname anonymous old maiden home work mobile billing'.split(' ')),
  system: new Set('phone fax email pager url sms other'.split(' ')),
  type: new Set('postal physical both'.split(' ')),
});

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
