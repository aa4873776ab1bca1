import type { Settings } from '../config/settings.ts';
import { knowsClass } from '../policy/retention.ts';
import { policyOf } from '../policy/schema.ts';
import type { Store } from '../store/client.ts';
import { asked, LOOK_SECONDS } from './ask.ts';
import { type Check, count, ok, skipped, warn } from './check.ts';

const LIMITS = `SETTINGS max_execution_time = ${LOOK_SECONDS}`;

/** When the newest record was recorded; within a chain it never runs backwards, so the last of each is enough. */
export async function newestRecorded(store: Store): Promise<string | undefined> {
  const [row] = await store.query<{ newest: string }>(
    `SELECT max(JSONExtractString(payload, 'recorded_at')) AS newest FROM spanledger.audit_records
     WHERE (chain_id, seq) IN (SELECT chain_id, max(seq) FROM spanledger.audit_records GROUP BY chain_id) ${LIMITS}`,
  );
  return row === undefined || row.newest === '' ? undefined : row.newest;
}

/** What the ledger says of itself, and what nobody has looked at yet. */
export async function recordsChecks(store: Store, settings: Settings | undefined): Promise<Check[]> {
  return [
    ...(await asked('retention.classes', () => classesCheck(store, settings))),
    ...(await asked('retention.overdue', () => overdueCheck(store))),
    anchorsCheck(),
    ...(await asked('verification', () => toldChecks(store))),
    ...(await asked('verification.chains', () => chainsCheck(store))),
  ];
}

async function classesCheck(store: Store, settings: Settings | undefined): Promise<Check> {
  const check = 'retention.classes';
  if (settings === undefined) return skipped(check, 'the settings have mistakes, so the policy is not known');
  const document = policyOf(settings.policy);
  const rows = await store.query<{ name: string; records: string }>(
    `SELECT toString(retention_class) AS name, toString(count()) AS records FROM spanledger.audit_records GROUP BY name ORDER BY name ${LIMITS}`,
  );
  const unknown = rows.filter(({ name }) => !knowsClass(document, name));
  if (unknown.length === 0)
    return ok(check, `the policy knows all ${count(rows.length, 'class', 'classes')} of the records`);
  const [first] = unknown;
  return warn(
    check,
    `the policy no longer knows ${unknown.map(({ name, records }) => `${name} (${count(Number(records), 'record')})`).join(', ')}`,
    `policy: {retention: {classes: {${first!.name}: {days: 365, archive: required}}}} in spanledger.yaml, with the days it had`,
  );
}

/** `purge_after` as it is until retention sets it. */
const NOT_SET = '2100-01-01 00:00:00';

async function overdueCheck(store: Store): Promise<Check> {
  const check = 'retention.overdue';
  const [row] = await store.query<{ overdue: string; oldest: string }>(
    `SELECT toString(count()) AS overdue, toString(min(expires_at)) AS oldest FROM spanledger.audit_records
     WHERE expires_at < now() AND purge_after >= toDateTime({never:String}, 'UTC') ${LIMITS}`,
    { never: NOT_SET },
  );
  const overdue = Number(row?.overdue ?? 0);
  return overdue === 0
    ? ok(check, 'no record is past its time')
    : warn(
        check,
        `${count(overdue, 'record')} past their time and still here, the oldest since ${row!.oldest}: nothing goes before it is archived, and this version archives nothing`,
        'keep disk space for them: deleting rows by hand reads as tampering',
      );
}

function anchorsCheck(): Check {
  return skipped(
    'anchors',
    'the ledger is unanchored: whoever can rewrite the table and recompute every hash to the end of a chain, or cut off its end, is not found',
    'keep what spanledger verify --json says, with each chain’s size and head, where the operator cannot write',
  );
}

const TOLD = ['verification_completed', 'gap', 'payload_quarantined', 'fork_detected'] as const;

async function toldChecks(store: Store): Promise<Check[]> {
  const rows = await store.query<{ action: string; records: string; last: string }>(
    `SELECT toString(action) AS action, toString(count()) AS records, toString(toDateTime(max(occurred_at), 'UTC')) AS last FROM spanledger.audit_records
     WHERE action IN {actions:Array(String)} GROUP BY action ${LIMITS}`,
    { actions: TOLD },
  );
  const of = (action: (typeof TOLD)[number]) => rows.find((row) => row.action === action);
  const verified = of('verification_completed');
  const told = (
    check: string,
    action: (typeof TOLD)[number],
    none: string,
    some: [string, string],
    remedy: string,
  ) => {
    const row = of(action);
    return row === undefined
      ? ok(check, none)
      : warn(check, `${count(Number(row.records), ...some)}, the last of ${row.last} UTC`, remedy);
  };
  return [
    verified === undefined
      ? skipped('verification.last', 'the ledger tells of no verification', 'spanledger verify')
      : ok(
          'verification.last',
          `${count(Number(verified.records), 'verification')} recorded, the last of ${verified.last} UTC`,
        ),
    told(
      'verification.gaps',
      'gap',
      'no gap: nothing that came was left out',
      ['gap record', 'gap records'],
      `spanledger sql "SELECT occurred_at, payload FROM spanledger.audit_records WHERE action = 'gap'"`,
    ),
    told(
      'verification.quarantine',
      'payload_quarantined',
      'nothing was put into quarantine',
      ['span was put into quarantine', 'spans were put into quarantine'],
      'spanledger quarantine',
    ),
    told(
      'verification.forks',
      'fork_detected',
      'no fork and no rollback was found',
      ['fork or rollback', 'forks or rollbacks'],
      `spanledger sql "SELECT occurred_at, payload FROM spanledger.audit_records WHERE action = 'fork_detected'"`,
    ),
  ];
}

/** A keeper's chain goes on from one keeper to the next: that it has no end says nothing of anybody's. */
async function chainsCheck(store: Store): Promise<Check> {
  const check = 'verification.chains';
  const [row] = await store.query<{ chains: string; open: string; unclean: string }>(
    `SELECT toString(count()) AS chains, toString(countIf(NOT closed AND NOT kept)) AS open,
            (SELECT toString(count()) FROM spanledger.audit_records
             WHERE action = 'chain_opened' AND JSONExtractBool(payload, 'control', 'unclean')) AS unclean
     FROM (SELECT max(action = 'chain_closed') AS closed,
                  max(action = 'chain_opened' AND JSONExtractString(payload, 'control', 'role') = 'control') AS kept
           FROM spanledger.audit_records GROUP BY chain_id) ${LIMITS}`,
  );
  const [chains, open, unclean] = [row?.chains, row?.open, row?.unclean].map((text) => Number(text ?? 0)) as [
    number,
    number,
    number,
  ];
  const found = `${count(chains, 'chain')}, ${open} without an end, ${unclean} of which a successor says was not closed`;
  return unclean === 0
    ? ok(check, found)
    : warn(
        check,
        `${found}: their writers were killed, or lost their power; what they had acknowledged is kept`,
        `spanledger sql "SELECT occurred_at, payload FROM spanledger.audit_records WHERE action = 'chain_opened' AND JSONExtractBool(payload, 'control', 'unclean')"`,
      );
}
