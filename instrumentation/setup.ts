/**
 * Recording, begun by the app itself: for bundled apps, and Next's `instrumentation.ts`.
 *
 * @module spanledger/instrumentation
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { layoutOf } from '../src/config/layout.ts';
import { isSpanledgerError, messageOf, SpanledgerError } from '../src/errors.ts';
import type { FailMode } from '../src/policy/demands.ts';
import { type AuditOptions, placeOf } from '../src/sdk/audit.ts';
import { otelApi, otelApiOf } from '../src/sdk/otel.ts';
import { conductIn, isDisabled, processDoor } from '../src/sdk/process-door.ts';
import { processWide } from '../src/sdk/process-wide.ts';
import { AuditSpanProcessor } from '../src/sdk/processor.ts';
import { askTerms, relayIn } from '../src/sdk/relay-terms.ts';
import { startShipping } from '../src/sdk/shipping.ts';
import { ADAPTERS } from './adapters.ts';
import type { Adapter } from './contract.ts';
import { exportingProvider } from './exporting.ts';
import { LoadedModules } from './modules.ts';
import { startBlock, tooEarly } from './start-block.ts';
import { Tracing } from './tracing.ts';

/** How long `flush` waits for a store that is slow or away: what is durable waits in the journal. In milliseconds. */
const SHIP_WITHIN_MS = 5_000;

export interface RegisterOptions extends AuditOptions {
  /**
   * What becomes of a tool call that cannot be recorded.
   * @default SPANLEDGER_FAIL_MODE, else `open`
   */
  failMode?: FailMode;
  /** Adapters of the app's own, beside those of this package. */
  adapters?: readonly Adapter[];
}

export interface Registration {
  /**
   * Resolves when all so far is durable, and shipped where that takes no longer than 5 s: for a function that is
   * frozen once it has answered.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`
   */
  flush(): Promise<void>;
  /** Ends the recording, and leaves the app as it was. */
  stop(): Promise<void>;
}

/**
 * Begins to record this process. Once: whoever calls it again gets the same.
 *
 * @throws SpanledgerError fail-closed, where nothing can be recorded; fail-open it says so on stderr, loudly.
 */
export function register(options: RegisterOptions = {}): Promise<Registration> {
  const place = processWide<{ registration?: Promise<Registration> }>('registration', () => ({}));
  place.registration ??= begin(options, () => delete place.registration);
  return place.registration;
}

/** As the registration's, of whatever this process records. */
export async function flush(): Promise<void> {
  const { registration } = processWide<{ registration?: Promise<Registration> }>('registration', () => ({}));
  await (registration === undefined ? processDoor().flush() : (await registration).flush());
}

/** All of it happens before this returns, but where a relay must be asked for the policy first. */
async function begin(options: RegisterOptions, ended: () => void): Promise<Registration> {
  refuseElsewhere();
  const { env } = process;
  if (isDisabled(env)) {
    process.emitWarning('SPANLEDGER_DISABLED is set: nothing this process does is recorded', {
      type: 'SpanledgerWarning',
      code: 'SPANLEDGER_DISABLED',
    });
    return { flush: async () => {}, stop: async () => ended() };
  }
  if (options.failMode !== undefined) env.SPANLEDGER_FAIL_MODE = options.failMode;
  const conduct = conductIn(env);
  let processor: AuditSpanProcessor;
  try {
    const relay = relayIn(env);
    if (relay !== undefined && isMainThread) await askTerms(layoutOf(placeOf(options, env).dir), relay, env);
    processor = new AuditSpanProcessor(options);
  } catch (error) {
    if (conduct.mode === 'closed') throw error;
    sayLoudly(error);
    return { flush: () => processDoor().flush(), stop: async () => ended() };
  }
  const service = env.OTEL_SERVICE_NAME ?? options.writer ?? 'app';
  const resource = { attributes: { 'service.name': service } };
  const api = otelApi();
  let exporting: ReturnType<typeof exportingProvider>;
  const tracing =
    api &&
    new Tracing(api, processor, resource, () => (exporting = exportingProvider(env, resource.attributes)));
  const adapters = [...ADAPTERS, ...(options.adapters ?? [])];
  const modules = new LoadedModules(adapters);
  const undo = adapters.map((adapter) => adapter.enable(processDoor(), modules));
  // A copy of the API of its own, loaded later.
  if (tracing !== undefined)
    undo.push(
      modules.onLoad('@opentelemetry/api', ({ exports }) => {
        tracing.boundary(otelApiOf(exports));
        return undefined;
      }),
    );
  modules.listen((seen) => {
    if (seen.isEarly || !seen.isSupported) process.stderr.write(tooEarly(seen));
  });
  if (isMainThread)
    process.stderr.write(startBlock({ audit: processor.audit, conduct, adapters, seen: modules.seen, env }));
  const shipping = (isMainThread ? startShipping(processor.audit, env) : Promise.resolve(undefined)).catch(
    (error: unknown) => {
      process.emitWarning(`records wait in the journal and are not shipped: ${messageOf(error)}`, {
        type: 'SpanledgerWarning',
        code: 'SPANLEDGER_SHIP',
      });
      return undefined;
    },
  );
  const flushAll = async () => {
    await processDoor().flush();
    await Promise.all([
      shipping.then((started) => started?.shipped(SHIP_WITHIN_MS)),
      // Its traces are no part of the ledger: a collector that is away fails nobody who waits for this.
      exporting &&
        Promise.race([
          exporting.forceFlush().catch(() => undefined),
          wait(SHIP_WITHIN_MS, undefined, { ref: false }),
        ]),
    ]);
  };
  return {
    flush: flushAll,
    async stop() {
      ended();
      for (const each of undo) each();
      tracing?.stop();
      await (await shipping)?.stop(SHIP_WITHIN_MS);
      await processor.shutdown();
    },
  };
}

/** Elsewhere there is no disk to keep anything on, and Node's modules are only a likeness. */
function refuseElsewhere(): void {
  const { EdgeRuntime } = globalThis as { EdgeRuntime?: unknown };
  if (EdgeRuntime === undefined && process.release?.name === 'node' && !('bun' in process.versions)) return;
  throw new SpanledgerError('usage_invalid', 'spanledger records in Node.js alone: this is another runtime', {
    hint: "call it where process.env.NEXT_RUNTIME === 'nodejs', and send spans of other runtimes to `spanledger serve`",
  });
}

function sayLoudly(error: unknown): void {
  const hint = isSpanledgerError(error) && error.hint !== undefined ? `\n  Try: ${error.hint}` : '';
  process.stderr.write(
    `spanledger: NOT RECORDING: ${messageOf(error)}${hint}\n  The app goes on unrecorded; with SPANLEDGER_FAIL_MODE=closed it would not have started.\n`,
  );
}
