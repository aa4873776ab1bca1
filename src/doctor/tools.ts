import type { Store } from '../store/client.ts';
import { asked, LOOK_SECONDS } from './ask.ts';
import { type Check, count, ok, percent, skipped, warn } from './check.ts';

/** Tools named at most. */
const SHOWN = 20;
/** Characters of a name that are shown. */
const MAX_NAME = 80;
/** Of what users did, the part whose user nobody told that is warned of. */
const MUCH_UNATTRIBUTED = 0.1;

const LIMITS = `SETTINGS max_execution_time = ${LOOK_SECONDS}`;

/** What the policy and the senders leave open: tools no rule knows, calls without their purpose, acts without a user. */
export async function toolsChecks(store: Store): Promise<Check[]> {
  return [
    ...(await asked('tools.unclassified', () => unclassifiedCheck(store))),
    ...(await asked('tools.purpose', () => purposeCheck(store))),
    ...(await asked('tools.unattributed', () => unattributedCheck(store))),
  ];
}

interface Seen {
  tool: string;
  calls: string;
  last: string;
  tools: string;
  all: string;
}

/** Calls whose record has a detail, by tool, most first. */
function seenWith(store: Store, detail: 'unclassified' | 'purpose_missing'): Promise<Seen[]> {
  return store.query<Seen>(
    `SELECT tool, toString(count()) AS calls, toString(toDateTime(max(occurred_at), 'UTC')) AS last,
            toString(count() OVER ()) AS tools, toString(sum(count()) OVER ()) AS all
     FROM (SELECT toString(tool_name) AS tool, occurred_at FROM spanledger.audit_records
           WHERE action = 'tool_invoked' AND phase != 'intent' AND JSONExtractBool(payload, 'details', {detail:String}))
     GROUP BY tool ORDER BY count() DESC, tool LIMIT {shown:UInt32} ${LIMITS}`,
    { detail, shown: SHOWN },
  );
}

async function unclassifiedCheck(store: Store): Promise<Check> {
  const check = 'tools.unclassified';
  const seen = await seenWith(store, 'unclassified');
  const [first] = seen;
  if (first === undefined) return ok(check, 'a rule knows every tool that was called');
  return warn(
    check,
    `no rule knows ${listed(seen)}; they are recorded as confidential`,
    `spanledger policy explain ${shellWord(first.tool)}; then say in spanledger.yaml what they are: ${ruleFor(seen.map(({ tool }) => tool))}`,
  );
}

async function purposeCheck(store: Store): Promise<Check> {
  const check = 'tools.purpose';
  const seen = await seenWith(store, 'purpose_missing');
  return seen.length === 0
    ? ok(check, 'no call lacks the purpose its rule asks for')
    : warn(
        check,
        `without the purpose their rules ask for: ${listed(seen)}`,
        'set the attribute audit.purpose on the spans of these tools (TREAT, HPAYMT, HOPERAT …)',
      );
}

async function unattributedCheck(store: Store): Promise<Check> {
  const check = 'tools.unattributed';
  const [row] = await store.query<{ acts: string; unattributed: string }>(
    `SELECT toString(count()) AS acts, toString(countIf(JSONExtractBool(payload, 'details', 'unattributed'))) AS unattributed
     FROM spanledger.audit_records WHERE action IN ('conversation_started', 'user_message_received') ${LIMITS}`,
  );
  const [acts, unattributed] = [Number(row?.acts ?? 0), Number(row?.unattributed ?? 0)];
  if (acts === 0) return skipped(check, 'no conversation and no message of a user is recorded');
  const found = `${unattributed} of ${count(acts, 'conversation or message', 'conversations and messages')} (${percent(unattributed, acts)}) have no user`;
  return unattributed / acts > MUCH_UNATTRIBUTED
    ? warn(check, found, 'set the attribute user.id on the spans of agents, or on a span above them')
    : ok(check, found);
}

function listed(seen: readonly Seen[]): string {
  const [{ tools, all }] = seen as [Seen];
  const more = Number(tools) - seen.length;
  const names = seen.map(
    ({ tool, calls, last }) => `${tool.slice(0, MAX_NAME)} (${calls}, last ${last} UTC)`,
  );
  return `${count(Number(tools), 'tool')} in ${count(Number(all), 'call')}: ${names.join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}

/** One line of YAML, to be put into the settings as it is, once it says what is true. */
export function ruleFor(tools: readonly string[]): string {
  const globs = tools.map((tool) => JSON.stringify(tool.replace(/[\\*?[\]{}()!+@|"]/g, '\\$&')));
  return `policy: {tools: [{match: [${globs.join(', ')}], classification: confidential}]}`;
}

function shellWord(text: string): string {
  return /^[\w.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
