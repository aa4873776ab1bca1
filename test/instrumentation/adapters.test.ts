import { describe } from 'vitest';
import { agentSuite } from '../frameworks/agent.suite.ts';
import { mcpSuite } from '../frameworks/mcp.suite.ts';
import { OPENAI } from '../frameworks/openai.ts';
import { HERE } from '../frameworks/places.ts';

// Two of the frameworks of test/frameworks, of the versions this package is developed with.
describe('MCP SDK', () => mcpSuite('2', HERE));
describe('OpenAI SDK', () => agentSuite(OPENAI, HERE));
