import { describe } from 'vitest';
import { mcpSuite } from './mcp.suite.ts';
import { placeOf } from './places.ts';

describe('MCP SDK 1', () => mcpSuite('1', placeOf('mcp-1'), { hasTasks: true }));
describe('MCP SDK 1.13', () => mcpSuite('1', placeOf('mcp-1.13')));
describe('MCP SDK 2', () => mcpSuite('2', placeOf('mcp-2')));
