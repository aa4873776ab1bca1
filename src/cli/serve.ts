import { SpanledgerError } from '../errors.ts';
import { OtlpReceiver } from '../server/otlp-http.ts';
import { Shipper } from '../server/shipper.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import type { Output } from './output.ts';

export interface ServeOptions extends LedgerOptions {
  otlpListen: string;
}

/** How long a drain may take to bring the last records to the store: what is left is shipped at the next start. */
const DRAIN_MS = 30_000;

/**
 * The sidecar: takes OTLP, answers when it is durable in the journal, and carries it to the store. SIGTERM and
 * SIGINT drain: nothing new is taken, what is under way is answered, the chain is closed and shipped.
 */
export async function serveCommand(options: ServeOptions, out: Output): Promise<number> {
  const { host, port } = addressOf(options.otlpListen);
  const ledger = await Ledger.open(options, 'write');
  try {
    const journal = ledger.takeJournal('serve');
    try {
      const writer = ledger.writer(journal, 'serve');
      const receiver = new OtlpReceiver({ writer, policy: ledger.policy });
      const shipper = new Shipper(writer, ledger.target, ({ stopped }) => {
        for (const { chainId, kind, seq } of stopped) out.log(`Warning: ${kind} at ${chainId}:${seq}`);
      });
      const otlp = `http://${host.includes(':') ? `[${host}]` : host}:${await receiver.listen(host, port)}`;
      shipper.start();
      out.document({ ready: true, otlp });
      out.line(
        `Taking OTLP at ${otlp}/v1/traces and /v1/logs; the ledger is ${ledger.deployment.layout.dir}`,
      );
      await signalled();
      out.log('Draining');
      await receiver.close();
      await shipper.stop();
      await writer.close();
      await withinTime(ledger.ship(writer, out), DRAIN_MS);
    } finally {
      await journal.close();
    }
    return 0;
  } finally {
    await ledger.close();
  }
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** Whoever can reach the port can write records in anybody's name, so until there are tokens only this machine may. */
function addressOf(listen: string): { host: string; port: number } {
  const [, bracketed, plain, text] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  const port = Number(text);
  if (host === undefined || port > 65_535) {
    throw new SpanledgerError('usage_invalid', `--otlp-listen ${listen} is no address`, {
      hint: 'write it as 127.0.0.1:4318; port 0 takes a free one',
    });
  }
  if (!LOOPBACK.test(host)) {
    throw new SpanledgerError('usage_invalid', `--otlp-listen ${listen} is open to other machines`, {
      hint: 'listen on 127.0.0.1 and put a Collector with authentication in front: tokens and TLS are not there yet',
    });
  }
  return { host, port };
}

async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** The store may be away: then the journal keeps what is left. */
async function withinTime(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([
    work.then(
      () => undefined,
      () => undefined,
    ),
    timeout,
  ]);
  clearTimeout(timer);
}
