import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

describe('Google ADK 2', () =>
  agentSuite(
    {
      name: 'google-adk',
      adapter: 'google-adk',
      formats: ['esm', 'cjs'],
      knows: { agent: { name: 'ward_agent' }, conversation_id: 'visit-9' },
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        fail: 'fail failure',
        deny: 'deny denied',
        abort: 'hang interrupted',
        ask_first: ['ask_first interrupted', 'ask_first denied'],
        strict: 'strict failure',
        long: 'long success',
        own: 'own success',
        careful: 'careful success',
      },
      refused: /the tool lookup_patient was not called/,
    },
    placeOf('google-adk-2'),
  ));
