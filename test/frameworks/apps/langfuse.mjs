// An app with Langfuse, which another --import has begun.
import { startActiveObservation, startObservation } from '@langfuse/tracing';
import { shipped, visit } from './visit.mjs';

await startActiveObservation('visit', async (observation) => {
  observation.update({ input: 'look it up' });
  const generation = startObservation('answer', { model: 'm-1', input: 'hello' }, { asType: 'generation' });
  generation.update({ output: 'hi', usageDetails: { input: 3, output: 1 } }).end();
  await visit();
  await shipped();
  observation.update({ output: 'done' });
});
await globalThis.langfuse.shutdown();
