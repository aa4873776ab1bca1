import { fold, unfold } from './fold.ts';
import { type Hit, withoutHits } from './hits.ts';
import { NamedValues } from './named-values.ts';
import type { NameRules } from './names.ts';
import { findPatterns } from './patterns.ts';
import { findTokens } from './tokens.ts';

export const REDACTED = '***REDACTED***';

/** Of a longer text so much more is read than is kept: what lies across the end is still known for what it is. */
const READ_BEYOND = 1_024;
const MAX_PASSES = 4;
/** Too short for any pattern, and without what stands between a name and its value. */
const SHORT_WORD = /^\w[\w.,/-]{0,9}$/;
/** What stands between names and their values. */
const SIGN = /[:=<]|%(?:25)?3|--|\s-[A-Za-z]/;

/** Takes out of free text what a name before it or its own form gives away. */
export class Scanner {
  readonly #named: NamedValues;

  constructor(names: NameRules) {
    this.#named = new NamedValues(names);
  }

  /** At most `limit` characters of what is left of a text. Of the rest, nothing is kept. */
  scan(text: string, limit: number): string {
    if (SHORT_WORD.test(text)) return beginning(text, limit);
    let clean = this.#pass(text.length > limit ? text.slice(0, limit + READ_BEYOND) : text, limit);
    if (clean === undefined) return beginning(text, limit);
    // What is gone no longer hides what stood beside it.
    for (let passes = 1; passes < MAX_PASSES; passes++) {
      const again = this.#pass(clean, clean.length);
      if (again === undefined || again === clean) break;
      clean = again;
    }
    return beginning(clean, limit);
  }

  #pass(text: string, limit: number): string | undefined {
    const folded = fold(text);
    const hits = this.#find(folded, (decoded) => this.#find(fold(decoded)).length > 0);
    if (hits.length === 0) return undefined;
    return withoutHits(text, folded === text ? hits : unfold(text, hits), limit, REDACTED);
  }

  /** Base64 is decoded once: what it holds is read without `hasSecret`. */
  #find(text: string, hasSecret?: (decoded: string) => boolean): Hit[] {
    const hits: Hit[] = [];
    const signed = SIGN.test(text);
    if (signed) this.#named.find(text, hits);
    findPatterns(text, hits, signed);
    findTokens(text, hits, hasSecret);
    return hits;
  }
}

/** The first characters of a text, and no half of one. */
export function beginning(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const end = /[\ud800-\udbff]/.test(text.charAt(limit - 1)) ? limit - 1 : limit;
  return text.slice(0, end);
}
