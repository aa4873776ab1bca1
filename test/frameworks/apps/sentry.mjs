// An app with Sentry, which another --import has begun.
import * as Sentry from '@sentry/node';
import { shipped, visit } from './visit.mjs';

await Sentry.startSpan({ name: 'visit', op: 'function' }, async () => {
  Sentry.addBreadcrumb({ message: 'the visit begins' });
  await visit();
  await shipped();
  Sentry.captureException(new Error('the visit went wrong'));
});
await Sentry.flush(10_000);
