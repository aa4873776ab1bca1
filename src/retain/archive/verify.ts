import type { Verification } from '../../verify/findings.ts';
import type { AnchorView } from '../../verify/outside.ts';
import type { ReceiptTrust } from '../../verify/receipts.ts';
import type { ArchiveProblem } from '../../verify/source.ts';
import type { StateFile } from '../../verify/state.ts';
import { ledgerKeys, type TrustFile } from '../../verify/trust.ts';
import { type Judgement, judgeSource } from '../../verify/verify.ts';
import { ArchiveFolder } from './folder.ts';
import { ArchiveSource } from './source.ts';

export interface ArchiveOptions {
  trust: TrustFile;
  /** What a verifier remembers of a ledger: asked for once it is known which one it is. */
  state?: (ledgerId: string) => StateFile | undefined;
  /** What others have of it. */
  anchors?: (
    origin: string,
  ) => Promise<{ anchors: AnchorView[]; unchecked: string[]; receipts: ReceiptTrust }>;
  /** Checks the signature of every timestamp, and not only where its time counts. */
  full?: boolean;
  progress?: (done: number, total: number) => void;
}

/**
 * Verifies an exported ledger by its files and the ledger's public key alone. It is what it was when it was exported: what
 * time it is, is what its manifest says.
 *
 * @throws SpanledgerError `archive_refused`, `file_unreadable`, `state_invalid`
 */
export async function verifyArchive(path: string, options: ArchiveOptions): Promise<Judgement> {
  const { trust, progress } = options;
  const started = performance.now();
  const archive = await ArchiveFolder.open(path);
  if (!(archive instanceof ArchiveFolder))
    return { verification: withoutManifest(archive, trust), chains: [] };
  if (archive.read.manifest.kind === 'partition') {
    await archive.close();
    return { verification: withoutManifest(A_PART, trust), chains: [] };
  }
  try {
    const { ledger_id: ledgerId, origin, created_at } = archive.read.manifest;
    const source = new ArchiveSource(archive, ledgerKeys(trust));
    const state = options.state?.(ledgerId);
    const judgement = await judgeSource(source, {
      ledgerId,
      trust,
      asOf: Math.min(Date.parse(created_at), Date.now()) / 1_000,
      ...(state && { state }),
      ...(await options.anchors?.(origin)),
      full: options.full === true,
      ...(progress && { progress }),
    });
    judgement.verification.elapsed_ms = Math.round(performance.now() - started);
    return judgement;
  } finally {
    await archive.close();
  }
}

const A_PART: ArchiveProblem = {
  what: 'manifest',
  chainId: '',
  seq: 0n,
  detail: 'it is of a part of a ledger, and says nothing of the rest',
};

/** Nothing says what there should be. */
function withoutManifest({ what, detail }: ArchiveProblem, trust: TrustFile): Verification {
  return {
    status: 'tampered',
    ledger_id: '',
    records_checked: 0,
    chains: [],
    broken_at_record: null,
    findings: [
      {
        code: what === 'manifest' ? 'manifest_invalid' : `archive_${what}`,
        severity: 'critical',
        chain_id: '',
        seq: 0,
        detail,
      },
    ],
    unchecked: [],
    expired: 0,
    erased: 0,
    on_hold: 0,
    unanchored: 0,
    checkpoints_verified: 0,
    rounds_verified: 0,
    anchors_verified: 0,
    trust: trust.source,
    trust_sha256: trust.sha256,
    state_sha256: null,
    trusted_keys: ledgerKeys(trust).map(({ text }) => text),
    elapsed_ms: 0,
  };
}
