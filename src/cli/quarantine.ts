import { Ledger, type LedgerOptions } from './ledger.ts';
import { type Output, table } from './output.ts';

/** A span that could not be understood, redacted, as a journal keeps it. */
interface Quarantined {
  digest: string;
  reason: string;
  detail: string;
  size: number;
  received_at: string;
  span: unknown;
}

/** What journals keep because nothing understood it; with a digest, all that is known of that one. */
export async function quarantineCommand(
  digest: string | undefined,
  options: LedgerOptions,
  out: Output,
): Promise<number> {
  const ledger = await Ledger.open(options, 'read');
  try {
    const all = [...(await ledger.quarantined(out))].map(
      ([key, value]) => ({ digest: key.slice(key.indexOf('|') + 1), ...(value as object) }) as Quarantined,
    );
    all.sort((a, b) => (a.received_at < b.received_at ? -1 : 1));
    const found = digest === undefined ? all : all.filter((each) => each.digest === digest);
    out.document(found);
    if (digest !== undefined) {
      for (const each of found) for (const line of JSON.stringify(each, null, 2).split('\n')) out.line(line);
      if (found.length === 0) out.line('There is none of this digest');
    } else if (found.length === 0) out.line('Nothing is in quarantine');
    else {
      const rows = found.map((each) => [each.received_at, each.reason, each.size, each.digest, each.detail]);
      for (const line of table(['received', 'reason', 'bytes', 'digest', 'detail'], rows)) out.line(line);
    }
    return 0;
  } finally {
    await ledger.close();
  }
}
