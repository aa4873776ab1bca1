import type { Dialect, Reading } from './activity.ts';
import { present, textAttribute } from './values.ts';

/**
 * The OpenTelemetry conventions for the Model Context Protocol: `mcp.method.name` on the client's span and the
 * server's. Where an agent framework already traces the tool, both tell of the same call.
 */
export const mcp: Dialect = {
  name: 'mcp',
  marks: (attribute) => attribute === 'mcp.method.name',
  read({ attributes: a, name }) {
    const method = textAttribute(a, 'mcp.method.name');
    if (method === undefined) return undefined;
    const isCall = method === 'tools/call';
    return present<Reading>({
      kind: isCall ? 'tool' : method === 'resources/read' ? 'retrieval' : 'wrapper',
      why: `mcp.method.name is ${method}`,
      // The target follows the method in the span's name.
      toolName: isCall
        ? (textAttribute(a, 'gen_ai.tool.name') ?? /\btools\/call (.+)$/.exec(name)?.[1])
        : undefined,
      resourceId: textAttribute(a, 'mcp.resource.uri'),
    });
  },
};
