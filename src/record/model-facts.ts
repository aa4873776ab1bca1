import type { Activity, Message, Usage } from '../genai/activity.ts';
import { lastAnswer, newToolResults, userMessages } from '../genai/messages.ts';
import { present } from '../genai/values.ts';
import type { Cleaner } from './cleaner.ts';
import { keptInput, keptText } from './contents.ts';
import type { Contents, ModelFacts } from './facts.ts';
import type { AuditRecord } from './record.ts';
import { isIndex, reportedTool } from './tool-facts.ts';

const MAX_REASONS = 10;

/** A model call: names, counts and digests of what was asked and answered, never the text. */
export function modelFacts(activity: Activity, clean: Cleaner): ModelFacts {
  const { input = [], output = [], systemInstructions } = activity;
  const written = userMessages(input);
  const last = input.at(-1);
  let asking: string | undefined;
  const askingPrompt = () => (asking ??= promptBefore(input, clean));
  const answer = output
    .map((each) => each.text)
    .filter(Boolean)
    .join('\n');
  const content = present<NonNullable<AuditRecord['content']>>({
    answer: answer === '' ? undefined : clean.content('answer', answer),
    prompt: input.length > 0 ? clean.content('prompt', inputText(input)) : undefined,
  });
  const { prompts, answers } = clean.policy.document.content ?? {};
  const contents = present<Contents>({
    answer: content.answer && answers === 'vault' ? keptText(answer, content.answer, clean) : undefined,
    prompt:
      content.prompt && prompts === 'vault'
        ? keptInput(input, systemInstructions, content.prompt, clean)
        : undefined,
  });
  const userMessage =
    last !== undefined && last === written.at(-1)
      ? messageFacts(last.text, prompts === 'vault', clean)
      : undefined;
  return present<ModelFacts>({
    names: modelNames(activity, clean),
    usage: activity.usage && usageOf(activity.usage),
    finishReasons: activity.finishReasons?.slice(0, MAX_REASONS).map((reason) => clean.said(reason)),
    promptDigest: systemInstructions === undefined ? undefined : clean.instructionsDigest(systemInstructions),
    content: Object.keys(content).length > 0 ? content : undefined,
    detected: answer === '' ? undefined : clean.detectedIn(answer),
    contents: Object.keys(contents).length > 0 ? contents : undefined,
    toolCalls: output
      .flatMap((each) => each.toolCalls)
      .map((call) =>
        present({
          arguments_digest: clean.argumentsDigest(call.arguments),
          id: call.id === undefined || isIndex(call.id, call.name) ? undefined : clean.id(call.id),
          name: clean.said(call.name),
        }),
      ),
    turn: written.length > 0 ? written.length : undefined,
    userMessage,
    reported: newToolResults(input).map((answer) => reportedTool(answer, askingPrompt, clean)),
  });
}

function messageFacts(text: string, isVaulted: boolean, clean: Cleaner): ModelFacts['userMessage'] {
  const content = clean.content('message', text);
  const kept = isVaulted ? keptText(text, content, clean) : undefined;
  return present({ content, detected: clean.detectedIn(text), kept });
}

function usageOf(usage: Usage): { [kind: string]: number } {
  return present({
    cache_creation_input_tokens: usage.cache_creation_input_tokens,
    cache_read_input_tokens: usage.cache_read_input_tokens,
    input_tokens: usage.input_tokens,
    output_tokens: usage.output_tokens,
    reasoning_output_tokens: usage.reasoning_output_tokens,
  });
}

export function modelNames(activity: Activity, clean: Cleaner): ModelFacts['names'] {
  return present({
    provider: clean.said(activity.provider),
    request: clean.said(activity.requestModel),
    response: clean.said(activity.responseModel),
  });
}

/** The digest that `content.prompt` had in the call whose answer this input repeats last. */
function promptBefore(input: readonly Message[], clean: Cleaner): string {
  const { from } = lastAnswer(input);
  return clean.digest('prompt', inputText(from < 0 ? input : input.slice(0, from)));
}

function inputText(messages: readonly Message[]): string {
  return JSON.stringify(messages.map((each) => [each.role, each.text, each.toolCalls, each.toolResults]));
}
