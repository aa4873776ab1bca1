/** A part of a text that must go. */
export interface Hit {
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
  judge: (match: string) => boolean | Hit[] = () => true,
): void {
  eachMatch(expression, text, ({ 0: match, index }) => {
    const judged = judge(match);
    const parts = judged === true ? [{ start: 0, end: match.length }] : judged || [];
    for (const { start, end } of parts) hits.push({ start: index + start, end: index + end });
    return undefined;
  });
}

/** The end of an expression's match at a place, or the place itself where there is none. */
export function endOf(sticky: RegExp, text: string, start: number): number {
  sticky.lastIndex = start;
  return sticky.test(text) ? sticky.lastIndex : start;
}

/** The first `limit` characters of a text, with the replacement for every hit that begins in them. */
export function withoutHits(text: string, hits: Hit[], limit: number, replacement: string): string {
  let clean = '';
  let done = 0;
  for (const [i, { start, end }] of hits.sort((a, b) => a.start - b.start).entries()) {
    if (start >= limit) break;
    // What touches the hit before is one with it.
    if (i === 0 || start > done) clean += text.slice(done, start) + replacement;
    done = Math.max(done, end);
  }
  return clean + text.slice(done, Math.max(done, limit));
}
