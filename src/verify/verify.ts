import type { Store } from '../store/client.ts';
import type { Baseline, JudgedChain } from './baseline.ts';
import { CONTENTS_AT_ONCE } from './contents.ts';
import type { Verification } from './findings.ts';
import { Judge } from './judge.ts';
import { NOTHING_LEFT } from './left.ts';
import { linesOf } from './line-records.ts';
import { type AnchorView, sizesOutside } from './outside.ts';
import { isPartOf, stateOf } from './part.ts';
import { Points } from './points.ts';
import { checkReceipts, type ReceiptTrust } from './receipts.ts';
import type { Head, Scanner } from './scan.ts';
import type { Schema } from './schema.ts';
import { type Source, storeSource } from './source.ts';
import { nextState, type StateFile, type VerifierState } from './state.ts';
import { ledgerKeys, type TrustFile } from './trust.ts';
import { judgeContents, Unread } from './unread.ts';

export interface VerifyOptions {
  ledgerId: string;
  engine?: 'sql' | 'node';
  /**
   * Only the chains that hold records of this conversation, and the control chains; its records are what is counted. Each
   * of them is proven by the whole tree of its chain, whose root a round lists or a checkpoint signs.
   */
  conversation?: string;
  /** Likewise, of this resource. */
  resource?: string;
  /** Likewise, that occurred from this time on, RFC 3339; and before this one. */
  from?: string;
  to?: string;
  /**
   * When it is, in Unix seconds: contents that have expired may be gone. A time that an anchor attests comes before it.
   * @default the host's clock
   */
  asOf?: number;
  progress?: (done: number, total: number) => void;
  /**
   * Whom to believe. Null where somebody asked, and there is no file: what is signed cannot be checked then. Left out,
   * the ledger is only compared with itself.
   */
  trust?: TrustFile | null;
  /** What a verifier remembers of the ledger. */
  state?: StateFile;
  /** Go on from the state: read only what is new since. Without a state, all of it is. */
  incremental?: boolean;
  /** What others have of the ledger, read back from there. */
  anchors?: readonly AnchorView[];
  /** By what the timestamps and cosignatures in receipts are checked. @default by the trust file alone */
  receipts?: ReceiptTrust;
  /**
   * Checks the signature of every timestamp, and not only where its time counts; and the canonical form of every payload,
   * also where a good checkpoint of its chain covers it. The `node` engine reads all of them anyway.
   */
  full?: boolean;
  /** What could not be asked, and why: without it nothing is wholly proven. */
  unchecked?: readonly string[];
  /**
   * What a keeper knows of chains: only what follows it is read, and chains it does not know. Chains are judged then,
   * and not what rounds and anchors say of them.
   */
  baseline?: Baseline;
  /** With a baseline: only these chains, whether it knows them or not. */
  chains?: readonly string[];
}

export interface Judgement {
  verification: Verification;
  /** Those that were read and have no hole; of those in the baseline, only those that have moved. */
  chains: JudgedChain[];
  /** What a verifier remembers from now on: of the whole ledger, where nothing was found to be tampered with. */
  state?: VerifierState;
}

/**
 * Recomputes every hash, link and column of a ledger, and the canonical form of what no checkpoint of its chain covers;
 * judges its checkpoints, rounds and anchors. Writes nothing. Zero records are never valid.
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
  return judgeSource(storeSource(store, options), options);
}

/** As `judgeLedger`, wherever it is read from. */
export async function judgeSource(source: Source, options: VerifyOptions): Promise<Judgement> {
  const started = performance.now();
  const { ledgerId, trust, state, anchors = [], asOf = Date.now() / 1_000 } = options;
  const before = state?.state;
  const isPart = isPartOf(options);
  const isIncremental = options.incremental === true && before !== undefined && !isPart;
  const baseline = isIncremental ? before.chains : options.baseline;
  const part = await source.part?.();
  // What rounds and checkpoints say is asked of the ledger, and of a part of it that has records.
  const isJudged = options.chains === undefined && options.baseline === undefined && part?.records !== 0;
  const outside = isJudged ? await preread(source, before, isIncremental, options, asOf) : undefined;
  const control = outside?.lines.flat().map(({ chainId }) => chainId) ?? [];
  const chains = part === undefined ? options.chains : [...new Set([...part.chains, ...control])];
  const judge = new Judge({
    ledgerId,
    asOf,
    ...(baseline && { baseline }),
    ...outside,
  });
  const scanner = source.scanner({
    ...(chains && { chains }),
    ...(baseline && { baseline }),
    asked: (chainId) => judge.asked(chainId),
  });
  const total = await scanner.total();
  if (baseline !== undefined) {
    const known = headsOf(baseline, chains);
    judge.heads(known, await scanner.heads(known), 'rollback');
  }
  const unread = new Unread(judge, scanner, options.full === true);
  await readAll(judge, scanner, unread, (done) => options.progress?.(done, total));
  for (const intent of await source.unanswered(judge.openIntents)) judge.interrupted(intent);
  await judgeContents(judge, scanner, 1);
  const { ends } = judge;
  judge.heads(ends, await scanner.heads(ends), 'read_inconsistent');
  // The keeper's rounds are made of chains: what serves them is looked at when all is verified.
  const { differences, unchecked } = options.baseline === undefined ? await source.schema() : NOT_ASKED;
  judge.schema(differences);
  const isEmpty = (part?.records ?? judge.records) === 0 && !baseline?.size;
  const whole =
    outside &&
    judge.whole({
      trust,
      before: isPart ? stateOf(before, chains) : before,
      isIncremental,
      anchors,
      isEmpty,
      isPart,
      receipts: outside.receipts,
      left: outside.left,
    });
  if (whole !== undefined) await unread.checkUnvouched(whole.vouched);
  judge.archive(source.amiss?.({ line: whole?.line, points: outside?.points }) ?? []);
  judge.finish(chains);
  const critical = judge.findings.filter((finding) => finding.severity === 'critical');
  const broken = critical.find(({ chain_id }) => chain_id !== '');
  const isUnproven = trust === null && judge.judged.some(({ vkey }) => vkey !== undefined);
  const notChecked = [
    ...(options.unchecked ?? []),
    ...unchecked,
    ...(whole?.outside.unchecked ?? []),
    ...(source.unchecked?.() ?? []),
  ];
  const isChecked = !isUnproven && notChecked.length === 0;
  const status = critical.length > 0 ? 'tampered' : isEmpty ? 'empty' : isChecked ? 'valid' : 'incomplete';
  const verification: Verification = {
    status,
    ledger_id: ledgerId,
    records_checked: part?.records ?? judge.records,
    chains: judge.chains,
    broken_at_record:
      broken === undefined
        ? null
        : { chain_id: broken.chain_id, seq: broken.seq, id: `${broken.chain_id}:${broken.seq}` },
    findings: judge.findings,
    unchecked: notChecked,
    expired: judge.expired,
    erased: judge.erased,
    on_hold: whole?.onHold ?? 0,
    unanchored: (isPart ? whole && (await source.unvouched?.(whole.vouched)) : whole?.unanchored) ?? 0,
    checkpoints_verified: whole?.checkpoints ?? 0,
    rounds_verified: whole?.rounds?.verified ?? 0,
    anchors_verified: whole?.outside.verified ?? 0,
    trust: trust?.source ?? 'none',
    trust_sha256: trust?.sha256 ?? null,
    state_sha256: state?.sha256 ?? null,
    trusted_keys: ledgerKeys(trust ?? undefined).map(({ text }) => text),
    elapsed_ms: Math.round(performance.now() - started),
  };
  const isKept = whole !== undefined && !isPart && (status === 'valid' || status === 'incomplete');
  return {
    verification,
    chains: judge.judged,
    ...(isKept
      ? {
          state: nextState(
            ledgerId,
            before,
            judge.judged,
            { ...whole, cosigned: whole.outside.cosigned },
            trust?.sha256 ?? null,
          ),
        }
      : {}),
  };
}

