import type { Store } from '../store/client.ts';
import type { Baseline, JudgedChain } from './baseline.ts';
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
  /** What is known of chains: only what follows it is read, and chains it does not know. All of it, where absent. */
  baseline?: Baseline;
  /** With a baseline: only these chains, whether it knows them or not. */
  chains?: readonly string[];
}

export interface Judgement {
  verification: Verification;
  /** Those that were read and have no hole; of those in the baseline, only those that have moved. */
  chains: JudgedChain[];
}

/**
 * Recomputes every hash, link and column of a ledger, and the canonical form of every payload. Writes nothing.
 * Zero records are never valid.
 *
 * @throws SpanledgerError `store_unreachable`, `store_failed`
 */
export async function verify(store: Store, options: VerifyOptions): Promise<Verification> {
  return (await judgeLedger(store, options)).verification;
}

/**
 * As `verify`; and each chain as it was found, for a round to list and another verification to go on from.
 *
 * @throws SpanledgerError `store_unreachable`, `store_failed`
 */
export async function judgeLedger(store: Store, options: VerifyOptions): Promise<Judgement> {
  const { ledgerId, baseline } = options;
  const started = performance.now();
  const scope =
    options.conversation === undefined ? undefined : await conversationScope(store, options.conversation);
  const chains = scope?.chains ?? options.chains;
  const scanned = { ...(chains && { chains }), ...(baseline && { baseline }) };
  const scanner =
    options.engine === 'node' ? nodeScanner(store, scanned) : sqlScanner(store, ledgerId, scanned);
  const judge = new Judge({
    ledgerId,
    asOf: options.asOf ?? Date.now() / 1_000,
    ...(baseline === undefined ? {} : { baseline }),
  });
  const clean = new Clean(judge, scanner);
  const total = await scanner.total();
  for await (const found of scanner.scan()) {
    if (found.what === 'row') judge.row(found);
    else {
      judge.stretch(found);
      await clean.add(found);
    }
    await judgeContents(judge, scanner, CONTENTS_AT_ONCE);
    options.progress?.(judge.records, total);
  }
  await clean.check();
  for (const intent of judge.openIntents) if (!(await hasOutcome(store, intent))) judge.interrupted(intent);
  await judgeContents(judge, scanner, 1);
  judge.finish(chains);
  const broken = judge.findings.find((finding) => finding.severity === 'critical');
  const verification: Verification = {
    status: broken !== undefined ? 'tampered' : judge.records === 0 && !baseline?.size ? 'empty' : 'valid',
    ledger_id: ledgerId,
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
  return { verification, chains: judge.judged };
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
