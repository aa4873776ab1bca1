import type { Attributes } from '../span.ts';
import type { Reading } from './activity.ts';
import { isObject, present, scalarText, textAttribute } from './values.ts';

/**
 * What applications put into the free-form metadata that most frameworks offer: each name in its usual
 * spellings, the first that is there.
 */
const NAMES = {
  conversationId: ['conversationId', 'sessionId', 'threadId', 'chatId'],
  userId: ['userId'],
  userRole: ['userRole'],
  purpose: ['purpose'],
  trigger: ['trigger'],
} as const;

/** Each name as it stands, in snake case, and with dots. */
const SPELLINGS = Object.entries(NAMES).map(([field, names]): [keyof typeof NAMES, string[]] => [
  field as keyof typeof NAMES,
  names.flatMap((name) => {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [...new Set([name, snake, snake.replace('_', '.')])];
  }),
]);

type Spellings = readonly (readonly [field: keyof typeof NAMES, names: readonly string[]])[];

type FromMetadata = Pick<Reading, keyof typeof NAMES>;

/** Reads metadata that stands in attributes of its own, under a prefix that ends in a dot. */
export function metadataUnder(prefix: string): (attributes: Attributes) => FromMetadata {
  const spellings: Spellings = SPELLINGS.map(([field, names]) => [field, names.map((name) => prefix + name)]);
  return (attributes) => read(spellings, (name) => textAttribute(attributes, name));
}

/** Metadata as one JSON object. */
export function metadataObject(json: unknown): FromMetadata {
  return isObject(json) ? read(SPELLINGS, (name) => scalarText(json[name])) : {};
}

function read(spellings: Spellings, get: (name: string) => string | undefined): FromMetadata {
  const found: { [Field in keyof FromMetadata]: FromMetadata[Field] | undefined } = {};
  for (const [field, names] of spellings) {
    for (const name of names) {
      found[field] = get(name);
      if (found[field] !== undefined) break;
    }
  }
  return present<FromMetadata>(found);
}
