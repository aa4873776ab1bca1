import type { Classification } from './classification.ts';

/** A policy as it is written down. Its digest stands in `chain_opened`: one chain, one policy. */
export interface PolicyDocument {
  version: 1;
  retention: { grace_days: number; classes: { [name: string]: RetentionClass } };
  domains: { [name: string]: { classification: Classification; retention: string } };
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
  /** Nouns for a person: the `name` of what lies in a field called so is a `patient_name`. */
  people: string[];
}

export interface RetentionClass {
  days: number;
  archive: 'required' | 'none';
}

/** What is known of a tool: matched by name, all matching rules together, the strictest of each field. */
export interface ToolRule {
  match: string[];
  resource?: {
    type: string;
    /** Where the ids are: dotted paths into `arguments` or `result`, lists with `[]`; the first that is there. */
    id: string[];
    action: 'read' | 'modify';
    /** Where the person is whom the data is about; becomes a pseudonym. */
    subject?: string[];
  };
  domains: string[];
  classification: Classification;
  /** Further argument names of this tool that are about a person, and the kind of pseudonym they become. */
  pseudonyms?: { [name: string]: string };
}
