import { createRequire } from 'node:module';
import { join } from 'node:path';

type Suppress = <T>(work: () => T) => T;

let found: Suppress | undefined;
let isSought = false;

/**
 * Sentry's own word for what is to leave no span and no breadcrumb, which goes by no context of OpenTelemetry.
 * Undefined in an app without it, and in one that has bundled it. Each copy of it speaks for all of its version.
 */
export function sentrySuppress(): Suppress | undefined {
  if (isSought || !('__SENTRY__' in globalThis)) return found;
  isSought = true;
  for (const name of ['@sentry/node', '@sentry/core'])
    try {
      const app = createRequire(join(process.cwd(), 'index.js'));
      const core = createRequire(app.resolve(name))('@sentry/core') as { suppressTracing?: Suppress };
      found = core.suppressTracing;
      break;
    } catch {
      // the next may be there
    }
  return found;
}
