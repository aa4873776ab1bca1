import { anthropic } from './anthropic.ts';
import type { Adapter } from './contract.ts';
import { genkit } from './genkit.ts';
import { googleAdk } from './google-adk.ts';
import { langchain } from './langchain.ts';
import { mastra } from './mastra.ts';
import { mcpClient } from './mcp-client.ts';
import { mcpServer } from './mcp-server.ts';
import { openai } from './openai.ts';
import { openaiAgents } from './openai-agents.ts';
import { vercelAi } from './vercel-ai.ts';

/** One line an adapter. */
export const ADAPTERS: readonly Adapter[] = [
  mcpClient,
  mcpServer,
  vercelAi,
  openai,
  anthropic,
  langchain,
  openaiAgents,
  genkit,
  mastra,
  googleAdk,
];
