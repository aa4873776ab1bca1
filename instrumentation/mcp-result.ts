interface CallToolResult {
  isError?: boolean;
  structuredContent?: unknown;
  content?: unknown;
}

/** What a tool of an MCP server answered, without its wrapping. An error stays wrapped: that tells it is one. */
export function mcpResult(answer: unknown): unknown {
  const { isError, structuredContent, content } = Object(answer) as CallToolResult;
  if (isError === true) return answer;
  if (structuredContent !== undefined) return structuredContent;
  if (!Array.isArray(content) || content.length !== 1) return answer;
  const { type, text } = Object(content[0]) as { type?: unknown; text?: unknown };
  return type === 'text' ? text : answer;
}
