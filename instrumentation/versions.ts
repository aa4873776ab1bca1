/**
 * npm's ranges as adapters write them: `^1.2`, `~1.2.3`, `>=5 <8`, `1.x`, `*`, joined by `||`. Not intended for any
 * other; a prerelease counts as its release.
 */
export function isInRange(version: string, range: string): boolean {
  const at = numbersOf(version);
  return range.split('||').some((all) =>
    all
      .trim()
      .split(/\s+/)
      .every((each) => isAllowed(at, each)),
  );
}

type Numbers = [number, number, number];

function isAllowed(at: Numbers, said: string): boolean {
  const [, operator = '', text = ''] = /^(\^|~|>=|<=|>|<|=)?v?(.*)$/.exec(said) ?? [];
  if (/^[*xX]?$/.test(text)) return true;
  const given = text.split(/[.+-]/).filter((part) => /^\d+$/.test(part));
  const from = numbersOf(text);
  switch (operator) {
    case '>=':
      return compare(at, from) >= 0;
    case '>':
      return compare(at, from) > 0;
    case '<':
      return compare(at, from) < 0;
    case '<=':
      return compare(at, from) <= 0;
    case '^': {
      // Up to the next change of the first number that is not 0.
      const first = from.findIndex((number) => number > 0);
      return compare(at, from) >= 0 && isSame(at, from, first === -1 ? Math.min(given.length, 3) : first + 1);
    }
    case '~':
      return compare(at, from) >= 0 && isSame(at, from, Math.min(given.length, 2));
    default:
      return isSame(at, from, Math.min(given.length, 3));
  }
}

function isSame(a: Numbers, b: Numbers, places: number): boolean {
  return a.slice(0, places).every((number, i) => number === b[i]);
}

function compare(a: Numbers, b: Numbers): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function numbersOf(version: string): Numbers {
  const [major = 0, minor = 0, patch = 0] = version
    .replace(/^v/, '')
    .split(/[.+-]/)
    .map((part) => Number.parseInt(part, 10) || 0);
  return [major, minor, patch];
}