/** What the judge must ask chains for, by those who speak of them: control chains, anchors, a state. */
async function preread(
  source: Source,
  before: VerifierState | undefined,
  isIncremental: boolean,
  { anchors = [], trust, receipts: by = { anchors: [] }, full = false, ...asked }: VerifyOptions,
  asOf: number,
) {
  const lines = linesOf(await source.controlChains(isIncremental ? before?.chains : undefined));
  const points = new Points();
  const listedSizes = new Map<string, number>();
  const control = lines.flat();
  for (const { records } of control)
    for (const each of records) {
      if (each.kind === 'receipt') for (const { chainId } of control) points.want(chainId, each.receipt.size);
      if (each.kind !== 'round') continue;
      for (const { chain_id, size } of each.round.chains) {
        points.want(chain_id, size);
        listedSizes.set(chain_id, Math.max(size, listedSizes.get(chain_id) ?? 0));
      }
    }
  for (const size of [...sizesOutside(anchors, before?.origins.values() ?? []), ...(source.sizes ?? [])])
    for (const { chainId } of control) points.want(chainId, size);
  if (!isIncremental) for (const [id, { size }] of before?.chains ?? []) points.want(id, size);
  // Who asks for no trust compares the ledger with itself alone.
  const receipts =
    trust === undefined ? new Map() : await checkReceipts(control, trust ?? undefined, by, full);
  const records = control.flatMap((chain) => chain.records);
  const attested = [...receipts.values()].flatMap((fact) =>
    fact.status === 'verified' ? [fact.attestedAt] : [],
  );
  const said = anchors.flatMap(({ held }) => held.flatMap(({ attested_at }) => attested_at ?? []));
  const newest = [...attested, ...said].reduce((latest, at) => Math.max(latest, Date.parse(at) / 1_000), 0);
  // Of a part, or what is new, nobody asks what is old.
  const isAsked = !isIncremental && !isPartOf(asked);
  const left = isAsked ? await source.left?.(records, newest === 0 ? asOf : newest) : undefined;
  return { lines, points, listedSizes, receipts, left: left ?? NOTHING_LEFT };
}

/** Where chains that go on were left. */
function headsOf(baseline: Baseline, chains: readonly string[] | undefined): Head[] {
  return [...baseline]
    .filter(
      ([id, { closed, size }]) =>
        closed !== true && size > 0 && (chains === undefined || chains.includes(id)),
    )
    .map(([id, { size, head }]) => ({ chainId: id, seq: BigInt(size) - 1n, hash: head }));
}

async function readAll(
  judge: Judge,
  scanner: Scanner,
  unread: Unread,
  progress: (done: number) => void,
): Promise<void> {
  for await (const found of scanner.scan()) {
    if (found.what === 'row') {
      // The judge hears the records of a chain in their order.
      await unread.checkFor(found.chainId);
      judge.row(found);
    } else {
      judge.stretch(found);
      await unread.add(found);
    }
    await judgeContents(judge, scanner, CONTENTS_AT_ONCE);
    progress(judge.records);
  }
  await unread.check();
}

const NOT_ASKED: Schema = { differences: [], unchecked: [] };
