// Another --import, as Sentry's documentation has it. Environment: SENTRY_RATE, of its sampler; SENTRY_OTEL, whether
// it is the app's provider of OpenTelemetry.
import * as Sentry from '@sentry/node';

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  tracesSampleRate: Number(process.env.SENTRY_RATE),
  enableOpenTelemetrySetup: process.env.SENTRY_OTEL === 'true',
});
