import { isSpanledgerError, messageOf } from '../errors.ts';
import { type Check, failed, skipped } from './check.ts';

/** Seconds one look into the records may take: doctor is not to hold up a store of billions. */
export const LOOK_SECONDS = 60;

/** Of ClickHouse: the user has not the right; the limit above was reached. */
const NOT_ALLOWED = /Not enough privileges|ACCESS_DENIED/;
const TOO_LONG = /Timeout exceeded|TIMEOUT_EXCEEDED/;

/** Runs a check that asks the store. What it may not see, or cannot see in time, is skipped and said. */
export async function asked(check: string, work: () => Promise<Check | Check[]>): Promise<Check[]> {
  try {
    return [await work()].flat();
  } catch (error) {
    if (!isSpanledgerError(error)) throw error;
    if (error.code === 'store_schema')
      return [skipped(check, 'the schema is not whole, so there is nothing to ask')];
    const said = messageOf(error);
    if (NOT_ALLOWED.test(said))
      return [
        skipped(
          check,
          `this user may not see it: ${said.slice(0, 200)}`,
          'GRANT spanledger_reader TO the user: deploy/clickhouse/grants.sql makes that role',
        ),
      ];
    if (TOO_LONG.test(said)) return [skipped(check, `to look took more than ${LOOK_SECONDS} s`)];
    return [failed(check, error)];
  }
}
