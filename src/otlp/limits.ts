/**
 * What a request may hold. A span over a span's limit goes to quarantine; a body over the depth that protects
 * the process itself is refused whole.
 */
export const Limits = {
  /** Nested AnyValues below an attribute. A payload is at most 32 deep. */
  depth: 32,
  /** Attributes of one span, event, link or resource. */
  attributes: 2_048,
  /** Events of one span, and links of one span. */
  events: 2_048,
  /** Bytes of one span as encoded. */
  spanBytes: 8 * 1024 * 1024,
} as const;

/** A span broke a limit or a rule of the protocol; its neighbours are still good. */
export class SpanRefused extends Error {
  readonly reason: string;

  constructor(reason: string, detail: string) {
    super(detail);
    this.reason = reason;
  }
}

export function within(reason: string, value: number, limit: number): void {
  if (value > limit) throw new SpanRefused(reason, `${value} is over the limit of ${limit}`);
}
