import { join } from 'node:path';
import { expect } from 'vitest';
import type { Verification } from '../../src/verify/findings.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { type Request, writeRequests } from './load.ts';

/**
 * What each span of the busy day leaves whenever it comes, and how often: a count above one would be a span that was
 * recorded twice. What other spans leave may depend on what came before.
 */
const EACH_SPAN = `
  SELECT trace_id, span_id, action, count() AS records
  FROM spanledger.audit_records
  WHERE span_id != '' AND JSONExtractString(payload, 'source', 'service') = 'medrec'
    AND (action IN ('agent_invoked', 'agent_response_generated')
      OR action = 'tool_invoked' AND JSONExtractString(payload, 'tool', 'evidence') = 'executed')
  GROUP BY ALL ORDER BY ALL`;

/** The ledger in a directory holds what one `spanledger ingest` of the same requests does, and is whole. */
export async function expectSameAsIngest(dir: string, requests: readonly Request[]): Promise<void> {
  const folder = temporaryFolder();
  const ingested = join(folder, 'ledger');
  const files = writeRequests(join(folder, 'requests'), requests);
  const ingest = await spanledger(['ingest', ...files, '--dir', ingested, '--json']);
  expect(ingest.code, ingest.stderr).toBe(0);

  const calls = await answer(ingested, 'query', 'by_tool');
  expect(calls).not.toEqual([]);
  expect(await answer(dir, 'query', 'by_tool')).toEqual(calls);
  const spans = await answer(ingested, 'sql', EACH_SPAN);
  expect(spans).not.toEqual([]);
  expect(await answer(dir, 'sql', EACH_SPAN)).toEqual(spans);
  await expectValid(dir);
}

/** Nothing is found against it; without a keeper nobody has said yet whose signatures to believe. */
export async function expectValid(dir: string): Promise<void> {
  const verified = await spanledger(['verify', '--dir', dir, '--json']);
  const document = documentOf<Verification>(verified);
  const isProven = document.trust !== 'none';
  expect(document).toMatchObject({
    status: isProven ? 'valid' : 'incomplete',
    findings: [],
    unchecked: [],
  });
  expect(verified.code).toBe(isProven ? 0 : 5);
}

/** What a command that answers with rows says. */
export async function answer<Row extends object>(dir: string, ...command: string[]): Promise<Row[]> {
  const ran = await spanledger([...command, '--dir', dir, '--json']);
  expect(ran.code, ran.stderr).toBe(0);
  return documentOf<Row[]>(ran);
}
