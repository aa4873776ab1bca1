import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import type { Part } from './hits.ts';

/** Of one policy, as many patterns, and as many expressions of what a prompt's digest leaves out. */
export const MAX_EXPRESSIONS = 50;
/** Characters of one. */
export const MAX_EXPRESSION_LENGTH = 500;

/**
 * Characters that the matches of one expression in one text may cost. Each match is found in linear time, but in
 * search of one, an expression may read to the end of the text each time.
 */
const MAX_WORK = 4_000_000;

/** What somebody wrote into a policy: RE2's syntax, matched in linear time whatever the text is. */
export interface WrittenExpression {
  expression: string;
  /** `i` ignores case, `m` lets `^` and `$` be of lines, `s` lets `.` be a line feed. */
  flags?: string;
  /** A text without it cannot match, and is not searched; found out where absent, if that is simple. */
  needs?: string;
}

/** An expression of a policy, made ready. */
export class Expression {
  readonly #compiled: RE2JS;
  readonly #needs: string;
  readonly #ignoresCase: boolean;

  /** @throws what its parser does, of an expression in which `mistakeIn` finds one. */
  constructor({ expression, flags = '', needs = literalIn(expression) }: WrittenExpression) {
    this.#compiled = compiled(expression, flags);
    this.#ignoresCase = ignoresCase(expression, flags);
    this.#needs = this.#ignoresCase ? needs.toLowerCase() : needs;
  }

  /**
   * Where its matches are, empty ones left out, and where the search ended: before the end of the text where there
   * are so many that it would take too long.
   *
   * @param whole parts of the text, in order, that are one sign each: no match begins in one, and none ends in one.
   */
  matches(text: string, whole: readonly Part[] = []): { parts: Part[]; until: number } {
    const parts: Part[] = [];
    if (!this.#mayMatch(text)) return { parts, until: text.length };
    const matcher = this.#compiled.matcher(text);
    let next = 0;
    let found = matcher.find();
    for (let work = 0; found; ) {
      const part = { start: matcher.start(), end: matcher.end() };
      while (next < whole.length && whole[next]!.end <= part.start) next += 1;
      const first = next;
      while (next < whole.length && whole[next]!.start < part.end)
        part.end = Math.max(part.end, whole[next++]!.end);
      const beginsInside = first < next && whole[first]!.start <= part.start;
      if (part.end > part.start && !beginsInside) parts.push(part);
      work += text.length - part.start;
      if (work > MAX_WORK) return { parts, until: part.end };
      found = first < next ? matcher.find(part.end) : matcher.find();
    }
    return { parts, until: text.length };
  }

  #mayMatch(text: string): boolean {
    if (this.#needs === '') return true;
    return (this.#ignoresCase ? text.toLowerCase() : text).includes(this.#needs);
  }
}

/** What is wrong with an expression, and what to do about it; undefined where nothing is. */
export function mistakeIn(expression: string, flags = ''): string | undefined {
  let matcher: ReturnType<RE2JS['matcher']>;
  try {
    matcher = compiled(expression, flags).matcher(EVERY_PLACE);
  } catch (error) {
    const said =
      error instanceof Error ? error.message.replace('error parsing regexp: ', '') : 'no expression';
    return `${said}; write it in RE2's syntax, which has no look-around and no back reference`;
  }
  while (matcher.find())
    if (matcher.end() === matcher.start())
      return 'it matches the empty text, and so everywhere; write what must stand there, with + for *';
  return undefined;
}

/** By its flags, or by one within it, of some part or of all. */
function ignoresCase(expression: string, flags: string): boolean {
  return flags.includes('i') || /\(\?[a-zA-Z]*i/.test(expression);
}

/** Between any two of them, an assertion may hold: words, other signs, lines, and both ends. */
const EVERY_PLACE = 'a a\n\na--\n-\n a';

/** Loaded with the first expression: most policies have none, and an app that starts need not wait for it. */
let engine: typeof import('re2js') | undefined;

function compiled(expression: string, flags: string): RE2JS {
  engine ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  const { RE2JS } = engine;
  const bits = { i: RE2JS.CASE_INSENSITIVE, m: RE2JS.MULTILINE, s: RE2JS.DOTALL };
  let set = 0;
  for (const flag of flags) set |= bits[flag as keyof typeof bits] ?? 0;
  return RE2JS.compile(expression, set);
}

/** A sign behind a backslash, a class, a repetition, what opens a group, or one sign. */
const TOKEN = /\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|\{\d+,?\d*\}|\(\?:|\(\?P?<\w+>|[\s\S]/gu;
/** What makes it more than simple: other escapes than of signs and classes, and groups with flags. */
const NOT_SIMPLE = /\\[^dDwWsSbBAz.+*?()|[\]{}^$/\\ -]|\(\?(?!:|P?<)/;

/** The longest text outside of groups that every match has in it; empty where that is not simply told. */
function literalIn(expression: string): string {
  if (NOT_SIMPLE.test(expression)) return '';
  let depth = 0;
  let run: string[] = [];
  let longest = '';
  const end = (withLast: boolean) => {
    const text = (withLast ? run : run.slice(0, -1)).join('');
    if (text.length > longest.length) longest = text;
    run = [];
  };
  for (const [token] of expression.matchAll(TOKEN)) {
    if (depth === 0 && token === '|') return '';
    // What is quantified may be missing, or come more than once.
    if (/^(?:[*?]|\{.*)$/.test(token)) end(false);
    else if (depth > 0 || token.startsWith('(') || /^(?:[)+.^$]|\[.+|\\\w)$/su.test(token)) end(true);
    else run.push(token.startsWith('\\') ? token.slice(1) : token);
    if (token.startsWith('(')) depth += 1;
    if (token === ')') depth -= 1;
  }
  end(true);
  return longest;
}
