import type { Span } from '../span.ts';
import type { Activity, Asked, Dialect, Reading } from './activity.ts';
import { current } from './current.ts';
import { general } from './general.ts';
import { genkit } from './genkit.ts';
import { googleAdk } from './google-adk.ts';
import { langsmith } from './langsmith.ts';
import { mastra } from './mastra.ts';
import { mcp } from './mcp.ts';
import { openinference } from './openinference.ts';
import { traceloop } from './traceloop.ts';
import { traceloopLegacy } from './traceloop-legacy.ts';
import { vercel } from './vercel.ts';

/**
 * In order of trust: a span may speak several dialects at once, the first that knows a field gives it, and the
 * first that knows what the span is names the dialect. One more dialect is one more file and one line here.
 */
const DIALECTS: readonly Dialect[] = [
  mastra,
  langsmith,
  genkit,
  googleAdk,
  traceloop,
  vercel,
  mcp,
  traceloopLegacy,
  current,
  openinference,
  general,
];

/** Which dialects an attribute's name marks a span as one of: a bit for each. Names that come back are few. */
const marked = new Map<string, number>();
const MAX_MARKED = 10_000;

function marksOf(attribute: string): number {
  let marks = marked.get(attribute);
  if (marks === undefined) {
    marks = 0;
    for (const [i, each] of DIALECTS.entries()) if (each.marks(attribute)) marks |= 1 << i;
    if (marked.size >= MAX_MARKED) marked.clear();
    if (attribute.length <= MAX_NAME) marked.set(attribute, marks);
  }
  return marks;
}
const MAX_NAME = 100;

/** All that any dialect finds on a span, whether or not it is agent activity; or as much of it as is asked for. */
export function readSpan(span: Span, asked: Asked = 'all'): Reading & { dialect: string } {
  const found: Reading = {};
  let dialect = '';
  let marks = 0;
  for (const attribute of span.attributes.keys()) marks |= marksOf(attribute);
  for (let i = 0; i < DIALECTS.length; i++) {
    const each = DIALECTS[i]!;
    if ((marks & (1 << i)) === 0 && each.isMarked?.(span) !== true) continue;
    const reading = each.read(span, asked);
    if (reading === undefined) continue;
    if (dialect === '' && reading.kind !== undefined) dialect = each.name;
    fill(found, reading);
  }
  if (found.provider !== undefined) found.provider = providerName(found.provider);
  found.why ??= '';
  return Object.assign(found, { dialect });
}

/** A span is agent activity when a dialect knows what kind. */
export function isActivity(reading: Reading & { dialect: string }): reading is Activity {
  return reading.kind !== undefined;
}

/** Agent activity by its looks, in no dialect known here: counted and explained, never silently passed over. */
export function looksLikeGenAi(span: Span): boolean {
  for (const key of span.attributes.keys())
    if (/^(gen_ai|llm|ai|mcp|openinference|traceloop|langsmith|genkit|mastra)[.:]/.test(key)) return true;
  return false;
}

function fill(into: Reading, from: Reading): void {
  const target = into as { [key: string]: unknown };
  for (const key in from) {
    const value = (from as { [key: string]: unknown })[key];
    if (value !== undefined) target[key] ??= value;
  }
}

/** `openai.chat` is provider and API: the provider alone is kept. Dotted ids of the conventions stay whole. */
function providerName(provider: string): string {
  const name = provider.toLowerCase();
  return (
    /^([a-z0-9_-]+)\.(chat|responses|messages|completion|completions|embedding|generative-ai)$/.exec(
      name,
    )?.[1] ?? name
  );
}
