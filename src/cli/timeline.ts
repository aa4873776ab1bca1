import { timeline, timelineLines } from '../report/timeline.ts';
import { Ledger, type LedgerOptions } from './ledger.ts';
import type { Output } from './output.ts';
import { requireId } from './usage.ts';

/** A conversation as it happened. One that nobody recorded is an empty answer, not an error. */
export async function timelineCommand(
  conversation: string,
  options: LedgerOptions,
  out: Output,
): Promise<number> {
  requireId(conversation, 'a conversation');
  const ledger = await Ledger.open(options, 'read');
  try {
    await ledger.drain(out);
    const records = await timeline(ledger.store, conversation);
    out.document(records.map(({ id, record }) => ({ id, ...record })));
    if (records.length === 0) out.line(`No record names the conversation ${conversation}`);
    for (const line of timelineLines(records)) out.line(line);
    return ledger.exitCode();
  } finally {
    await ledger.close();
  }
}
