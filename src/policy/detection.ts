import { type Classification, strictest } from './classification.ts';
import type { PatternRule } from './custom.ts';
import { type Demands, NO_DEMANDS } from './demands.ts';
import type { Rule } from './redactions.ts';

/** What a record is at least, in which such a thing was found. What is not here is somebody's, and confidential. */
const LEVELS: { [kind: string]: Classification } = {
  card: 'restricted',
  date_of_birth: 'restricted',
  health_id: 'restricted',
  secret: 'restricted',
  ssn: 'restricted',
  address: 'confidential',
  bank_account: 'confidential',
  email: 'confidential',
  passport: 'confidential',
  patient_name: 'confidential',
  phone: 'confidential',
};
const OTHERS: Classification = 'confidential';

/** Health information whatever stands beside it (MRN, MBI, NHS number, NPI …; a date of birth that is said to be one). */
const OF_HEALTH: ReadonlySet<string> = new Set(['health_id', 'date_of_birth']);
/** Tells of nobody who it is: beside words of health, it makes no health information of them. */
const NOBODYS: ReadonlySet<string> = new Set(['secret', 'card']);

/** Words of health: with a person beside them, they are about that person's. */
const HEALTH =
  /(?<![a-z])(?:diagnos(?:is|es|ed|tic)|icd-?(?:9|10)|prescri(?:bed?|ptions?)|medications?|dosages?|allerg(?:y|ies|ic)|symptoms?|patients?(?:['’]s)?[ _-]?(?:names?|ids?|records?|charts?|history|portal)|(?:the|a|this|that|my|our|her|his|new|for|of) patients?|medical|clinical|lab[ _-]?(?:results?|tests?)|blood[ _-]?(?:pressure|type|sugar|tests?)|hba1c|insulin|diabet(?:es|ic)|cancer|tumou?r|chemotherapy|surgery|hiv|hepatitis|pregnan(?:t|cy)|asthma|depression|vaccin(?:e|es|ated|ation)|immuni[sz]ations?|discharge[ _-]summary)(?![a-z])/i;

/** Characters of one call or message in which detection looks; of a longer one, at its beginning and at its end. */
const MAX_LOOKED = 262_144;

/** What was found in a call or a message. It raises what the record is, and never lowers it. */
export interface Detected {
  /** Sorted, each once. */
  kinds: string[];
  classification: Classification;
  /** A person's health information (HIPAA's PHI) is among it. */
  phi?: true;
  /** It was too much to look at all of it. */
  partly?: true;
}

/** Whether a text has words of health in it. */
export function mentionsHealth(text: string): boolean {
  return HEALTH.test(text.length > MAX_LOOKED ? text.slice(0, MAX_LOOKED) : text);
}

/** Hears of each thing that is found while one call or message is looked at. */
export class Findings {
  readonly #patterns: readonly PatternRule[];
  readonly #kinds = new Set<string>();
  #classification: Classification = 'public';
  #left = MAX_LOOKED;
  #partly = false;

  /** @param patterns those of the policy's own, which say what their matches are */
  constructor(patterns: readonly PatternRule[]) {
    this.#patterns = patterns;
  }

  add(kind: string, rule: Rule): void {
    this.#kinds.add(kind);
    this.#classification = strictest(this.#classification, this.#levelOf(kind, rule));
  }

  /** The parts of a text that may still be looked at. */
  readable(text: string): string[] {
    const left = this.#left;
    this.#left = Math.max(0, left - text.length);
    if (text.length <= left) return [text];
    this.#partly = true;
    const half = Math.floor(left / 2);
    return half > 0 ? [text.slice(0, half), text.slice(-half)] : [];
  }

  /** Something was passed over. */
  leftOut(): void {
    this.#partly = true;
  }

  /** @param health whether it mentions health: asked only where it makes a difference */
  said(health: () => boolean): Detected | undefined {
    if (this.#kinds.size === 0 && !this.#partly) return undefined;
    const kinds = [...this.#kinds].sort(byName);
    const phi =
      kinds.some((kind) => OF_HEALTH.has(kind)) || (kinds.some((kind) => !NOBODYS.has(kind)) && health());
    return {
      kinds,
      classification: phi ? 'restricted' : this.#classification,
      ...(phi ? { phi } : {}),
      ...(this.#partly ? { partly: true } : {}),
    };
  }

  #levelOf(kind: string, rule: Rule): Classification {
    const own = rule.startsWith('custom:')
      ? this.#patterns.find(({ name }) => rule === `custom:${name}`)?.classification
      : undefined;
    return own ?? (Object.hasOwn(LEVELS, kind) ? LEVELS[kind]! : OTHERS);
  }
}

/** What both found. Commutative, associative and idempotent, as demands are. */
export function both(a: Detected | undefined, b: Detected | undefined): Detected | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return {
    kinds: [...new Set([...a.kinds, ...b.kinds])].sort(byName),
    classification: strictest(a.classification, b.classification),
    ...(a.phi || b.phi ? { phi: true } : {}),
    ...(a.partly || b.partly ? { partly: true } : {}),
  };
}

/** What was found asks for a classification, and for nothing else: how long a record is kept, its rules say. */
export function demandsOf(detected: Detected | undefined): Demands {
  return detected === undefined ? NO_DEMANDS : { ...NO_DEMANDS, classification: detected.classification };
}

const byName = (a: string, b: string) => (a < b ? -1 : 1);
