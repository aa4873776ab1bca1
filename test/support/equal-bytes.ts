import { expect } from 'vitest';

/** Bytes are equal by what they hold: a Buffer and a Uint8Array of the same bytes are one value of a span. */
expect.addEqualityTesters([
  (a, b) => (a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : undefined),
]);
