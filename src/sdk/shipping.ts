import { basename, join } from 'node:path';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import type { Environment } from '../config/deployment.ts';
import { isSpanledgerError, messageOf } from '../errors.ts';
import { Journal, listJournals } from '../journal/journal.ts';
import { ship } from '../ship.ts';
import { Shipper } from '../shipper.ts';
import type { Target } from '../target/target.ts';
import type { Audit } from './audit.ts';
import { guestAgent } from './guest-agent.ts';
import { suppressed } from './otel.ts';
import { relayIn } from './relay-terms.ts';

/** How often it is looked for journals of the same name that a dead process has left. In milliseconds. */
const LOOK_FOR_DEAD_MS = 60_000;

/** Carries an app's records away, beside the app. */
export interface Shipping {
  /** Waits until all that is durable by now has been shipped, and no longer than so many milliseconds. */
  shipped(within: number): Promise<void>;
  /** What is not shipped by then waits for its heir. */
  stop(within: number): Promise<void>;
}

/**
 * Ships an app's journal, and those that processes of its name have left, to the relay or the ClickHouse its
 * environment names; undefined where it names none. It never keeps the process running, and nothing of it is a
 * span. A target that is away is told once, and tried again for ever.
 */
export async function startShipping(audit: Audit, env: Environment): Promise<Shipping | undefined> {
  const opened = await targetIn(env);
  if (opened === undefined) return undefined;
  const target = quiet(opened.target);
  let toldOf: string | undefined;
  const shipper = new Shipper(
    audit.writer,
    target,
    {
      shipped: ({ stopped }) => {
        toldOf = undefined;
        for (const { chainId, kind, seq } of stopped)
          warn(
            `${kind} at ${chainId}:${seq}: another record, or none, stands in the store; the ledger says so`,
          );
      },
      failed: (error) => {
        const code = isSpanledgerError(error) ? error.code : 'unknown';
        if (code !== toldOf) warn(`records wait in ${audit.writer.journal.dir}: ${messageOf(error)}`);
        toldOf = code;
      },
    },
    true,
  );
  audit.recorder.committed = () => shipper.wake();
  shipper.start();
  const inherit = () => void inheritFrom(audit, target).catch(() => undefined);
  inherit();
  const looking = setInterval(inherit, LOOK_FOR_DEAD_MS).unref();
  return {
    async shipped(within) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, within);
      });
      // What fails is told, and waits.
      await Promise.race([shipper.shipped().catch(() => undefined), late]);
      clearTimeout(timer);
    },
    async stop(within) {
      clearInterval(looking);
      audit.recorder.committed = () => {};
      if (await shipper.stop(within)) await opened.close();
    },
  };
}

async function targetIn(
  env: Environment,
): Promise<{ target: Target; close: () => Promise<void> } | undefined> {
  const relay = relayIn(env);
  if (relay !== undefined) return { target: relay, close: async () => {} };
  const { CLICKHOUSE_URL: url } = env;
  if (!url) return undefined;
  // Only an app that sends to one itself loads its client; the engine is loaded by none.
  const [{ Store }, { StoreTarget }] = await Promise.all([
    import('../store/client.ts'),
    import('../store/target.ts'),
  ]);
  const store = Store.server(url, guestAgent(url));
  return { target: new StoreTarget(store), close: () => store.close() };
}

function quiet(target: Target): Target {
  return {
    standing: (chainId, seq) => suppressed(() => target.standing(chainId, seq)),
    deliver: (batch, how) => suppressed(() => target.deliver(batch, how)),
  };
}

/** Those of the same role that nobody holds, one after another. What is broken is left to a command, which says so. */
async function inheritFrom(audit: Audit, target: Target): Promise<void> {
  const { journals } = audit.deployment.layout;
  for (const name of listJournals(journals)) {
    if (!isSameRole(name, audit.writer.journal.dir)) continue;
    const journal = openedOrNot(join(journals, name));
    if (journal === undefined) continue;
    try {
      const heir = audit.heirOf(journal);
      await ship(heir, target);
      await heir.close();
    } finally {
      await journal.close();
    }
  }
}

/** One that is broken keeps nobody from those behind it. */
function openedOrNot(dir: string): Journal | undefined {
  try {
    return Journal.open(dir);
  } catch {
    return undefined;
  }
}

function isSameRole(name: string, dir: string): boolean {
  const roleOf = (journal: string) => journal.slice(0, journal.lastIndexOf('-'));
  const own = basename(dir);
  return own !== name && roleOf(own) === roleOf(name);
}

function warn(message: string): void {
  process.emitWarning(message, { type: 'SpanledgerWarning', code: 'SPANLEDGER_SHIP' });
}
