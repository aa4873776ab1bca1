import type { Attributes } from '../span.ts';
import type { Dialect, Message, Reading } from './activity.ts';
import { flattened } from './flattened.ts';
import { readMessages, systemText } from './messages.ts';
import { isObject, present, textAttribute } from './values.ts';

/**
 * Traceloop before it took up the conventions' messages (and OpenLLMetry for Python still): `llm.request.type`,
 * prompts flattened into `gen_ai.prompt.N.*`, answers into `gen_ai.completion.N.*`. The rest is the conventions'.
 */
export const traceloopLegacy: Dialect = {
  name: 'traceloop_legacy',
  marks: (attribute) =>
    attribute === 'llm.request.type' ||
    attribute.startsWith('gen_ai.prompt.') ||
    attribute.startsWith('gen_ai.completion.'),
  read({ attributes: a }) {
    const type = textAttribute(a, 'llm.request.type');
    const input = messagesAt(a, 'gen_ai.prompt');
    const output = messagesAt(a, 'gen_ai.completion');
    if (type === undefined && input === undefined && output === undefined) return undefined;
    const isModel = type === undefined || type === 'chat' || type === 'completion';
    return present<Reading>({
      kind: isModel ? 'model' : 'wrapper',
      why: type === undefined ? 'it has prompts or completions' : `llm.request.type is ${type}`,
      finishReasons: finishReasons(a),
      systemInstructions: systemText(input),
      input,
      output,
    });
  },
};

function messagesAt(a: Attributes, prefix: string): Message[] | undefined {
  const list = flattened(a, prefix);
  if (!Array.isArray(list)) return undefined;
  return readMessages(
    list.map((each) => (isObject(each) && each.content === 'null' ? { ...each, content: '' } : each)),
  );
}

function finishReasons(a: Attributes): string[] | undefined {
  const reason = textAttribute(a, 'gen_ai.completion.0.finish_reason');
  return reason === undefined ? undefined : [reason];
}
