import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { decodeFile } from '../../src/otlp/decode.ts';
import type { LogRecord } from '../../src/otlp/logs.ts';
import type { Receipt } from '../../src/record/receipt.ts';
import type { AuditRecord } from '../../src/record/record.ts';
import type { Span } from '../../src/span.ts';
import { understand, understandLogs } from '../../src/understand.ts';
import { temporaryFolder } from './cli.ts';
import { openJournal, POLICY, recordOf, unshippedOf, writerIn } from './ledger-kit.ts';

/** A ledger's way in, on a journal that is gone when the test is. */
export interface Recording {
  commit(spans: readonly Span[]): Receipt;
  /** The content that log records hold. */
  commitLogs(logs: readonly LogRecord[]): Receipt;
  /** Everything recorded of spans so far: without what the chain says of itself. */
  records(): Promise<AuditRecord[]>;
}

export function startRecording(): Recording {
  const journal = openJournal(join(temporaryFolder(), 'journal'));
  onTestFinished(() => journal.close());
  const writer = writerIn(journal);
  return {
    commit: (spans) => writer.commit(spans.map((span) => understand(span, POLICY))),
    commitLogs: (logs) => writer.commit(understandLogs(logs, POLICY)),
    async records() {
      await writer.flush();
      return unshippedOf(journal)
        .map(recordOf)
        .filter((record) => record.control === undefined);
    },
  };
}

export function spansIn(file: Uint8Array): Span[] {
  return [...decodeFile(file)].flatMap(({ spans }) => spans);
}

export function logsIn(file: Uint8Array): LogRecord[] {
  return [...decodeFile(file)].flatMap(({ logs }) => logs);
}
