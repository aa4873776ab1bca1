import type { Rule } from './redactions.ts';

/** A part of a text that must go. */
export interface Hit extends Part {
  /** What it is taken for. */
  kind: string;
  rule: Rule;
}

export interface Part {
  start: number;
  end: number;
}

/** Visits each match of a global expression, the next one from where the visitor says, or behind the last. */
export function eachMatch(
  expression: RegExp,
  text: string,
  visit: (match: RegExpExecArray) => number | undefined,
): void {
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match !== null; match = expression.exec(text)) {
    const end = expression.lastIndex;
    expression.lastIndex = visit(match) ?? end;
  }
}

/**
 * Takes the matches of an expression for hits.
 *
 * @param judge whether a match is one, or which parts of it are; all of it by default
 */
export function findAll(
  expression: RegExp,
  text: string,
  hits: Hit[],
  kind: string,
  judge: (match: string) => boolean | Part[] = () => true,
): void {
  eachMatch(expression, text, ({ 0: match, index }) => {
    const judged = judge(match);
    const parts = judged === true ? [{ start: 0, end: match.length }] : judged || [];
    for (const { start, end } of parts)
      hits.push({ start: index + start, end: index + end, kind, rule: 'pattern' });
    return undefined;
  });
}

/** The end of an expression's match at a place, or the place itself where there is none. */
export function endOf(sticky: RegExp, text: string, start: number): number {
  sticky.lastIndex = start;
  return sticky.test(text) ? sticky.lastIndex : start;
}

/**
 * The first `limit` characters of a text, with the replacement for every hit that begins in them.
 *
 * @param taken hears of each part that is replaced
 */
export function withoutHits(
  text: string,
  hits: Hit[],
  limit: number,
  replacement: string,
  taken?: (hit: Hit) => void,
): string {
  let clean = '';
  let done = 0;
  for (const [i, hit] of hits.sort((a, b) => a.start - b.start || b.end - a.end).entries()) {
    const { start, end } = hit;
    if (start >= limit) break;
    // What touches the hit before is one with it.
    if (i === 0 || start > done) {
      clean += text.slice(done, start) + replacement;
      // What an earlier look took out is no longer news.
      if (!text.startsWith(replacement, start)) taken?.(hit);
    }
    done = Math.max(done, end);
  }
  return clean + text.slice(done, Math.max(done, limit));
}
