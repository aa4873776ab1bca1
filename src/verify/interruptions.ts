/** An intent whose outcome has not been heard. */
export interface OpenIntent {
  chainId: string;
  seq: bigint;
  traceId: string;
  spanId: string;
  recordedAt: string;
}

const HOUR_MS = 3_600_000;
/** More than that in one ledger are told as so many. */
const MAX_OPEN = 100_000;

/**
 * Tool calls that began and of whose end nothing is told: an intent alone, once its chain has ended, or the ledger
 * knows of a call an hour later.
 */
export class Interruptions {
  readonly #open = new Map<string, OpenIntent>();
  readonly #ended = new Set<string>();
  #newest = '';

  hear(chainId: string, seq: bigint, payload: string | Uint8Array): void {
    if (typeof payload !== 'string') return;
    if (payload.startsWith('{"action":"chain_closed"')) this.#ended.add(chainId);
    if (!payload.startsWith('{"action":"tool_invoked"')) return;
    const [, phase] = /"phase":"(intent|outcome)"/.exec(payload) ?? [];
    const [, recordedAt = ''] = /"recorded_at":"([^"]+)"/.exec(payload) ?? [];
    const [, spanId = '', traceId = ''] =
      /"span_id":"([0-9a-f]{16})","trace_id":"([0-9a-f]{32})"/.exec(payload) ?? [];
    if (recordedAt > this.#newest) this.#newest = recordedAt;
    const key = traceId + spanId;
    if (phase === 'outcome') this.#open.delete(key);
    else if (phase === 'intent' && key !== '' && this.#open.size < MAX_OPEN)
      this.#open.set(key, { chainId, seq, traceId, spanId, recordedAt });
  }

  /** Of a stretch: what it has open, and its newest call. */
  hearOpen(intents: readonly OpenIntent[], lastCall: string): void {
    if (lastCall > this.#newest) this.#newest = lastCall;
    for (const each of intents)
      if (this.#open.size < MAX_OPEN) this.#open.set(each.traceId + each.spanId, each);
  }

  /** @param hasSuccessor a chain that another names as the one before it has ended, however it did. */
  found(hasSuccessor: (chainId: string) => boolean): OpenIntent[] {
    const newest = Date.parse(this.#newest);
    return [...this.#open.values()].filter(
      ({ chainId, recordedAt }) =>
        this.#ended.has(chainId) || hasSuccessor(chainId) || newest - Date.parse(recordedAt) >= HOUR_MS,
    );
  }
}
