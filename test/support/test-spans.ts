import { type AttributeValue, blankSpan, type Span } from '../../src/span.ts';
import { type Understood, understand } from '../../src/understand.ts';
import { id, POLICY } from './ledger-kit.ts';

export interface ToolSpan {
  traceId?: string;
  spanId?: string;
  tool?: string;
  conversation?: string;
  args?: unknown;
  attributes?: { [name: string]: AttributeValue };
}

/** A tool's execution by the GenAI conventions, with ids of its own unless given. */
export function toolSpan(options: ToolSpan = {}): Span {
  const attributes: { [name: string]: AttributeValue } = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': options.tool ?? 'list_files',
    'gen_ai.tool.call.arguments': JSON.stringify(options.args ?? { path: '/tmp' }),
    'gen_ai.agent.name': 'tester',
    ...(options.conversation === undefined ? {} : { 'gen_ai.conversation.id': options.conversation }),
    ...options.attributes,
  };
  return {
    ...blankSpan({ name: 'test', version: '1' }, new Map([['service.name', 'test']])),
    traceId: options.traceId ?? id(16),
    spanId: options.spanId ?? id(8),
    name: 'execute_tool',
    startTimeUnixNano: 1_790_000_000_000_000_000n,
    endTimeUnixNano: 1_790_000_000_038_000_000n,
    attributes: new Map(Object.entries(attributes)),
  };
}

export function toolCall(options: ToolSpan = {}): Understood {
  return understand(toolSpan(options), POLICY);
}

export function toolCalls(count: number, options: ToolSpan = {}): Understood[] {
  return Array.from({ length: count }, () => toolCall(options));
}
