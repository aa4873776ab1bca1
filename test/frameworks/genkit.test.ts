import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

describe('Genkit 1', () =>
  agentSuite(
    {
      name: 'genkit',
      adapter: 'genkit',
      formats: ['esm', 'cjs'],
      isIdKnown: false,
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        dynamic: 'dynamic success',
        fail: 'fail failure',
        deny: 'deny denied',
        approve: 'approve interrupted',
      },
      refused: /the tool lookup_patient was not called/,
    },
    placeOf('genkit-1'),
  ));
