import fc from 'fast-check';

/** One way for a body to be broken on its way. `at` and `to` are fractions of its length. */
export type Mutation =
  | { do: 'truncate'; at: number }
  | { do: 'flip'; at: number; bit: number }
  | { do: 'insert'; at: number; bytes: Uint8Array }
  | { do: 'delete'; at: number; length: number }
  | { do: 'repeat'; at: number; length: number };

const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const length = fc.integer({ min: 1, max: 40 });

export const anyMutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('truncate' as const), at }),
    fc.record({ do: fc.constant('flip' as const), at, bit: fc.nat(7) }),
    fc.record({
      do: fc.constant('insert' as const),
      at,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    }),
    fc.record({ do: fc.constant('delete' as const), at, length }),
    fc.record({ do: fc.constant('repeat' as const), at, length }),
  ),
  { minLength: 1, maxLength: 4 },
);

export function mutate(body: Uint8Array, mutations: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(body);
  for (const each of mutations) {
    const at = Math.floor(each.at * bytes.length);
    const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (each.do) {
      case 'truncate':
        bytes = Buffer.from(head);
        break;
      case 'flip':
        if (tail.length > 0) bytes[at] = bytes[at]! ^ (1 << each.bit);
        break;
      case 'insert':
        bytes = Buffer.concat([head, each.bytes, tail]);
        break;
      case 'delete':
        bytes = Buffer.concat([head, tail.subarray(each.length)]);
        break;
      case 'repeat':
        bytes = Buffer.concat([head, tail.subarray(0, each.length), tail]);
        break;
    }
  }
  return bytes;
}
