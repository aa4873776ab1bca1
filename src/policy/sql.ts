import { eachMatch, endOf } from './hits.ts';
import type { NameRule } from './names.ts';

const INSERT =
  /\binsert\s{1,4}(?:\w{1,10}\s{1,4}){0,2}into\s{1,4}[\w.`"[\]]{1,128}\s{0,4}\(([^()]{1,2000})\)\s{0,8}values?\s{0,8}(?=\()/gi;
const VALUE = /N?'(?:[^'\\]|''|\\.)*'?|"(?:[^"\\]|\\.)*"?|[^\s,()'"][^,()'"]{0,256}/sy;
const BETWEEN = /\s{0,8}[(,]\s{0,8}|\s{0,8}\)\s{0,8},\s{0,8}\(\s{0,8}/y;

/** Values of `INSERT INTO … (name, password) VALUES ('jane', '…')`, given away by the names of their columns. */
export function findInserted(
  text: string,
  decide: (name: string) => NameRule,
  hit: (start: number, end: number, rule: NameRule) => unknown,
): void {
  eachMatch(INSERT, text, ({ 0: said, 1: listed, index }) => {
    const rules = listed!.split(',').map((name) => decide(name.trim().replace(/^["'`[]|["'`\]]$/g, '')));
    if (rules.every((rule) => rule.do === 'keep')) return undefined;
    let at = index + said.length;
    for (let column = 0; ; column++) {
      const start = endOf(BETWEEN, text, at);
      if (start === at) return at;
      at = endOf(VALUE, text, start);
      const rule = rules[column % rules.length]!;
      if (rule.do !== 'keep') hit(start, at, rule);
    }
  });
}
