import { id } from './ledger-kit.ts';

type Attributes = { [name: string]: string };

/** OTLP JSON of one call of each tool, on behalf of a user whom a span says, and of what more is given. */
export function toolTraces(tools: readonly string[], more: Attributes = {}): string {
  const spans = tools.map((tool) => ({
    traceId: id(16),
    spanId: id(8),
    name: `execute_tool ${tool}`,
    kind: 1,
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000038000000',
    attributes: attributesOf({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': tool,
      'gen_ai.conversation.id': 'conv-1',
      'user.id': 'clerk-4',
      ...more,
    }),
  }));
  const resource = { attributes: attributesOf({ 'service.name': 'test' }) };
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'test' }, spans }] }] });
}

function attributesOf(attributes: Attributes) {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }));
}
