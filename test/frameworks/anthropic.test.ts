import { describe } from 'vitest';
import { agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

describe.each(['0', '1'])('Anthropic SDK %s', (major) =>
  agentSuite(
    {
      name: 'anthropic',
      adapter: 'anthropic',
      formats: ['esm', 'cjs'],
      steps: {
        lookup_patient: 'lookup_patient success',
        stream: 'lookup_patient success',
        parallel: ['lookup_patient success', 'lookup_patient success'],
        fail: 'fail failure',
        deny: 'deny denied',
        abort: 'hang interrupted',
      },
      // The runner tells the model of any error.
      refused: /^answered/,
    },
    placeOf(`anthropic-${major}`),
  ),
);
