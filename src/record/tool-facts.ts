import type { Activity } from '../genai/activity.ts';
import type { Answer } from '../genai/messages.ts';
import { endingOfResult } from '../genai/outcome.ts';
import { present } from '../genai/values.ts';
import { join } from '../policy/demands.ts';
import { type Detected, demandsOf, mentionsHealth } from '../policy/detection.ts';
import { Redactions } from '../policy/redactions.ts';
import type { ToolPolicy } from '../policy/registry.ts';
import { summariseResult } from '../policy/summary.ts';
import { type Cleaner, canonicalOrText } from './cleaner.ts';
import { isUnnamed, keptCall } from './contents.ts';
import type { ToolFacts } from './facts.ts';
import type { RecordedTool } from './record.ts';

type Call = Pick<Activity, 'toolName' | 'toolType' | 'toolCallId' | 'toolArguments' | 'toolResult'>;

/** A tool whose name nobody told. */
export const UNKNOWN_TOOL = 'unknown';

const MAX_FIELDS = 50;
const MAX_FIELD_LENGTH = 100;

/** A tool call: classified by its name, its arguments redacted, its result summarised. */
export function toolFacts(
  call: Call,
  evidence: RecordedTool['evidence'],
  outcome: ToolFacts['outcome'],
  clean: Cleaner,
  redactions = new Redactions(),
  findings = clean.findings(),
): ToolFacts {
  const { registry, redactor } = clean.policy;
  const { toolArguments, toolResult } = call;
  const name = clean.said(call.toolName) ?? UNKNOWN_TOOL;
  const known = registry.tool(name, { arguments: toolArguments, result: toolResult });
  const context = { tenant: clean.tenant, pseudonyms: known.pseudonyms, findings };
  const unnamed = isUnnamed(toolArguments);
  // What is not kept at all needs no word about what of it was taken out.
  const argsContext = unnamed ? context : { ...context, at: '/tool/arguments', redactions };
  const args = toolArguments === undefined ? undefined : redactor.redact(toolArguments, argsContext);
  const resultContext = { ...context, at: '/tool/result', redactions };
  const result = toolResult === undefined ? {} : summariseResult(toolResult, redactor, resultContext);
  // Of a result little is kept, but all of it was seen.
  if (toolResult !== undefined) redactor.look(toolResult, context);
  const detected = findings.said(() =>
    [name, toolArguments, toolResult].some(
      (each) => each !== undefined && mentionsHealth(canonicalOrText(each)),
    ),
  );
  return present<ToolFacts>({
    recorded: present<RecordedTool>({
      arguments: unnamed ? undefined : args?.value,
      call_id: clean.id(callId(call)),
      evidence,
      name,
      result: Object.keys(result).length > 0 ? result : undefined,
      type: clean.said(call.toolType),
    }),
    contents: keptCall(known, { arguments: toolArguments, result: toolResult }, clean),
    argumentsDigest: clean.argumentsDigest(toolArguments),
    ...demanded(known, detected),
    resource: known.resource && {
      type: known.resource.type,
      action: known.resource.action,
      ids: known.resource.ids.map((id) => clean.text(id)),
      ...present({ subject: clean.subject(known.resource.subject) }),
    },
    fields:
      known.resource && fieldNames(known.resource.action === 'read' ? toolResult : toolArguments, clean),
    outcome,
    truncated: args?.truncated ?? false,
    redactions: redactions.said(),
    detected,
  });
}

/** What of a call's record its rules say, and what was found in it. */
export function demanded(known: ToolPolicy, detected: Detected | undefined) {
  // Where nothing was found, nothing more is asked.
  const { classification, domains, purposeRequired, tags } =
    detected === undefined ? known : join(known, demandsOf(detected));
  const { retention, unclassified } = known;
  return { classification, domains, retentionClass: retention.class, unclassified, purposeRequired, tags };
}

/**
 * A tool's result seen in a model's input: that it ran is the instrumentation's word, not its own span.
 *
 * @param asking digest of the input whose answer asked for it: names the call where the input itself does not
 */
export function reportedTool(answer: Answer, asking: () => string, clean: Cleaner): ToolFacts {
  const { call, position } = answer;
  const ending = endingOfResult(answer.result) ?? { status: 'success' };
  const reported = present<Call>({
    toolName: answer.name ?? call?.name,
    toolCallId: answer.id ?? call?.id,
    toolArguments: call?.arguments,
    toolResult: answer.result,
  });
  const redactions = new Redactions();
  const findings = clean.findings();
  const outcome = clean.outcome(ending, redactions, findings);
  const facts = toolFacts(reported, 'reported', outcome, clean, redactions, findings);
  if (reported.toolName === undefined || callId(reported) === undefined)
    facts.answers = { prompt: asking(), position };
  return facts;
}

/** An id that only numbers the calls of one answer is no id: the next conversation has it too. */
function callId({ toolCallId, toolName }: Call): string | undefined {
  return toolCallId === undefined || isIndex(toolCallId, toolName) ? undefined : toolCallId;
}

/** Gemini's instrumentations, Kimi and others write `get_weather_0`, or `functions.get_weather:0`. */
export function isIndex(id: string, name: string | undefined): boolean {
  if (id === '') return true;
  const [, stem] = /^(.+)[_:]\d{1,3}$/.exec(id) ?? [];
  return stem !== undefined && (stem === name || stem === `functions.${name}`);
}

function fieldNames(value: unknown, clean: Cleaner): string[] | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'object' || first === null) return undefined;
  const names = Object.keys(first).slice(0, MAX_FIELDS);
  return names.length > 0 ? names.map((name) => clean.key(name).slice(0, MAX_FIELD_LENGTH)) : undefined;
}
