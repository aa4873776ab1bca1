import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deliverContents, type PlacedContent } from '../../src/store/contents.ts';
import { embeddedStore } from '../support/embedded-store.ts';

describe('contents brought to the store', () => {
  const embedded = embeddedStore();

  const content = (text: string, expiresAt: number): PlacedContent => {
    const key = { id: 'ab'.repeat(16), subject: 'nobody', master: 'c1', wrapped: 'AAAA' };
    const sealed = Buffer.concat([Buffer.from(key.id, 'hex'), Buffer.from(text)]);
    const ref = `sha256:${hash('sha256', sealed, 'hex')}`;
    return { field: 'prompt', ref, retentionClass: 'default', expiresAt, key, sealed, chainId: text, seq: 1 };
  };
  const there = async () =>
    (
      await embedded.store.query<{ chain: string }>('SELECT chain_id AS chain FROM spanledger.audit_content')
    ).map(({ chain }) => chain);

  it('are there once, however often they come, and not at all once their time is over', async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (let time = 0; time < 2; time++) {
      await deliverContents(embedded.store, [content('kept', now + 3_600)]);
      await deliverContents(embedded.store, [content('gone', now - 1)]);
    }
    expect(await there()).toEqual(['kept']);
  });
});
