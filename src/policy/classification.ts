/** public < internal < confidential < restricted. */
export const CLASSIFICATIONS = ['public', 'internal', 'confidential', 'restricted'] as const;

export type Classification = (typeof CLASSIFICATIONS)[number];

export function strictest(...levels: Classification[]): Classification {
  return CLASSIFICATIONS[Math.max(...levels.map((level) => CLASSIFICATIONS.indexOf(level)))] ?? 'public';
}
