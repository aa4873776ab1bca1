import type { Clock } from '../../src/clock.ts';
import { systemClock } from '../../src/clock.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { Writer } from '../../src/pipeline.ts';
import { compilePolicy, type Policy } from '../../src/policy/policy.ts';
import { policyOf, policySchema } from '../../src/policy/schema.ts';
import type { Store } from '../../src/store/client.ts';
import { sealedAt, wrappedKeys } from '../../src/store/contents.ts';
import { recordAt } from '../../src/store/record-at.ts';
import { type Understood, understand } from '../../src/understand.ts';
import { keyIdOf, openContent } from '../../src/vault/blob.ts';
import type { ContentKeys } from '../../src/vault/content-keys.ts';
import { vaultedIn } from '../../src/vault/sealed.ts';
import { unwrapKey } from '../../src/vault/wrapped-key.ts';
import { id, LEDGER_ID, MASTER } from './ledger-kit.ts';
import { assistant, modelSpan, toolSpan, user } from './spans.ts';

export const CONTENT_KEYS: ContentKeys = [{ id: 'c1', secret: Buffer.alloc(32, 9) }];

/** A policy of settings' `policy:`. */
export function policyWith(settings: object): Policy {
  return compilePolicy(MASTER, policyOf(policySchema.parse(settings)));
}

/** Vaults everything. */
export const VAULTING = policyWith({ content: { prompts: 'vault', answers: 'vault', tools: 'vault' } });

export interface VaultSaid {
  policy?: Policy;
  keys?: ContentKeys;
  clock?: Clock;
}

export function vaultWriter(journal: Journal, said: VaultSaid = {}): Writer {
  const { policy = VAULTING, keys = CONTENT_KEYS, clock = systemClock } = said;
  return new Writer({
    journal,
    policy,
    ledgerId: LEDGER_ID,
    clock,
    writer: 'test',
    version: '0',
    origin: 'test.example/ledger',
    contentKeys: () => keys,
  });
}

const ids = () => ({ trace: id(16), id: id(8) });

/** A tool call whose arguments and result are these; one record with two contents, and its accesses. */
export function toolSaying(args: unknown, result: unknown, policy = VAULTING): Understood {
  return understand(toolSpan('list_files', { args, result }, {}, ids()), policy);
}

/** A model call of a user: a message received, and an answer. */
export function modelSaying(prompt: string, answer: string, policy = VAULTING, userId = 'u-1'): Understood {
  const more = { 'gen_ai.output.messages': [assistant(answer)], 'user.id': userId };
  return understand(modelSpan([user(prompt)], more, ids()), policy);
}

/** Every content that records in a store refer to, opened; what does not open is told. */
export async function openAll(store: Store, keys: ContentKeys = CONTENT_KEYS): Promise<string[]> {
  const places = await store.query<{ chain: string; seq: string }>(
    `SELECT chain_id AS chain, seq FROM spanledger.audit_records WHERE payload LIKE '%"ref":"sha256:%' ORDER BY chain, seq`,
  );
  const texts: string[] = [];
  for (const { chain, seq } of places) {
    const place = { chainId: chain, seq: Number(seq) };
    const { payload } = (await recordAt(store, chain, place.seq))!;
    for (const { field, digest } of vaultedIn(JSON.parse(payload))) {
      const [sealed] = await sealedAt(store, { ...place, field, digest });
      const [wrapped] = sealed === undefined ? [] : await wrappedKeys(store, [keyIdOf(sealed)]);
      const master = keys.find((key) => key.id === wrapped?.master);
      const secret = wrapped && master && unwrapKey(wrapped, master, LEDGER_ID);
      texts.push(
        (secret && openContent(sealed!, secret, LEDGER_ID)) ?? `${chain}:${seq} ${field} does not open`,
      );
    }
  }
  return texts;
}
