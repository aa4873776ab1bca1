/**
 * Where a value is in a call: a subset of RFC 9535 without filters and recursion, so that a path costs what it finds.
 * `arguments.patient_id`, `result.items[*].id`, `arguments['odd name'][0]`; a leading `$.` may stand or not, and
 * `[]` is `[*]`.
 */
export type Path = readonly Step[];
type Step = { name: string } | { index: number } | 'all';

const STEP = /^(?:\.?([A-Za-z_][\w-]*)|\[\*?\]|\[(-?\d+)\]|\[(?:'([^']*)'|"([^"]*)")\])/;

/** @returns undefined where the text is no path. */
export function parsePath(text: string): Path | undefined {
  const steps: Step[] = [];
  let rest = text.replace(/^\$(?:\.(?=[A-Za-z_]))?/, '');
  while (rest !== '') {
    const [whole, plain, index, single, double] = STEP.exec(rest) ?? [];
    if (whole === undefined || (plain !== undefined && steps.length > 0 && whole[0] !== '.'))
      return undefined;
    const name = plain ?? single ?? double;
    if (name !== undefined) steps.push({ name });
    else steps.push(index === undefined ? 'all' : { index: Number(index) });
    rest = rest.slice(whole.length);
  }
  return steps.length === 0 ? undefined : steps;
}

/** The texts and numbers at a path, as text; empty texts are nothing. */
export function valuesAt(root: unknown, path: Path): string[] {
  let values: unknown[] = [root];
  for (const step of path) values = values.flatMap((value) => next(value, step));
  return values
    .filter((value) => (typeof value === 'string' && value !== '') || typeof value === 'number')
    .map(String);
}

function next(value: unknown, step: Step): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === 'all') return Array.isArray(value) ? value : [];
  if ('index' in step) return Array.isArray(value) ? [value.at(step.index)] : [];
  return Object.hasOwn(value, step.name) ? [(value as Record<string, unknown>)[step.name]] : [];
}
