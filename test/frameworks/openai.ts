import type { AgentFramework } from './agent.suite.ts';

/** `chat.completions.runTools`. Nothing tells it of an agent. */
export const OPENAI: AgentFramework = {
  name: 'openai',
  adapter: 'openai',
  formats: ['esm', 'cjs'],
  steps: {
    lookup_patient: 'lookup_patient success',
    stream: 'lookup_patient success',
    parallel: ['lookup_patient success', 'lookup_patient success'],
    fail: 'fail failure',
    deny: 'deny denied',
    abort: 'hang interrupted',
  },
  refused: /the tool lookup_patient was not called/,
};
