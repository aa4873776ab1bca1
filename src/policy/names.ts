import type { PolicyDocument } from './document.ts';
import { fold } from './fold.ts';
import { remembered } from './remembered.ts';

export type NameRule = { do: 'keep' } | { do: 'redact' | 'pseudonym'; kind: string };

export const KEEP: NameRule = { do: 'keep' };
/** A secret, as far as its name tells. */
export const REDACT: NameRule = { do: 'redact', kind: 'secret' };
/** What is no secret but somebody's number; of other listed names, what is in them is a secret. */
const KINDS: { [kind: string]: string } = {
  bank_account: 'iban accountnumber routingnumber sortcode',
  health_id: 'mrn medicalrecordnumber nhsnumber medicarenumber medicareid beneficiaryid deanumber',
  license: 'driverslicense driverslicence driverlicense driverlicence',
  national_id: 'sin socialinsurancenumber nationalinsurancenumber nationalid nino aadhaar',
  passport: 'passportnumber passportno',
  tax_id: 'taxid taxpayerid taxidentificationnumber itin ein tin',
};
const REDACTED_NUMBERS: ReadonlyMap<string, NameRule> = new Map(
  Object.entries(KINDS).flatMap(([kind, names]) =>
    names.split(' ').map((name) => [name, { do: 'redact', kind }] as const),
  ),
);
/** Shorter names match as whole words only: `pan` is no part of `span`. */
const MIN_SUFFIX_LENGTH = 5;
/** Of a longer name its end decides. */
const MAX_LENGTH = 256;
/** In `patientInfo`, the person is what stands before. */
const SHELLS = new Set(['info', 'data', 'details', 'profile', 'record', 'resource']);

/** Decides by its name what becomes of a field's value. Compiled once; each name is decided once. */
export class NameRules {
  readonly #rules = new Map<string, NameRule>();
  /** Names that match as a whole only. */
  readonly #whole = new Map<string, NameRule>();
  readonly #listed: RegExp;
  readonly #anywhere: RegExp;
  readonly #about: ReadonlySet<string>;
  readonly #people: ReadonlySet<string>;

  constructor(document: PolicyDocument) {
    // The first rule for a name stands: pseudonyms come before redaction.
    for (const [kind, names] of Object.entries(document.pseudonyms)) {
      for (const name of names) this.#add(name, { do: 'pseudonym', kind });
    }
    for (const name of document.redact) this.#add(name, REDACTED_NUMBERS.get(plainName(name)) ?? REDACT);
    this.#listed = listed([...this.#rules.keys()], document.keep.map(plainName));
    this.#anywhere = new RegExp([...this.#rules.keys(), ...this.#whole.keys()].join('|') || '(?!)');
    this.#about = new Set(document.about);
    this.#people = new Set(document.people.flatMap(withPlurals));
  }

  /** Of the name of a field. */
  readonly decide = remembered((name): NameRule => {
    if (!this.#mayMatch(name)) return KEEP;
    const words = wordsOf(name);
    return this.#whole.get(lettersOf(words).join('')) ?? this.#match(words);
  });

  /**
   * Of what stands before a colon in a text: its last word, and some before it, which count as far as their
   * name goes on into the last one, as in `card number`. Names that match as a whole are everyday words here.
   */
  readonly decideInText = remembered((said): NameRule => {
    if (!this.#mayMatch(said)) return KEEP;
    const before = wordsOf(said.slice(0, said.lastIndexOf(' ') + 1));
    return this.#match(wordsOf(said), before.join('_').length);
  });

  /** Whether an object in a field of this name is a person. */
  readonly isPerson = remembered((name): boolean => {
    const noun = lettersOf(wordsOf(name)).findLast((word) => !SHELLS.has(word));
    return noun !== undefined && this.#people.has(noun);
  });

  /** Whether a text is a listed name and nothing else; people's names, which may be alike, begin in upper case. */
  isFieldName(text: string): boolean {
    const plain = /^[a-z]/.test(text) ? plainName(text) : '';
    return this.#rules.has(plain) || this.#whole.has(plain);
  }

  #add(name: string, rule: NameRule): void {
    const plain = plainName(name);
    const whole = name.startsWith('=');
    for (const each of whole ? withPlurals(plain) : [plain]) {
      const rules = whole ? this.#whole : this.#rules;
      if (!rules.has(each)) rules.set(each, rule);
    }
  }

  /** Most names have none in them: that is seen before they are taken apart. */
  #mayMatch(name: string): boolean {
    return this.#anywhere.test(
      fold(name.slice(-MAX_LENGTH))
        .toLowerCase()
        .replace(/[^a-z\d\u0080-\uffff]+/g, ''),
    );
  }

  /** A secret anywhere in the name goes before a person. Only matches that end behind `from` count. */
  #match(words: readonly string[], from = 0): NameRule {
    if (this.#about.has(words.at(-1) ?? '')) return KEEP;
    let rule = KEEP;
    for (const match of words.join('_').matchAll(this.#listed)) {
      if (match[1] === undefined || match.index + match[0].length <= from) continue;
      const found = this.#rules.get(match[1].replaceAll('_', ''))!;
      if (found.do === 'redact') return found;
      if (rule.do === 'keep') rule = found;
    }
    return rule;
  }
}

/**
 * Finds in words joined by `_` a name to keep, or in its first group a listed one. Both may be in the plural,
 * and end where a word ends; a long listed name begins anywhere.
 */
function listed(names: readonly string[], keep: readonly string[]): RegExp {
  const long = alternatives(names.filter((name) => name.length >= MIN_SUFFIX_LENGTH));
  const short = alternatives(names.filter((name) => name.length < MIN_SUFFIX_LENGTH));
  const end = '(?:e?s)?(?![^_])';
  return new RegExp(`(?<![^_])(?:${alternatives(keep)})${end}|(${long}|(?<![^_])(?:${short}))${end}`, 'gu');
}

/** The longest first, so that none is hidden by its own beginning; of none, what never matches. */
function alternatives(names: readonly string[]): string {
  const longestFirst = [...names].sort((a, b) => b.length - a.length);
  return longestFirst.map((name) => [...name].join('_?')).join('|') || '(?!)';
}

function withPlurals(name: string): string[] {
  return [name, `${name}s`, `${name}es`];
}

/** Where the case changes, between letters and digits, and at all that is neither. */
const BETWEEN_WORDS =
  /[^\p{L}\p{N}]+|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})|(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/u;

function wordsOf(name: string): string[] {
  return fold(name.slice(-MAX_LENGTH))
    .split(BETWEEN_WORDS)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase());
}

/** `Patient-Name`, `patient_name` and `patientName` are one name. */
export const plainName = remembered((name) => wordsOf(name).join(''));

function lettersOf(words: readonly string[]): string[] {
  return words.filter((word) => !/^\p{N}/u.test(word));
}
