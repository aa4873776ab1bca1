import type { Adapter } from './contract.ts';
import { mcpClient } from './mcp-client.ts';
import { mcpServer } from './mcp-server.ts';

/** One line an adapter. */
export const ADAPTERS: readonly Adapter[] = [mcpClient, mcpServer];
