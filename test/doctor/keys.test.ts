import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createContentKeys } from '../../src/config/content-keys.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { contentKeysChecks } from '../../src/doctor/keys.ts';
import { embeddedStore } from '../support/embedded-store.ts';

describe('the keys of the vault', () => {
  const embedded = embeddedStore();
  const { layout } = embedded;
  const look = (text = 'version: 1', env = {}) =>
    contentKeysChecks(embedded.store, layout, env, parseSettings(text, 'spanledger.yaml'));
  const wrap = (id: string, master: string) =>
    embedded.store.insert(
      'INSERT INTO spanledger.audit_content_keys (key_id, subject, master, wrapped) FORMAT TabSeparated',
      `${id.repeat(16)}\tnobody\t${master}\tx\n`,
    );

  it('are nobody’s business where nothing is vaulted', async () => {
    expect(await look()).toEqual([]);
  });

  it('are those that wrapped what is there, or the lost ones are named with what is lost', async () => {
    const [{ id }] = createContentKeys(layout, { env: {} });
    await wrap('a', id);
    expect(await look()).toEqual([
      { check: 'keys.content', status: 'ok', found: `contents are under ${id}, which is given` },
    ]);
    await wrap('b', 'old');
    expect(await look()).toEqual([
      {
        check: 'keys.content',
        status: 'warn',
        found: '1 data key under old cannot be opened here: that key is not given',
        remedy: expect.stringContaining('put the line of old back'),
      },
    ]);
    const [command] = await look('version: 1\nvault: {key_command: [/bin/false]}');
    expect(command).toMatchObject({ status: 'skipped', found: expect.stringContaining('not run') });
    rmSync(layout.contentKeyFile);
    const [none] = await look();
    expect(none).toMatchObject({ status: 'warn', found: expect.stringContaining('2 data keys') });
  });

  it('are not made where an app ships to a relay', () => {
    writeFileSync(layout.relayFile, '{}');
    const make = () => createContentKeys(layout, { env: {} });
    expect(make).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    rmSync(layout.relayFile);
    // Nor where the one that was made is lost.
    expect(make).toThrow(expect.objectContaining({ hint: expect.stringContaining('backup') }));
    rmSync(layout.contentKeyMadeFile);
    expect(make()).toHaveLength(1);
  });
});
