import { SpanledgerError } from '../errors.ts';
import {
  byConversation,
  byTool,
  byUser,
  EVER,
  failures,
  ofTool,
  type Question,
  type Row,
  type ToolUse,
} from '../report/questions.ts';
import type { Store } from '../store/client.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { type Output, type Text, table } from './output.ts';
import { requireId } from './usage.ts';

export interface QueryOptions extends LedgerOptions {
  tool?: string;
  conversation?: string;
  user?: string;
  since?: string;
}

/** Answers one of the questions an auditor asks most. No answer is an empty one, not an error. */
export async function queryCommand(question: Question, options: QueryOptions, out: Output): Promise<number> {
  const since = options.since === undefined ? EVER : sinceOf(options.since);
  const ask = askerOf(question, options, since);
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const answer = await ask(ledger.store);
    out.document(answer);
    for (const line of linesOf([answer].flat())) out.line(line);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

type Answer = Row[] | ToolUse[] | ToolUse;

/** Checks what the question needs before anything is opened. */
function askerOf(
  question: Question,
  options: QueryOptions,
  since: string,
): (store: Store) => Promise<Answer> {
  const { tool, conversation, user } = options;
  for (const [option, id] of Object.entries({ tool, conversation, user }))
    if (id !== undefined) requireId(id, `--${option}`);
  switch (question) {
    case 'by_tool':
      return (store) => (tool === undefined ? byTool(store, since) : ofTool(store, tool, since));
    case 'by_conversation':
      if (conversation === undefined) throw needs(question, '--conversation ID');
      return (store) => byConversation(store, conversation);
    case 'by_user':
      if (user === undefined) throw needs(question, '--user ID');
      return (store) => byUser(store, user, since);
    case 'failures':
      return (store) => failures(store, since);
  }
}

function needs(question: Question, option: string): SpanledgerError {
  return new SpanledgerError('usage_invalid', `query ${question} needs ${option}`, {
    hint: `spanledger query ${question} ${option}`,
  });
}

const UNITS: { [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** RFC 3339, a date, or so many minutes, hours or days ago. */
function sinceOf(text: string): string {
  const ago = /^(\d{1,6})([mhd])$/.exec(text);
  const time = ago === null ? Date.parse(text) : Date.now() - Number(ago[1]) * UNITS[ago[2]!]!;
  const isTime = ago !== null || /^\d{4}-\d\d-\d\d/.test(text);
  if (!isTime || Number.isNaN(time)) {
    throw new SpanledgerError('usage_invalid', `--since ${text} is no time`, {
      hint: 'give a time as 2026-11-01T00:00:00Z or 2026-11-01, or as 30m, 24h or 7d ago',
    });
  }
  return new Date(time).toISOString();
}

const SHOWN = new Set([
  'occurred_at',
  'turn',
  'action',
  'tool',
  'tool_name',
  'status',
  'error_message',
  'user_id',
  'agent_name',
  'conversation_id',
  'duration_ms',
]);
const MAX_WIDTH = 60;

/** For people: a column nobody fills is left out. */
function linesOf(answers: readonly (Row | ToolUse)[]): Text[] {
  if (answers.length === 0) return ['Nothing is recorded that answers this'];
  const rows = answers as readonly Row[];
  const isUse = 'total_calls' in rows[0]!;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (name) => (isUse || SHOWN.has(name)) && rows.some((row) => row[name] != null && row[name] !== 0),
  );
  return table(
    columns,
    rows.map((row) => columns.map((name) => short(row[name] ?? '-'))),
  );
}

function short(value: string | number): string | number {
  return typeof value === 'string' && value.length > MAX_WIDTH ? `${value.slice(0, MAX_WIDTH)}…` : value;
}
