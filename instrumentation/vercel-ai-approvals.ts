/** A call of a tool that a person was asked about, and refused. */
export interface RefusedCall {
  name: string;
  callId: string;
  arguments: unknown;
  reason: string | undefined;
}

interface Part {
  type?: string;
  toolCallId?: string;
  toolName?: string;
  input?: unknown;
  approvalId?: string;
  approved?: boolean;
  reason?: string;
  output?: { type?: string };
}

interface Message {
  role?: string;
  content?: unknown;
}

/** Answers that have been told: an agent's messages come by twice, and a call may be tried again with the same. */
const told = new WeakSet<Part>();

/**
 * What the messages given to a call of the Vercel AI SDK say was refused since the model last answered: the refusals
 * in the last of them, of which the SDK tells the model now. Each is answered once. Does not throw: of messages that
 * cannot be read the SDK says so itself.
 */
export function refusedCalls({ messages, prompt }: { messages?: unknown; prompt?: unknown }): RefusedCall[] {
  try {
    return refusedIn((Array.isArray(messages) ? messages : Array.isArray(prompt) ? prompt : []) as Message[]);
  } catch {
    return [];
  }
}

function refusedIn(messages: readonly Message[]): RefusedCall[] {
  const last = messages.at(-1);
  if (last?.role !== 'tool') return [];
  const answers = partsOf(last);
  const said = messages.filter(({ role }) => role === 'assistant').flatMap(partsOf);
  const refused: RefusedCall[] = [];
  for (const answer of answers) {
    if (answer.type !== 'tool-approval-response' || answer.approved !== false || told.has(answer)) continue;
    const asked = said.find(
      ({ type, approvalId }) => type === 'tool-approval-request' && approvalId === answer.approvalId,
    );
    const isCall = ({ toolCallId }: Part) => toolCallId === asked?.toolCallId;
    const {
      toolCallId: callId,
      toolName: name,
      input,
    } = said.find((part) => part.type === 'tool-call' && isCall(part)) ?? {};
    const result = answers.find((part) => part.type === 'tool-result' && isCall(part));
    // One that has run is no refused call, whatever was answered.
    const hasRun = result !== undefined && result.output?.type !== 'execution-denied';
    if (callId === undefined || name === undefined || hasRun) continue;
    told.add(answer);
    refused.push({ name, callId, arguments: input, reason: answer.reason });
  }
  return refused;
}

function partsOf({ content }: Message): Part[] {
  return Array.isArray(content)
    ? content.filter((part): part is Part => typeof part === 'object' && part !== null)
    : [];
}
