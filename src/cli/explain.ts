import { looksLikeGenAi } from '../genai/dialects.ts';
import type { Became } from '../pipeline.ts';
import type { Policy } from '../policy/policy.ts';
import type { Span } from '../span.ts';
import type { Understood } from '../understand.ts';

/** Of one span, what it became and why; nothing in it is unredacted. */
export interface Explained {
  trace_id: string;
  span_id: string;
  name: string;
  scope: string;
  /** Which dialect told what it is; absent where none did. */
  dialect?: string;
  /** `tool`, `model`, `agent`, `retrieval`, `declared`, `wrapper`; `not_agent`, `unknown`; `quarantined`. */
  kind: string;
  why: string;
  /** Actions of the records it added. */
  records: string[];
  /** It was known already. */
  duplicate?: true;
}

export function explain(
  span: Span,
  understood: Understood,
  became: Became | undefined,
  policy: Policy,
): Explained {
  const said = (text: string) => policy.redactor.scan(text, 200);
  return {
    trace_id: span.traceId,
    span_id: span.spanId,
    name: said(span.name),
    scope: said(span.scope.name),
    ...whatAndWhy(span, understood, said),
    records: became?.actions ?? [],
    ...(became?.duplicate === true ? { duplicate: true as const } : {}),
  };
}

function whatAndWhy(
  span: Span,
  understood: Understood,
  said: (text: string) => string,
): Pick<Explained, 'kind' | 'why' | 'dialect'> {
  if (understood.what === 'quarantine') return { kind: 'quarantined', why: understood.detail };
  if (understood.what === 'activity') {
    const { kind, source } = understood.facts;
    return {
      kind,
      why: said(understood.why),
      ...(source.dialect === undefined ? {} : { dialect: source.dialect }),
    };
  }
  if (!looksLikeGenAi(span)) return { kind: 'not_agent', why: 'it has no attribute of any dialect' };
  const names = [...span.attributes.keys()].slice(0, 8).map(said).join(', ');
  return { kind: 'unknown', why: `no dialect knows what it is; it has ${names}` };
}

/** Two lines a span: what it became, and why. */
export function explainedLines(of: Explained): string[] {
  const became = of.duplicate ? 'known already' : of.records.join(', ') || 'no record';
  const dialect = of.dialect === undefined ? '' : ` (${of.dialect})`;
  return [
    `${of.trace_id.slice(0, 8)}:${of.span_id.slice(0, 8)} ${of.name} → ${of.kind}${dialect}: ${became}`,
    `                    because ${of.why}`,
  ];
}
