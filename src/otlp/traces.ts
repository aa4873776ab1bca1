import { blankSpan, type Span, type UnreadableSpan } from '../span.ts';
import { checkId, type Item, unreadable } from './items.ts';

/** Every span of a request, in order; the unreadable apart. */
export interface DecodedTraces {
  spans: Span[];
  unreadable: UnreadableSpan[];
}

export function takeSpans<Encoded>(
  items: Iterable<Item<Encoded>>,
  read: (encoded: Encoded, span: Span) => void,
): DecodedTraces {
  const out: DecodedTraces = { spans: [], unreadable: [] };
  for (const item of items) {
    const span = blankSpan(item.scope, item.resource);
    const fill = () => {
      read(item.encoded, span);
      checkIds(span);
    };
    const failure = unreadable(item, fill, () => span);
    if (failure === undefined) out.spans.push(span);
    else out.unreadable.push(failure);
  }
  return out;
}

function checkIds(span: Span): void {
  checkId('trace', span.traceId);
  checkId('span', span.spanId);
  if (span.parentSpanId === undefined) return;
  if (/^0*$/.test(span.parentSpanId)) span.parentSpanId = undefined;
  else checkId('parent_span', span.parentSpanId);
}
