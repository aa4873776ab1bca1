import type { Store } from '../store/client.ts';
import { CONTENTS_AT_ONCE } from './contents.ts';
import type { Verification } from './findings.ts';
import type { OpenIntent } from './interruptions.ts';
import { Judge } from './judge.ts';
import { nodeScanner } from './node-scanner.ts';
import { CHAIN_NAME, PAGE_RANGES, PAGE_ROWS } from './rows.ts';
import type { Scanner, Stretch } from './scan.ts';
import { sqlScanner } from './sql-scanner.ts';

export interface VerifyOptions {
  ledgerId: string;
  engine?: 'sql' | 'node';
  /** Only the chains that hold records of this conversation; its records are what is counted. */
  conversation?: string;
  /**
   * When it is, in Unix seconds: contents that have expired may be gone.
   * @default the host's clock
   */
  asOf?: number;
  progress?: (done: number, total: number) => void;
}

/**
 * Recomputes every hash, link and column of a ledger, and the canonical form of every payload. Writes nothing.
 * Zero records are never valid.
 *
 * @throws SpanledgerError `store_unreachable`, `store_failed`
 */
export async function verify(store: Store, options: VerifyOptions): Promise<Verification> {
  const started = performance.now();
  const scope =
    options.conversation === undefined ? undefined : await conversationScope(store, options.conversation);
  const scanner =
    options.engine === 'node'
      ? nodeScanner(store, scope?.chains)
      : sqlScanner(store, options.ledgerId, scope?.chains);
  const judge = new Judge(options.ledgerId, options.asOf ?? Date.now() / 1_000);
  const clean = new Clean(judge, scanner);
  const total = await scanner.total();
  for await (const scanned of scanner.scan()) {
    if (scanned.what === 'row') judge.row(scanned);
    else {
      judge.stretch(scanned);
      await clean.add(scanned);
    }
    await judgeContents(judge, scanner, CONTENTS_AT_ONCE);
    options.progress?.(judge.records, total);
  }
  await clean.check();
  for (const intent of judge.openIntents) if (!(await hasOutcome(store, intent))) judge.interrupted(intent);
  await judgeContents(judge, scanner, 1);
  judge.finish(scope?.chains);
  const broken = judge.findings.find((finding) => finding.severity === 'critical');
  return {
    status: broken !== undefined ? 'tampered' : judge.records === 0 ? 'empty' : 'valid',
    ledger_id: options.ledgerId,
    records_checked: scope?.records ?? judge.records,
    chains: judge.chains,
    broken_at_record:
      broken === undefined
        ? null
        : { chain_id: broken.chain_id, seq: broken.seq, id: `${broken.chain_id}:${broken.seq}` },
    findings: judge.findings,
    expired: judge.expired,
    erased: judge.erased,
    on_hold: 0,
    unanchored: 0,
    checkpoints_verified: 0,
    rounds_verified: 0,
    anchors_verified: 0,
    trust: 'none',
    trust_sha256: null,
    state_sha256: null,
    trusted_keys: [],
    elapsed_ms: Math.round(performance.now() - started),
  };
}

/** Asks for what records refer to, once there is so much of it: of a ledger without a vault, for nothing. */
async function judgeContents(judge: Judge, scanner: Scanner, least: number): Promise<void> {
  while (judge.contents.length >= least) {
    const places = judge.contents.splice(0, CONTENTS_AT_ONCE);
    judge.vault(places, await scanner.contents(places));
  }
}

/** Stretches whose payloads are still to be read for their canonical form: short ones are read together. */
class Clean {
  readonly #judge: Judge;
  readonly #scanner: Scanner;
  #stretches: Stretch[] = [];
  #rows = 0;

  constructor(judge: Judge, scanner: Scanner) {
    this.#judge = judge;
    this.#scanner = scanner;
  }

  async add(stretch: Stretch): Promise<void> {
    const last = this.#stretches.at(-1);
    const sameChain = last?.chainId === stretch.chainId;
    // One range a chain is what one query takes.
    if (sameChain && last.to + 1n !== stretch.from) await this.check();
    if (sameChain && last.to + 1n === stretch.from) last.to = stretch.to;
    else this.#stretches.push({ ...stretch });
    this.#rows += Number(stretch.to - stretch.from) + 1;
    if (this.#rows >= PAGE_ROWS || this.#stretches.length >= PAGE_RANGES) await this.check();
  }

  async check(): Promise<void> {
    if (this.#rows === 0) return;
    for await (const payload of this.#scanner.payloads(this.#stretches)) this.#judge.payload(payload);
    this.#stretches = [];
    this.#rows = 0;
  }
}

/** In another chain, whichever was scanned first: where one ends in the middle of a call, the next has its outcome. */
async function hasOutcome(store: Store, { traceId, spanId }: OpenIntent): Promise<boolean> {
  const rows = await store.query(
    "SELECT 1 FROM spanledger.audit_records WHERE trace_id = {traceId:String} AND span_id = {spanId:String} AND phase = 'outcome' LIMIT 1",
    { traceId, spanId },
  );
  return rows.length > 0;
}

async function conversationScope(
  store: Store,
  conversation: string,
): Promise<{ chains: string[]; records: number }> {
  const rows = await store.query<{ name: string; records: string }>(
    `SELECT ${CHAIN_NAME} AS name, uniqExact(seq) AS records FROM spanledger.audit_records WHERE conversation_id = {conversation:String} AND conversation_id != '' GROUP BY chain_id`,
    { conversation },
  );
  return {
    chains: rows.map((row) => row.name),
    records: rows.reduce((sum, row) => sum + Number(row.records), 0),
  };
}
