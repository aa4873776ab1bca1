import type { Store } from '../store/client.ts';

/** The questions that `query` answers, each a view of the same name: an auditor with SQL alone asks the same. */
export const QUESTIONS = ['by_tool', 'by_conversation', 'by_user', 'failures'] as const;
export type Question = (typeof QUESTIONS)[number];

/** From the beginning of time, as the views take it. */
export const EVER = '1970-01-01T00:00:00Z';

/** How often a tool was called and how it went: the fixed shape of `query by_tool`. */
export type ToolUse =
  | { tool: string; total_calls: 0 }
  | {
      tool: string;
      /** Outcomes: of one call one, executed before reported. */
      total_calls: number;
      /** A fraction, three decimals. */
      success_rate: number;
      /** Milliseconds, one decimal; null where no call had a span of its own. */
      avg_duration_ms: number | null;
      max_duration_ms: number | null;
      unique_users: number;
    };

/** @param since RFC 3339 */
export async function byTool(store: Store, since: string): Promise<ToolUse[]> {
  return toolUses(store, '', since);
}

/** Of one tool; none of its calls is an answer too. */
export async function ofTool(store: Store, tool: string, since: string): Promise<ToolUse> {
  const [use] = tool === '' ? [] : await toolUses(store, tool, since);
  return use ?? { tool, total_calls: 0 };
}

async function toolUses(store: Store, tool: string, since: string): Promise<ToolUse[]> {
  const rows = await store.query<{
    tool: string;
    total_calls: string;
    success_rate: number;
    avg_duration_ms: number | null;
    max_duration_ms: number | null;
    unique_users: string;
  }>('SELECT * FROM spanledger.by_tool(tool = {tool:String}, since = {since:String})', { tool, since });
  return rows.map((row) => ({
    ...row,
    total_calls: Number(row.total_calls),
    unique_users: Number(row.unique_users),
  }));
}

/** A row of the ledger, or a call: what it does not say is null. */
export interface Row {
  [column: string]: string | number | null;
}

export async function byConversation(store: Store, conversation: string): Promise<Row[]> {
  return rowsOf(store, 'by_conversation(conversation = {conversation:String})', { conversation });
}

/** @param since RFC 3339 */
export async function byUser(store: Store, user: string, since: string): Promise<Row[]> {
  return rowsOf(store, 'by_user(user = {user:String}, since = {since:String})', { user, since });
}

/** @param since RFC 3339 */
export async function failures(store: Store, since: string): Promise<Row[]> {
  return rowsOf(store, 'failures(since = {since:String})', { since });
}

async function rowsOf(store: Store, view: string, parameters: { [name: string]: string }): Promise<Row[]> {
  const rows = await store.query<Row>(`SELECT * FROM spanledger.${view}`, parameters);
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, value === '' ? null : plain(name, value)]),
    ),
  );
}

/** The engine's own form of a time is not RFC 3339. */
function plain(name: string, value: string | number | null): string | number | null {
  return name === 'occurred_at' && typeof value === 'string' ? `${value.replace(' ', 'T')}Z` : value;
}
