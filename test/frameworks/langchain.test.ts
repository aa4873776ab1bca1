import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

describe.each(['0', '1'])('LangChain %s', (major) =>
  agentSuite(
    {
      name: 'langchain',
      adapter: 'langchain',
      formats: ['esm', 'cjs'],
      knows: { agent: { name: 'ward-agent' }, conversation_id: 'visit-9' },
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        fail: 'fail failure',
        deny: 'deny denied',
        abort: 'hang interrupted',
        approve: 'approve interrupted',
      },
      refused: /the tool lookup_patient was not called/,
    },
    placeOf(`langchain-${major}`),
  ),
);
