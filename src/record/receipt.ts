/** What an append did. */
export interface Receipt {
  /** Spans that are agent activity, also those that were known already. */
  mapped: number;
  notAgent: number;
  quarantined: number;
  /** Of the mapped and quarantined, those that added nothing: the same span under the same id. */
  duplicates: number;
  /** Spans whose content came in log records, beside the spans themselves. */
  contents: number;
  /** Recorded although another span had its id: each names the first in `details.conflicts_with`. */
  conflicts: number;
  /** Records of a user's act whose user nobody told. */
  unattributed: number;
  /** Spans that look like agent activity in no known dialect; among the not-agent. */
  unknown: number;
  /** Records added from spans, by action. */
  records: { [action: string]: number };
}

export function emptyReceipt(): Receipt {
  return {
    mapped: 0,
    notAgent: 0,
    quarantined: 0,
    duplicates: 0,
    contents: 0,
    conflicts: 0,
    unattributed: 0,
    unknown: 0,
    records: {},
  };
}

export function countRecord(receipt: Receipt, action: string): void {
  receipt.records[action] = (receipt.records[action] ?? 0) + 1;
}

/** Adds what another append did. */
export function addReceipt(receipt: Receipt, { records, ...counts }: Receipt): void {
  for (const [name, count] of Object.entries(counts)) receipt[name as keyof typeof counts] += count;
  for (const [action, count] of Object.entries(records))
    receipt.records[action] = (receipt.records[action] ?? 0) + count;
}
