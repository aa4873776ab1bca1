import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePath, valuesAt } from '../../src/policy/path.ts';

const CALL = {
  arguments: {
    patient_id: 'P-1',
    'odd name': 7,
    items: [{ id: 'a' }, { id: 'b' }, {}],
    nested: [[1, 2], [3]],
  },
  result: { id: '', none: null, yes: true },
};
const at = (path: string) => valuesAt(CALL, parsePath(path)!);

describe('a path', () => {
  it.each([
    ['arguments.patient_id', ['P-1']],
    ['$.arguments.patient_id', ['P-1']],
    ["arguments['odd name']", ['7']],
    ['arguments["odd name"]', ['7']],
    ['arguments.items[*].id', ['a', 'b']],
    ['arguments.items[].id', ['a', 'b']],
    ['arguments.items[1].id', ['b']],
    ['arguments.items[-2].id', ['b']],
    ['arguments.items[9].id', []],
    ['arguments.nested[*][*]', ['1', '2', '3']],
    ['arguments.nested[0][1]', ['2']],
    ['arguments', []],
    ['arguments.items', []],
    ['arguments.patient_id.length', []],
    ['arguments.constructor', []],
    ['arguments.__proto__', []],
    ['result.id', []],
    ['result.none', []],
    ['result.yes', []],
    ['nothing.at.all', []],
  ])('%s', (path, values) => {
    expect(at(path)).toEqual(values);
  });

  it.each([
    '',
    '$',
    '.',
    '..',
    'a..b',
    'a b',
    'a[',
    'a[x]',
    "a['",
    'a.[0]',
    '$..a',
    'a[?(@.b)]',
    'a.*',
    '1a',
  ])('is not %j', (text) => {
    expect(parsePath(text)).toBeUndefined();
  });

  it('made of any names and indexes is read back', () => {
    const name = fc.string().filter((text) => !text.includes("'"));
    const step = fc.oneof(
      name.map((each) => [`['${each}']`, { name: each }] as const),
      fc.integer({ min: -99, max: 99 }).map((index) => [`[${index}]`, { index }] as const),
      fc.constant(['[*]', 'all'] as const),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        expect(parsePath(steps.map(([text]) => text).join(''))).toEqual(steps.map(([, read]) => read));
      }),
    );
  });

  it('never throws, whatever it is and wherever it leads', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (text, value) => {
        const path = parsePath(text);
        if (path !== undefined) valuesAt(value, path);
      }),
    );
  });
});
