import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { OPENAI } from './openai.ts';
import { placeOf } from './places.ts';

describe.each(['5', '6', '7'])('OpenAI SDK %s', (major) => agentSuite(OPENAI, placeOf(`openai-${major}`)));
