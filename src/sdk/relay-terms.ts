import { readFileSync } from 'node:fs';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Environment } from '../config/deployment.ts';
import { createOnce, replaceFile } from '../config/durable.ts';
import type { Layout } from '../config/layout.ts';
import { SpanledgerError } from '../errors.ts';
import { RelayTarget, type RelayTerms } from '../target/relay.ts';
import { guestFetch } from './guest-fetch.ts';
import { suppressed } from './otel.ts';

/** An app's start waits no longer for its relay, and goes by what that said before. In milliseconds. */
const WAIT_MS = 3_000;

/** What the relay said last, where it ever did. */
export function keptTerms({ relayFile }: Layout): RelayTerms | undefined {
  try {
    const terms = JSON.parse(readFileSync(relayFile, 'utf8')) as RelayTerms;
    return terms.policy?.version === 1 ? terms : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Asks an app's relay which ledger it is of and by which policy it records, and keeps the answer. A new directory
 * becomes one of that ledger.
 *
 * @throws SpanledgerError `store_unreachable`, `relay_refused` where it never answered before; `config_invalid` where
 * the directory is another ledger's.
 */
export async function askTerms(layout: Layout, relay: RelayTarget, env: Environment): Promise<void> {
  let terms: RelayTerms;
  try {
    terms = await soon(suppressed(() => relay.terms()));
  } catch (error) {
    if (keptTerms(layout) !== undefined) return;
    throw error;
  }
  const { SPANLEDGER_LEDGER_ID: given } = env;
  if (given === undefined)
    createOnce(layout.ledgerFile, `${JSON.stringify({ ledger_id: terms.ledger_id })}\n`);
  const own =
    given ?? (JSON.parse(readFileSync(layout.ledgerFile, 'utf8')) as { ledger_id?: string }).ledger_id;
  if (own !== terms.ledger_id)
    throw new SpanledgerError(
      'config_invalid',
      `${given === undefined ? layout.ledgerFile : 'SPANLEDGER_LEDGER_ID'} is of ledger ${own}, and the relay of ${terms.ledger_id}`,
      { hint: 'give this app a directory of its own by SPANLEDGER_DIR, or the address of its own relay' },
    );
  replaceFile(layout.relayFile, `${JSON.stringify(terms)}\n`);
}

async function soon<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new SpanledgerError('store_unreachable', `the relay does not answer within ${WAIT_MS} ms`, {
            hint: 'is the sidecar up, and is SPANLEDGER_ENDPOINT its address?',
          }),
        ),
      WAIT_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The relay of an app's environment. */
export function relayIn(env: Environment): RelayTarget | undefined {
  const { SPANLEDGER_ENDPOINT: endpoint, SPANLEDGER_TOKEN: token } = env;
  return endpoint ? new RelayTarget({ endpoint, token: token || undefined, fetch: guestFetch }) : undefined;
}
