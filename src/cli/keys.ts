import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { base64Of } from '../chain/base64.ts';
import { trustedKeys } from '../chain/trust.ts';
import { createDeployment, openDeployment } from '../config/deployment.ts';
import {
  createLedgerKey,
  type LedgerKeySource,
  ledgerKeyPlace,
  ledgerSigner,
  type OldKey,
  trustAlso,
} from '../config/ledger-key.ts';
import { originOf, settingsOf } from '../config/settings.ts';
import { SpanledgerError } from '../errors.ts';
import { listJournals } from '../journal/journal.ts';
import { publicKeyIn } from '../journal/key.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { byKeeper } from './by-keeper.ts';
import { directoryOf, Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output } from './output.ts';
import { trustIn } from './trust.ts';

/** Makes the ledger's key and the trust file; where there is a key it stays, and that is refused. */
export async function keysInit(options: LedgerOptions, out: Output): Promise<number> {
  const { dir } = directoryOf(options);
  const { layout, ledgerId } = createDeployment(dir, process.env);
  const source = sourceOf(options, ledgerId);
  const { ledgerKeyFile, trustFile, journals } = layout;
  if (ledgerKeyPlace(source) !== 'file')
    throw new SpanledgerError('config_invalid', "the ledger's key comes from elsewhere: none is made here", {
      hint: 'SPANLEDGER_LEDGER_KEY or keys.ledger_command gives it; `spanledger keys show` says which it is',
    });
  if (existsSync(ledgerKeyFile))
    throw new SpanledgerError('config_invalid', `${ledgerKeyFile} is there already`, {
      hint: '`spanledger keys rotate` puts another in its place, and the ledger says so',
    });
  if (listJournals(journals).some((name) => name.startsWith('control-')))
    throw new SpanledgerError(
      'config_invalid',
      `${ledgerKeyFile} is missing, and the control chain is signed by it`,
      {
        hint: `restore ${ledgerKeyFile} from a backup: no other key can go on with this ledger`,
      },
    );
  const made = createLedgerKey(layout, source);
  const { vkey } = ledgerSigner(layout, source);
  trustAlso(layout, vkey);
  out.document({ made, vkey });
  for (const file of made) out.line(inked`Made ${file}`);
  out.line(inked`The ledger's checkpoints are signed by ${vkey}`);
  out.line(
    inked`Give that line, or ${trustFile}, to whoever verifies; back up ${ledgerKeyFile} where nobody else can read it`,
  );
  return 0;
}

/** Public keys only: whom to trust, and who writes. */
export async function keysShow(options: LedgerOptions, out: Output): Promise<number> {
  const { layout, ledgerId } = openDeployment(directoryOf(options).dir, process.env);
  const source = sourceOf(options, ledgerId);
  const { vkey } = ledgerSigner(layout, source);
  const trust = trustIn(layout)?.trust;
  const trusted = trust ? trustedKeys(trust).map(({ text }) => text) : [];
  const writers = listJournals(layout.journals).flatMap((journal) => {
    const key = publicKeyIn(join(layout.journals, journal));
    return key === undefined ? [] : [{ journal, public_key: base64Of(key) }];
  });
  out.document({ origin: source.origin, ledger: { vkey, from: ledgerKeyPlace(source) }, trusted, writers });
  out.line(inked`Ledger ${vkey}`);
  for (const each of trusted) if (each !== vkey) out.line(inked`Trusted ${each}`);
  for (const { journal, public_key } of writers) out.line(inked`Writer ${journal} ${public_key}`);
  return 0;
}

export interface RotateKeyOptions extends LedgerOptions {
  destroyOld?: boolean;
}

/** Puts another key in the ledger's place: by the keeper that runs, or as it. The control chain says so, signed by both. */
export async function keysRotate(options: RotateKeyOptions, out: Output): Promise<number> {
  const old: OldKey = options.destroyOld === true ? 'destroyed' : 'kept';
  const ledger = await Ledger.open(options, 'read');
  try {
    const rotated = await byKeeper(ledger, 'rotate', { old }, (held) => held.rotate(old));
    const { layout } = ledger.deployment;
    out.document(rotated);
    out.line(
      inked`From ${rotated.from} records of the control chain on ${rotated.new} signs, and no more ${rotated.old}`,
    );
    out.line(
      inked`${layout.trustFile} has both. Back up ${layout.ledgerKeyFile} again, where nobody else can read it`,
    );
    if (old === 'kept')
      out.line(
        inked`The old key is kept beside it as ${basename(layout.ledgerKeyFile)}.<id>.retired: nothing needs it any more`,
      );
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

export interface AbandonOptions extends LedgerOptions, ActorOptions {
  reason: string;
}

/** Says of a chain whose journal is lost that it goes no further. Who says it and why stands in the record. */
export async function keysAbandon(chain: string, options: AbandonOptions, out: Output): Promise<number> {
  requireActor(options);
  const ledger = await Ledger.open(options, 'read');
  try {
    const { id, reason } = saidBy(options, ledger.policy);
    const actor = { type: 'admin', id } as const;
    const told = await byKeeper(ledger, 'abandon', { chain, actor, reason }, ({ keeper }) =>
      keeper.abandon(chain, actor, reason!),
    );
    out.document({ chain_id: chain, ...told });
    out.line(inked`${chain} ends at ${told.size} records`);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

function sourceOf(options: LedgerOptions, ledgerId: string): LedgerKeySource {
  const settings = settingsOf(directoryOf(options), process.env, options.config);
  return { origin: originOf(ledgerId, settings, process.env), env: process.env, keys: settings.keys };
}
