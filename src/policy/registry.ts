import picomatch from 'picomatch';
import { type Demands, joined, type Keeping, NO_DEMANDS } from './demands.ts';
import type { PolicyDocument, ToolRule } from './document.ts';
import { type Path, parsePath, valuesAt } from './path.ts';
import { remembered } from './remembered.ts';
import { actionOf } from './verbs.ts';

/** What the policy says of one tool call: what all its rules demand together, and more. */
export interface ToolPolicy extends Demands {
  /** Where no domain names one, that of class `default`. */
  retention: NonNullable<Demands['retention']>;
  /** No rule knows the tool. */
  unclassified: boolean;
  /** What is kept of arguments and results. */
  content: Keeping;
  /** Argument names that are pseudonyms for this tool only, by normalised name. */
  pseudonyms: { [name: string]: string };
  resource?: { type: string; action: 'read' | 'modify'; ids: string[]; subject: string | undefined };
}

/** A tool's call, as paths go into it. */
export interface ToolCall {
  arguments: unknown;
  result: unknown;
}

/** A rule, made ready. */
export interface CompiledRule {
  /** As explanations name it. */
  id: string;
  /** In the policy's list. */
  place: number;
  rule: ToolRule;
  demands: Demands;
  isOf: (tool: string) => boolean;
  where: { path: Path; isIn: (value: string) => boolean }[];
  ids: Path[];
  subject: Path[];
}

/** What some rules say together of any call that they all match. */
interface Known {
  policy: Omit<ToolPolicy, 'resource'>;
  /** The first that tells where the resource is. */
  resource: CompiledRule | undefined;
}

/** More ids than this in one call are counted, not listed. */
const MAX_RESOURCE_IDS = 100;
/** Globs are tried on no longer values: what one costs grows faster than its text. */
const MAX_GLOBBED = 256;

/** Which rules know a tool, and what they ask for together. */
export class Registry {
  readonly #document: PolicyDocument;
  readonly #rules: CompiledRule[];
  /** The rules that match a tool by its name alone, in lower case. */
  readonly #named = remembered((name) =>
    this.#rules.filter(({ isOf }) => name.length <= MAX_GLOBBED && isOf(name)),
  );
  /** What rules say together, by their places. */
  readonly #together = remembered((places) =>
    this.#knownBy(places === '' ? [] : places.split(',').map((place) => this.#rules[Number(place)]!)),
  );

  constructor(document: PolicyDocument) {
    this.#document = document;
    this.#rules = document.tools.map((rule, place) => this.#compile(rule, place));
  }

  /** Unknown tools are confidential and tagged, so that a missing rule never lowers anything. */
  tool(name: string, call: ToolCall): ToolPolicy {
    const { policy, resource } = this.#together(
      this.matching(name, call)
        .map(({ place }) => place)
        .join(),
    );
    if (resource === undefined) return policy;
    const { type, action = actionOf(name) } = resource.rule.resource!;
    const ids = [...new Set(firstFound(call, resource.ids))].slice(0, MAX_RESOURCE_IDS);
    const [subject] = firstFound(call, resource.subject);
    return { ...policy, resource: { type, action, ids, subject } };
  }

  /** The rules that apply to a call, in the policy's order. */
  matching(name: string, call: ToolCall): readonly CompiledRule[] {
    const rules = this.#named(name.toLowerCase());
    if (rules.every(({ where }) => where.length === 0)) return rules;
    return rules.filter(({ where }) =>
      where.every(({ path, isIn }) =>
        valuesAt(call, path).some((value) => value.length <= MAX_GLOBBED && isIn(value.toLowerCase())),
      ),
    );
  }

  /** Whether a rule of the tool looks at what is in the call. */
  looksInside(name: string): boolean {
    return this.#named(name.toLowerCase()).some(({ where }) => where.length > 0);
  }

  #compile(rule: ToolRule, place: number): CompiledRule {
    const { match, where = [], resource } = rule;
    return {
      id: rule.id ?? `tools[${place}]`,
      place,
      rule,
      demands: this.#demandsOf(rule),
      isOf: globs(match),
      where: where.map(({ path, in: values }) => ({ path: pathOf(path), isIn: globs(values) })),
      ids: (resource?.id ?? []).map(pathOf),
      subject: (resource?.subject ?? []).map(pathOf),
    };
  }

  /** A rule's own, and those of its domains. A domain nobody described asks to be named, and for the default retention. */
  #demandsOf({ classification, domains, purpose, tags = [], content }: ToolRule): Demands {
    const own: Demands = {
      ...NO_DEMANDS,
      classification,
      domains: [...new Set(domains)].sort((a, b) => (a < b ? -1 : 1)),
      purposeRequired: purpose === 'required',
      tags: [...new Set(tags)].sort((a, b) => (a < b ? -1 : 1)),
      ...(content === undefined ? {} : { content }),
    };
    const ofDomains = domains.map((name): Demands => {
      const {
        classification = 'public',
        retention = 'default',
        erasure,
        fail,
        content,
      } = this.#document.domains[name] ?? {};
      const kept = this.#retention(retention);
      return {
        ...NO_DEMANDS,
        classification,
        retention: kept,
        archive: kept.archive,
        ...(erasure === undefined ? {} : { erasure }),
        ...(fail === undefined ? {} : { fail }),
        ...(content === undefined ? {} : { content }),
      };
    });
    return joined([own, ...ofDomains]);
  }

  #retention(name: string): ToolPolicy['retention'] {
    const { days = 0, archive = 'none' } = this.#document.retention.classes[name] ?? {};
    return { class: name, days, archive };
  }

  #knownBy(rules: readonly CompiledRule[]): Known {
    const isUnknown = rules.length === 0;
    const demands = isUnknown ? UNKNOWN : joined(rules.map((rule) => rule.demands));
    const retention = demands.retention ?? this.#retention('default');
    const policy = {
      ...demands,
      retention,
      archive: demands.retention === undefined ? retention.archive : demands.archive,
      unclassified: isUnknown,
      content: demands.content ?? this.#document.content?.tools ?? 'metadata',
      pseudonyms: Object.assign(
        {},
        ...rules.map(({ rule }) => rule.pseudonyms ?? {}),
      ) as ToolPolicy['pseudonyms'],
    };
    return { policy, resource: rules.find(({ rule }) => rule.resource !== undefined) };
  }
}

/** Of a tool that no rule knows. */
const UNKNOWN: Demands = { ...NO_DEMANDS, classification: 'confidential' };

function globs(patterns: readonly string[]): (text: string) => boolean {
  const lower = patterns.map((pattern) => pattern.toLowerCase());
  // Most are plain names, and no name is taken for a pattern of it.
  const plain = new Set(lower.filter((pattern) => !/[*?[\]{}()!+@\\]/.test(pattern)));
  const others = lower.filter((pattern) => !plain.has(pattern));
  if (others.length === 0) return (text) => plain.has(text);
  // A tool's name is no file's: `*` goes over dots and slashes.
  const isMatch = picomatch(others, { dot: true, bash: true });
  return (text) => plain.has(text) || (text !== '' && isMatch(text));
}

/** A document that was validated holds no other. */
function pathOf(text: string): Path {
  return parsePath(text) ?? [];
}

/** Paths are other places for one thing: the first that has anything gives all of it. */
function firstFound(call: ToolCall, paths: readonly Path[]): string[] {
  for (const path of paths) {
    const values = valuesAt(call, path);
    if (values.length > 0) return values;
  }
  return [];
}
