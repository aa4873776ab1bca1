import { SpanledgerError } from '../errors.ts';
import { DEFAULT_TENANT, tenantOf } from '../record/facts-of.ts';
import type { Placed } from '../retain/holding.ts';
import type { Selection } from '../retain/holds.ts';
import type { HoldListed } from '../retain/retention.ts';
import { isChainId } from '../target/line.ts';
import { type ActorOptions, requireActor, saidBy } from './actor.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import { inked, type Output, table } from './output.ts';
import { retained } from './retention.ts';
import { requireId } from './usage.ts';

export interface HoldPlaceOptions extends LedgerOptions, ActorOptions {
  case: string;
  reason: string;
  until?: string;
  subject?: string[];
  conversation?: string[];
  user?: string[];
  resource?: string[];
  chain?: string[];
  from?: string;
  to?: string;
  tenant?: string;
}

/** From now on nothing of what it is about is purged or erased, until somebody else releases it. */
export async function holdPlaceCommand(options: HoldPlaceOptions, out: Output): Promise<number> {
  requireActor(options);
  requireId(options.case.trim(), '--case', 'name the case that it is for');
  const { from, to, until } = options;
  const selection = {
    ...listsOf(options),
    ...(from === undefined ? {} : { from: timeOf('--from', from) }),
    ...(to === undefined ? {} : { to: timeOf('--to', to) }),
  };
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const { policy } = ledger;
    const tenant = tenantOf({ tenant: options.tenant ?? DEFAULT_TENANT }, policy);
    const { id, reason } = saidBy(options, policy);
    const { reason: name } = saidBy({ ...options, reason: options.case }, policy);
    const placed = await retained<Placed>(ledger, {
      what: 'place',
      placing: {
        case: name!,
        reason: reason!,
        ...(until === undefined ? {} : { until: timeOf('--until', until) }),
        actor: { type: 'admin', id },
        selection: { ...selection, tenant },
      },
    });
    out.document(placed);
    out.line(
      inked`${placed.hold_id} is in force: it covers ${placed.records} records now, and what will match`,
    );
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

export interface HoldReleaseOptions extends LedgerOptions, ActorOptions {
  reason: string;
}

/** By another actor than who placed it. */
export async function holdReleaseCommand(
  holdId: string,
  options: HoldReleaseOptions,
  out: Output,
): Promise<number> {
  requireActor(options);
  const ledger = await Ledger.open(options, 'read');
  try {
    const { id, reason } = saidBy(options, ledger.policy);
    const told = await retained<{ hold_id: string }>(ledger, {
      what: 'release',
      release: { holdId, reason: reason!, actor: { type: 'admin', id } },
    });
    out.document(told);
    out.line(inked`${told.hold_id} holds no more; what has expired meanwhile goes with the next run`);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

export interface HoldListOptions extends LedgerOptions {
  /** Those that were released, too. */
  all?: boolean;
}

export async function holdListCommand(options: HoldListOptions, out: Output): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    const holds = await retained<HoldListed[]>(ledger, { what: 'holds' });
    const shown = holds.filter(({ released }) => options.all === true || released === undefined);
    out.document({ holds: shown });
    const rows = shown.map((each) => [
      each.hold_id,
      each.case,
      each.records,
      each.placed_by,
      each.placed_at.slice(0, 10),
      each.until?.slice(0, 10) ?? '-',
      each.released === undefined ? 'in force' : `released by ${each.released.by}`,
    ]);
    const head = ['hold', 'case', 'records', 'placed by', 'on', 'look again', 'state'];
    for (const line of table(head, rows)) out.line(line);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}

function listsOf(options: HoldPlaceOptions): Omit<Selection, 'from' | 'to' | 'tenant'> {
  const { subject, conversation, user, resource, chain } = options;
  const given = Object.entries({ subject, conversation, user, resource, chain });
  for (const [what, values] of given) for (const each of values ?? []) requireId(each.trim(), `--${what}`);
  for (const each of chain ?? [])
    if (!isChainId(each))
      throw new SpanledgerError('usage_invalid', `--chain ${each} is no id of a chain`, {
        hint: '`spanledger verify --json` lists them',
      });
  return Object.fromEntries(given.filter(([, values]) => values !== undefined));
}

/** As the engine and everybody else reads it alike. */
function timeOf(what: string, text: string): string {
  const at = /^\d{4}-\d\d-\d\d(T|$)/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at).toISOString();
  throw new SpanledgerError('usage_invalid', `${what} ${text} is no time`, {
    hint: 'write it as 2026-03-01 or 2026-03-01T12:00:00Z',
  });
}
