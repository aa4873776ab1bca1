import type { Classification } from './classification.ts';
import type { PatternRule } from './custom.ts';
import type { Archive, Erasure, FailMode, Keeping } from './demands.ts';
import type { PromptRule } from './volatile.ts';

/** A policy as it is written down. Its digest stands in `chain_opened`: one chain, one policy. */
export interface PolicyDocument {
  version: 1;
  retention: { grace_days: number; classes: { [name: string]: RetentionClass } };
  domains: { [name: string]: DomainRule };
  tools: ToolRule[];
  /**
   * Field names whose value becomes `***REDACTED***`. `x-api-key`, `apiKeys` and `APIKey_prod` are all `apikey`:
   * case and what stands between words do not count, a plural is as its singular, and a name matches at any
   * word of a longer one; from five letters on, also at the end of a word (`dbpassword`). `=name` matches only
   * as a whole.
   */
  redact: string[];
  /** Names that would match and are left alone, at any word too: `token` is none in `next_token`. */
  keep: string[];
  /** Last words that make of a name something about the value: `password_length`. */
  about: string[];
  /** Field names, matched alike, whose value becomes a pseudonym of the kind. A name in both is a pseudonym. */
  pseudonyms: { [kind: string]: string[] };
  /** What is kept of what was said; `metadata` of all of it where absent. */
  content?: ContentRule;
  /** Nouns for a person: the `name` of what lies in a field called so is a `patient_name`. */
  people: string[];
  /** What else becomes `***REDACTED***` in every text. */
  patterns: PatternRule[];
  /** What of a system prompt is no change of it. */
  prompt: PromptRule;
}

/** What is kept of what was said, unless a tool's rule or domain says less or more of its own. */
export interface ContentRule {
  prompts: Keeping;
  answers: Keeping;
  /** Arguments and results. */
  tools: Keeping;
  /** A retention class for what is vaulted: it goes no later than its record. That of the record where absent. */
  retention?: string;
}

export interface RetentionClass {
  days: number;
  archive: Archive;
}

/** What is known of a tool. All rules that match a call apply together, the strictest of each field. */
export interface ToolRule {
  /** Names the rule in explanations; its place in the list where absent. */
  id?: string;
  /** Globs (picomatch) of tool names, whatever their case. */
  match: string[];
  /** Only calls whose arguments or result hold one of the values at each path; values are globs too. */
  where?: { path: string; in: string[] }[];
  resource?: {
    type: string;
    /** Where the ids are: paths into `arguments` or `result`; the first that has any gives all of it. */
    id: string[];
    /** By the verb in the tool's name where absent. */
    action?: 'read' | 'modify';
    /** Where the person is whom the data is about; becomes a pseudonym. */
    subject?: string[];
  };
  domains: string[];
  classification: Classification;
  /** The call must say why: a record without is tagged `purpose_missing`. */
  purpose?: 'required';
  tags?: string[];
  /** What is kept of arguments and results. */
  content?: Keeping;
  /** Further argument names of this tool that are about a person, and the kind of pseudonym they become. */
  pseudonyms?: { [name: string]: string };
}

/** What belonging to a domain asks of a record. */
export interface DomainRule {
  classification: Classification;
  /** Name of a retention class. */
  retention: string;
  erasure?: Erasure;
  fail?: FailMode;
  /** What is kept of arguments and results of its tools. */
  content?: Keeping;
}
