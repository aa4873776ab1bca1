import { describe } from 'vitest';
import { type AgentFramework, agentSuite } from './agent.suite.ts';
import { placeOf } from './places.ts';

/** A tool that throws is told to the model, as is one that could not be called. */
const AI: AgentFramework = {
  name: 'ai',
  adapter: 'vercel-ai',
  formats: ['esm', 'cjs'],
  knows: { agent: { name: 'ward-agent' } },
  steps: {
    lookup_patient: 'lookup_patient success',
    stream: 'lookup_patient success',
    parallel: ['lookup_patient success', 'lookup_patient success'],
    progress: 'progress success',
    iterable: 'iterable success',
    fail: 'fail failure',
    deny: 'deny denied',
    abort: 'hang interrupted',
  },
  refused: /"audit_unavailable"/,
};

const VERSIONS = [
  ['5', ['esm', 'cjs']],
  ['6', ['esm', 'cjs']],
  // It is ESM alone.
  ['7', ['esm']],
] as const;

/** Version 5 asks nobody. */
const stepsOf = (major: string) => ({
  ...AI.steps,
  ...(major === '5' ? {} : { ask_first: 'ask_first denied' }),
});

describe.each(VERSIONS)('Vercel AI SDK %s', (major, formats) =>
  agentSuite({ ...AI, steps: stepsOf(major), formats }, placeOf(`ai-${major}`)),
);
describe.each(VERSIONS)('an agent of Vercel AI SDK %s', (major) =>
  agentSuite(
    { ...AI, steps: stepsOf(major), formats: [], args: ['agent'], refused: /^answered/ },
    placeOf(`ai-${major}`),
  ),
);
describe.each(VERSIONS)('Vercel AI SDK %s, with its own telemetry', (major) =>
  agentSuite({ ...AI, steps: stepsOf(major), formats: [], args: ['traced'] }, placeOf(`ai-${major}`)),
);
