import type { Classification } from './classification.ts';
import { Expression, type WrittenExpression } from './expression.ts';
import { eachMatch, type Hit, type Part } from './hits.ts';

/** A pattern of a policy's own: what it matches in a text becomes `***REDACTED***`. */
export interface PatternRule extends WrittenExpression {
  /** Stands in `details.redactions` as the rule `custom:<name>`. */
  name: string;
  /** What a match is taken for. */
  kind: string;
  /** What a match makes of a record at least; without it, what the kind does. */
  classification?: Classification;
}

/** The ledger's own words in a text that was redacted before: nothing in them is news. */
const OWN_WORDS = /\*\*\*REDACTED\*\*\*|hmac:[\w.-]{1,64}:[\w-]{22}(?![\w-])/g;

/** Finds what a policy's own patterns match. */
export class CustomPatterns {
  readonly #patterns: { rule: Hit['rule']; kind: string; expression: Expression }[];

  constructor(patterns: readonly PatternRule[]) {
    this.#patterns = patterns.map(({ name, kind, ...written }) => ({
      rule: `custom:${name}`,
      kind,
      expression: new Expression(written),
    }));
  }

  find(text: string, hits: Hit[]): void {
    const own = ownWords(text);
    for (const { rule, kind, expression } of this.#patterns) {
      const { parts, until } = expression.matches(text, own);
      // Too much to look through: rather too much is gone than too little.
      if (until < text.length) parts.push({ start: until, end: text.length });
      for (const { start, end } of parts) hits.push({ start, end, kind, rule });
    }
  }
}

function ownWords(text: string): Part[] {
  const found: Part[] = [];
  eachMatch(OWN_WORDS, text, ({ 0: words, index }) => {
    found.push({ start: index, end: index + words.length });
    return undefined;
  });
  return found;
}
