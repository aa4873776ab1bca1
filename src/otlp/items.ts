import type { Attributes, Scope, Span, UnreadableSpan } from '../span.ts';
import { SpanRefused } from './limits.ts';

/** A span or log record of a request, still encoded, with what it stands under. */
export interface Item<Encoded> {
  encoded: Encoded;
  resource: Attributes;
  scope: Scope;
  /** A resource over a limit is the fault of each item under it. */
  refused: SpanRefused | undefined;
  /** The item's own bytes. */
  raw(): Uint8Array;
}

/**
 * Reads an item by `fill`. One that breaks a limit is set aside with its own bytes, and costs its neighbours
 * nothing; undefined when it was read.
 *
 * @param partial what was read of it before
 */
export function unreadable(
  item: Item<unknown>,
  fill: () => void,
  partial: () => Span,
): UnreadableSpan | undefined {
  try {
    fill();
    if (item.refused !== undefined) throw item.refused;
    return undefined;
  } catch (error) {
    if (!(error instanceof SpanRefused)) throw error;
    return { reason: error.reason, detail: error.message, raw: item.raw(), partial: partial() };
  }
}

/** A resource's attributes, or why they are refused. */
export function resourceOf(read: () => Attributes): Pick<Item<unknown>, 'resource' | 'refused'> {
  try {
    return { resource: read(), refused: undefined };
  } catch (error) {
    if (!(error instanceof SpanRefused)) throw error;
    return { resource: new Map(), refused: error };
  }
}

const IDS = { trace: /^[0-9a-f]{32}$/, span: /^[0-9a-f]{16}$/, parent_span: /^[0-9a-f]{16}$/ };

/** All-zero ids are readable (and never deduplicated); ids of another length are no ids. */
export function checkId(which: keyof typeof IDS, id: string): void {
  if (!IDS[which].test(id))
    throw new SpanRefused(`${which}_id_invalid`, `${which.replace('_', ' ')} id of ${id.length} characters`);
}
