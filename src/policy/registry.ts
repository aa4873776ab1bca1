import { type Classification, strictest } from './classification.ts';
import type { PolicyDocument, ToolRule } from './document.ts';

/** What the policy says of one tool call. */
export interface ToolPolicy {
  classification: Classification;
  domains: string[];
  retentionClass: string;
  /** No rule knows the tool. */
  unclassified: boolean;
  /** Argument names that are pseudonyms for this tool only, by normalised name. */
  pseudonyms: { [name: string]: string };
  resource?: { type: string; action: 'read' | 'modify'; ids: string[]; subject: string | undefined };
}

/** What the rules for a tool say of any call of it. */
interface Known {
  policy: Omit<ToolPolicy, 'resource'>;
  resource: ToolRule['resource'];
}

/** More ids than this in one call are counted, not listed. */
const MAX_RESOURCE_IDS = 100;

export class Registry {
  readonly #document: PolicyDocument;
  readonly #byName = new Map<string, Known>();
  readonly #unknown: Known;

  constructor(document: PolicyDocument) {
    this.#document = document;
    const byName = new Map<string, ToolRule[]>();
    for (const rule of document.tools) {
      for (const name of rule.match) {
        const rules = byName.get(name.toLowerCase());
        if (rules) rules.push(rule);
        else byName.set(name.toLowerCase(), [rule]);
      }
    }
    for (const [name, rules] of byName) this.#byName.set(name, this.#knownBy(rules));
    this.#unknown = this.#knownBy([]);
  }

  /** Unknown tools are confidential and tagged, so that a missing rule never lowers anything. */
  tool(name: string, call: { arguments: unknown; result: unknown }): ToolPolicy {
    const { policy, resource } = this.#byName.get(name.toLowerCase()) ?? this.#unknown;
    if (resource === undefined) return policy;
    const ids = [...new Set(firstFound(call, resource.id))].slice(0, MAX_RESOURCE_IDS);
    const [subject] = firstFound(call, resource.subject ?? []);
    return { ...policy, resource: { type: resource.type, action: resource.action, ids, subject } };
  }

  #knownBy(rules: readonly ToolRule[]): Known {
    const domains = [...new Set(rules.flatMap((rule) => rule.domains))].sort((a, b) => (a < b ? -1 : 1));
    const policy = {
      classification: rules.length === 0 ? 'confidential' : this.#classification(rules, domains),
      domains,
      retentionClass: this.retentionClass(domains),
      unclassified: rules.length === 0,
      pseudonyms: Object.assign({}, ...rules.map((rule) => rule.pseudonyms ?? {})),
    };
    return { policy, resource: rules.find((rule) => rule.resource !== undefined)?.resource };
  }

  /** Of several domains, the class that keeps longest. */
  retentionClass(domains: readonly string[]): string {
    const { classes } = this.#document.retention;
    const days = (name: string) => classes[name]?.days ?? 0;
    const candidates = domains.map((domain) => this.#document.domains[domain]?.retention ?? 'default');
    return candidates.reduce(
      (longest, name) => (days(name) > days(longest) ? name : longest),
      candidates[0] ?? 'default',
    );
  }

  #classification(rules: readonly ToolRule[], domains: readonly string[]): Classification {
    const ofDomains = domains.map((domain) => this.#document.domains[domain]?.classification ?? 'public');
    return strictest(...rules.map((rule) => rule.classification), ...ofDomains);
  }
}

/** Paths are other places for one thing: the first that has anything gives all of it. */
function firstFound(call: unknown, paths: readonly string[]): string[] {
  for (const path of paths) {
    const values = valuesAt(call, path);
    if (values.length > 0) return values;
  }
  return [];
}

/** The texts and numbers at a dotted path; `[]` goes through a list. */
function valuesAt(root: unknown, path: string): string[] {
  let values: unknown[] = [root];
  for (const step of path.split('.')) {
    const through = step.endsWith('[]');
    const name = through ? step.slice(0, -2) : step;
    values = values.map((value) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined,
    );
    if (through) values = values.flatMap((value) => (Array.isArray(value) ? value : []));
  }
  return values
    .filter((value) => (typeof value === 'string' && value !== '') || typeof value === 'number')
    .map(String);
}
