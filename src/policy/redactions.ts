/** That something was taken out, never what: where in the record, what it was taken for, and by which rule. */
export interface Redaction {
  count: number;
  /** `secret`, `card`, `ssn`, `email` …, or the kind of pseudonym a field of that name would have become. */
  kind: string;
  /** RFC 6901, from the record's root. */
  pointer: string;
  rule: Rule;
}

/**
 * By its field's name, by its own form, by words before it, by what it says when it is decoded, or by a pattern of
 * the policy's own.
 */
export type Rule = 'name' | 'pattern' | 'label' | 'base64' | `custom:${string}`;

/** More are only counted: a flood of secrets must not fill the record. */
const MAX_ENTRIES = 50;
const MAX_POINTER_LENGTH = 256;

/** As a record says it. */
export interface RedactionsSaid {
  redactions?: Redaction[];
  redactions_left_out?: number;
}

/** What was taken out of one record. Entries stand in the order of the walk, members in canonical order. */
export class Redactions {
  readonly #entries: Redaction[] = [];
  /** How many stand in no entry. */
  #leftOut = 0;
  #byPlace: Map<string, Redaction> | undefined;

  said(): RedactionsSaid | undefined {
    if (this.#entries.length === 0 && this.#leftOut === 0) return undefined;
    return together({ redactions: this.#entries, redactions_left_out: this.#leftOut });
  }

  add(pointer: string, kind: string, rule: Rule, count = 1): void {
    const place = `${kind} ${rule} ${pointer}`;
    this.#byPlace ??= new Map();
    const known = this.#byPlace.get(place);
    if (known !== undefined) known.count += count;
    else if (this.#entries.length >= MAX_ENTRIES || pointer.length > MAX_POINTER_LENGTH)
      this.#leftOut += count;
    else {
      const entry: Redaction = { count, kind, pointer, rule };
      this.#entries.push(entry);
      this.#byPlace.set(place, entry);
    }
  }
}

/** What several lists say together, within the same limit; undefined where nothing was taken out. */
export function together(...lists: (RedactionsSaid | undefined)[]): RedactionsSaid | undefined {
  const entries = lists.flatMap((each) => each?.redactions ?? []);
  let leftOut = 0;
  for (const each of lists) leftOut += each?.redactions_left_out ?? 0;
  for (const { count } of entries.slice(MAX_ENTRIES)) leftOut += count;
  if (entries.length === 0 && leftOut === 0) return undefined;
  return {
    ...(entries.length > 0 ? { redactions: entries.slice(0, MAX_ENTRIES) } : {}),
    ...(leftOut > 0 ? { redactions_left_out: leftOut } : {}),
  };
}

/** A pointer's step, escaped as RFC 6901 asks. */
export function step(name: string): string {
  return /[~/]/.test(name) ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}
