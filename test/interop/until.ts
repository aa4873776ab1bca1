import { setTimeout as wait } from 'node:timers/promises';

/** How often a condition is looked at. */
const LOOK_MS = 25;

/** Resolves when it is so. A test's own timeout ends what never comes. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(LOOK_MS);
}
