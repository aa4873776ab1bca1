import { Expression } from './expression.ts';

/** What of a system prompt is no change of it, where it changes. */
export interface PromptRule {
  /** Dates, times of day and UUIDs, as below. */
  builtin: boolean;
  /** Further expressions, in RE2's syntax. */
  ignore: string[];
}

/** Stands for what is left out. */
const MARK = '\ufffc';

/** Expressions of a policy's own are looked for in so many characters of a prompt. */
const MAX_SEARCHED = 262_144;

const MONTH =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\\.?';
const WEEKDAY = '(?:(?:mon|tue(?:s)?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\\.?,? {1,2})?';
const DAY = '\\d{1,2}(?:st|nd|rd|th)?';
const ZONE = '(?: ?(?:z|utc|gmt|[a-z]{1,4}t|[+-]\\d{2}:?\\d{2})(?!\\w))?';
const TIME = `(?:[01]?\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:[.,]\\d{1,9})?)?(?: ?[ap]\\.?m\\b\\.?)?${ZONE}`;
const DATE = [
  '\\d{4}-(?:0\\d|1[0-2])-(?:[0-2]\\d|3[01])',
  '\\d{4}/\\d{1,2}/\\d{1,2}',
  '\\d{1,2}/\\d{1,2}/\\d{4}|\\d{1,2}\\.\\d{1,2}\\.\\d{4}|\\d{1,2}-\\d{1,2}-\\d{4}',
  `${WEEKDAY}${DAY}(?: of)? ${MONTH},? \\d{4}`,
  `${WEEKDAY}${MONTH} ${DAY},? \\d{4}`,
].join('|');
const UUID = '[\\da-f]{8}-[\\da-f]{4}-[\\da-f]{4}-[\\da-f]{4}-[\\da-f]{12}';

/** A date, perhaps with a time; a time; or a UUID, that is no part of anything longer. */
const VOLATILE = new RegExp(
  `(?<![\\w./:-])(?:(?:${DATE})(?:(?:t|,? (?:at )?)${TIME})?|${TIME}|${UUID})(?![\\w/:-]|\\.\\d)`,
  'gi',
);

/** Nobody writes these into a rule. */
const NEVER_OF_A_RULE = /^[\da-f]{8}-[\da-f]{4}-|:\d\d:\d\d/i;
/** Before a date or a time that is a rule of the prompt itself: to change it is to change the prompt. */
const RULE_BEFORE =
  /(?:[-–—]|(?<![a-z])(?:effective|since|until|till|before|after|from|by|through|between|and|to|due|deadline|expir(?:es?|ed|y|ation)|cut-?off|valid|starting|starts?|ending|ends?|opens?|closes?|every|daily))(?: (?:on|from|as of|at|is|date|the|of))*:? {0,2}$/i;
const AT_BEFORE = /(?<![a-z])at {1,2}$/i;
/** Behind the first of two. */
const RULE_BEHIND = /^ {0,2}(?:[-–—]|to|until|till|and) {0,2}\d/i;
/** Characters before it in which such a word is looked for. */
const BEFORE = 40;

function isOfARule(match: string, before: string, behind: string): boolean {
  if (NEVER_OF_A_RULE.test(match)) return false;
  // An order goes out at five; a prompt is written at a date.
  const isTime = /^\d{1,2}:/.test(match);
  return RULE_BEFORE.test(before) || RULE_BEHIND.test(behind) || (isTime && AT_BEFORE.test(before));
}

/** Takes out of a system prompt what changes with each call, so that its digest changes only with the prompt. */
export class Volatile {
  readonly #builtin: boolean;
  readonly #own: Expression[];

  constructor({ builtin, ignore }: PromptRule) {
    this.#builtin = builtin;
    this.#own = ignore.map((expression) => new Expression({ expression }));
  }

  without(prompt: string): string {
    const own = this.#own.reduce(withoutMatches, prompt);
    if (!this.#builtin) return own;
    return own.replace(VOLATILE, (match, place: number) => {
      const end = place + match.length;
      const before = own.slice(Math.max(0, place - BEFORE), place);
      return isOfARule(match, before, own.slice(end, end + BEFORE)) ? match : MARK;
    });
  }
}

function withoutMatches(prompt: string, expression: Expression): string {
  let left = '';
  let done = 0;
  // What is not searched stays: rather a change too many is told than one too few.
  for (const { start, end } of expression.matches(prompt.slice(0, MAX_SEARCHED)).parts) {
    left += prompt.slice(done, start) + MARK;
    done = end;
  }
  return left + prompt.slice(done);
}
