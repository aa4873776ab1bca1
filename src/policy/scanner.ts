import { CustomPatterns, type PatternRule } from './custom.ts';
import { escapedHits, unescaped } from './escapes.ts';
import { fold, unfold } from './fold.ts';
import { type Hit, withoutHits } from './hits.ts';
import { findLabelled } from './labelled.ts';
import { NamedValues } from './named-values.ts';
import type { NameRules } from './names.ts';
import { findNames } from './names-in-text.ts';
import { findPatterns } from './patterns.ts';
import { findEmails, findNumbers } from './people.ts';
import { findTokens } from './tokens.ts';
import { AT, DIGIT, ESCAPE, LABEL, LONG_RUN, NOT_ASCII, SIGN, traitsOf } from './traits.ts';

export const REDACTED = '***REDACTED***';

/** Of a longer text so much more is read than is kept: what lies across the end is still known for what it is. */
const READ_BEYOND = 1_024;
const MAX_PASSES = 4;
/** A text that is not kept is looked at so much at a time, and with so much of what comes next. */
const WINDOW = 8_192;
const OVERLAP = 1_024;
/** Too short for any pattern, and without what stands between a name and its value. */
const SHORT_WORD = /^\w[\w.,/-]{0,9}$/;
/** `the password is "…"` */
const SAID_IN_QUOTES = /\b(?:is|was) ["']/;
/** What stands between names and their values. */
const SIGNS = /[:=<]|--|(?:^|\s)-[A-Za-z]|\[\s{0,4}["']|["'],/;
/** So many layers of escapes, and so many of base64, are taken off. */
const MAX_ESCAPES = 4;
const MAX_BASE64 = 3;

/** Takes out of free text what a name before it or its own form gives away. */
export class Scanner {
  /** A policy's own patterns, where it has any: they may match what no other does. */
  readonly custom: CustomPatterns | undefined;
  readonly #names: NameRules;
  readonly #named: NamedValues;

  constructor(names: NameRules, patterns: readonly PatternRule[]) {
    this.#names = names;
    this.#named = new NamedValues(names);
    this.custom = patterns.length > 0 ? new CustomPatterns(patterns) : undefined;
  }

  /**
   * At most `limit` characters of what is left of a text. Of the rest, nothing is kept.
   *
   * @param taken hears of each part that is taken out
   * @param found hears of all that was found at first, parts that overlap too
   */
  scan(text: string, limit: number, taken?: (hit: Hit) => void, found?: (hit: Hit) => void): string {
    if (this.#isNothing(text)) return beginning(text, limit);
    const read = text.length > limit ? text.slice(0, limit + READ_BEYOND) : text;
    let clean = this.#pass(read, limit, taken, found);
    if (clean === undefined) return beginning(text, limit);
    // What is gone no longer hides what stood beside it.
    for (let passes = 1; passes < MAX_PASSES; passes++) {
      const again = this.#pass(clean, clean.length, taken);
      if (again === undefined || again === clean) break;
      clean = again;
    }
    return beginning(clean, limit);
  }

  /** Whether a look would find nothing. */
  #isNothing(text: string): boolean {
    return this.custom === undefined && SHORT_WORD.test(text);
  }

  /** Of a text that is not kept, what is in it. Time is linear in its length. */
  look(text: string, found: (hit: Hit) => void): void {
    if (this.#isNothing(text)) return;
    for (let from = 0; ; from += WINDOW) {
      const isLast = from + WINDOW + OVERLAP >= text.length;
      const part = isLast ? text.slice(from) : text.slice(from, from + WINDOW + OVERLAP);
      for (const hit of this.#find(part, MAX_ESCAPES, MAX_BASE64)) {
        // A number that a window's edge has cut is another number: the next window, or the last one, has all of it.
        const atEdge = (hit.start === 0 && from > 0) || (hit.end === part.length && !isLast);
        if (!isDone(part, hit) && !(atEdge && hit.end - hit.start < OVERLAP / 2)) found(hit);
      }
      if (isLast) return;
    }
  }

  #pass(
    text: string,
    limit: number,
    taken?: (hit: Hit) => void,
    found?: (hit: Hit) => void,
  ): string | undefined {
    const hits = this.#find(text, MAX_ESCAPES, MAX_BASE64);
    if (found !== undefined) for (const hit of hits) if (!isDone(text, hit)) found(hit);
    return hits.length === 0 ? undefined : withoutHits(text, hits, limit, REDACTED, taken);
  }

  /** In the text as it is matched, and in what it says when its escapes are read. */
  #find(text: string, escapes: number, base64: number): Hit[] {
    let traits = traitsOf(text);
    const folded = traits.found & NOT_ASCII ? fold(text) : text;
    if (folded !== text) traits = traitsOf(folded);
    const { found } = traits;
    const hits: Hit[] = [];
    const signed = (found & SIGN) !== 0 && SIGNS.test(folded);
    if (signed) this.#named.find(folded, hits);
    findPatterns(folded, hits, found, signed);
    if (found & AT) findEmails(folded, hits);
    if (found & DIGIT) findNumbers(folded, hits, traits);
    if (found & LABEL && (found & DIGIT || (found & SIGN && SAID_IN_QUOTES.test(folded))))
      findLabelled(folded, hits, traits);
    findNames(folded, hits, traits, this.#names.isPerson);
    if (found & LONG_RUN) {
      const hasSecret = (decoded: string) => this.#find(decoded, escapes, base64 - 1).length > 0;
      findTokens(folded, hits, traits, base64 > 0 ? hasSecret : undefined);
    }
    this.custom?.find(folded, hits);
    if ((found & ESCAPE) === 0) return folded === text || hits.length === 0 ? hits : unfold(text, hits);
    const said = escapes > 0 ? unescaped(folded) : folded;
    if (said !== folded) hits.push(...escapedHits(folded, this.#find(said, escapes - 1, base64)));
    return folded === text || hits.length === 0 ? hits : unfold(text, hits);
  }
}

/** Whether an earlier look took it out: no news. */
function isDone(text: string, { start }: Hit): boolean {
  return text.startsWith(REDACTED, start);
}

/** The first characters of a text, and no half of one. */
export function beginning(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const end = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
  return text.slice(0, end);
}
