import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

describe.each(['0.13', '0.20'])('OpenAI Agents SDK %s', (version) =>
  agentSuite(
    {
      name: 'openai-agents',
      adapter: 'openai-agents',
      formats: ['esm', 'cjs'],
      knows: { agent: { name: 'ward-agent' } },
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        fail: 'fail failure',
        deny: 'deny denied',
        approve: 'approve denied',
      },
      refused: /the tool lookup_patient was not called/,
    },
    placeOf(`openai-agents-${version}`),
  ),
);
