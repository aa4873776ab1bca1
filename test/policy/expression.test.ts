import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Expression, mistakeIn } from '../../src/policy/expression.ts';

const matched = (text: string, expression: string, flags?: string, needs?: string) =>
  new Expression({
    expression,
    ...(flags === undefined ? {} : { flags }),
    ...(needs === undefined ? {} : { needs }),
  })
    .matches(text)
    .parts.map(({ start, end }) => text.slice(start, end));

/** Processor time, in milliseconds. */
function took(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

describe("a policy's expression", () => {
  it.each([
    ['EMP-\\d{6}', 'of EMP-123456 and EMP-654321', ['EMP-123456', 'EMP-654321']],
    ['\\bE\\d+\\b', '😀 E12 xE13', ['E12']],
    ['(?i)emp-\\d', 'EMP-1', ['EMP-1']],
    ['a|b|$', 'xay', ['a']],
    ['colou?r', 'color, colour', ['color', 'colour']],
    ['x{0,2}y', 'xxy y', ['xxy', 'y']],
    ['[]x-]+y', ']-y', [']-y']],
    ['a😀?', 'a', ['a']],
  ])('%s is found', (expression, text, found) => {
    expect(matched(text, expression)).toEqual(found);
  });

  it('has flags', () => {
    expect(matched('Emp-1\nx', 'emp-1$', 'im')).toEqual(['Emp-1']);
    expect(matched('Emp-1\nx', 'emp-1$', 'i')).toEqual([]);
    expect(matched('a\nb', 'a.b', 's')).toEqual(['a\nb']);
  });

  it('needs what it needs in any case, where it ignores case itself', () => {
    expect(matched('hello foo FOO', 'hello (?i:foo)', '', 'HELLO')).toEqual(['hello foo']);
  });

  it('is not looked for in a text without what it needs', () => {
    expect(matched('id 123456', '\\d{6}', '', 'employee')).toEqual([]);
    expect(matched('EMPLOYEE 123456', '\\d{6}', 'i', 'Employee')).toEqual(['123456']);
  });

  it('matches the same with and without what it was found to need', () => {
    const piece = fc.constantFrom(
      'a',
      'b',
      'ab',
      '.',
      '\\.',
      '\\d',
      '[ab]',
      '(ab)',
      '(?:a|b)',
      '\\b',
      '[[:digit:]]',
    );
    const quantifier = fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{0,1}', '+?', '*?');
    const expression = fc
      .array(fc.tuple(piece, quantifier), { minLength: 1, maxLength: 5 })
      .map((parts) => parts.map(([a, b]) => `${a}${a === '\\b' ? '' : b}`).join(''));
    const either = fc.array(expression, { minLength: 1, maxLength: 2 }).map((all) => all.join('|'));
    const text = fc
      .array(fc.constantFrom('a', 'b', 'A', '.', '1', ' '), { maxLength: 12 })
      .map((all) => all.join(''));
    fc.assert(
      fc.property(either, text, fc.constantFrom('', 'i'), (written, searched, flags) => {
        expect(matched(searched, written, flags)).toEqual(matched(searched, written, flags, ''));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['(a+)+$', '(a|aa)+$', '(a|a)*b', '(.*)(.*)(.*)(.*)x$', '(?:a?){50}a{50}b'])(
    '%s goes through hostile text of a million characters in linear time',
    (expression) => {
      const made = new Expression({ expression });
      const text = (length: number) => `${'a'.repeat(length)}!`;
      took(() => made.matches(text(250_000)));
      const small = took(() => made.matches(text(250_000)));
      const large = Math.min(
        took(() => made.matches(text(1_000_000))),
        took(() => made.matches(text(1_000_000))),
      );
      // Quadratic is sixteen times as long, and exponential never ends.
      expect(large).toBeLessThan(Math.max(10 * small, 200));
    },
  );

  it('that reads on to the end for each of its matches gives up, and says where', () => {
    const made = new Expression({ expression: 'a.*z|a' });
    const long = 'a'.repeat(1_000_000);
    const { parts, until } = made.matches(long);
    expect(until).toBe(parts.at(-1)?.end);
    expect(until).toBeLessThan(long.length);
    expect(made.matches('a'.repeat(1_000))).toMatchObject({ parts: { length: 1_000 }, until: 1_000 });
  });

  it.each([
    ['(a', /missing closing \)/],
    ['(?=a)b', /no look-around/],
    ['(a)\\1', /no back reference/],
    ['a{1001}', /repeat count/],
    ['(a{1,1000}){1,1000}', /too large|repeat count/],
    ['[z-a]', /range/],
    ['a*', /empty text/],
    ['^', /empty text/],
    ['\\b', /empty text/],
    ['a|\\B', /empty text/],
    ['(?:x\\b)?', /empty text/],
    ['(?m)$', /empty text/],
    ['\\z', /empty text/],
  ])('%s is a mistake, with its remedy', (expression, message) => {
    expect(mistakeIn(expression)).toMatch(message);
    expect(mistakeIn(expression)).toMatch(/; write /);
  });

  it('that is none is no mistake', () => {
    for (const expression of ['EMP-\\d{6}', '^x', 'x$', '\\bx+\\b', '.', '(?i)a'])
      expect(mistakeIn(expression)).toBeUndefined();
  });
});
