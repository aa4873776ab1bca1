import { parseCheckpoint } from '../../chain/checkpoint.ts';
import type { Vkey } from '../../chain/vkey.ts';
import { isSpanledgerError } from '../../errors.ts';
import type { OpenIntent } from '../../verify/interruptions.ts';
import type { JudgedLine } from '../../verify/line.ts';
import { type ControlChain, controlChain, lineRecord } from '../../verify/line-records.ts';
import type { Points } from '../../verify/points.ts';
import type { Head, Row, Scanned, Scanner, Scope } from '../../verify/scan.ts';
import type { ArchiveProblem, Source } from '../../verify/source.ts';
import type { ArchiveFile, ArchiveFolder } from './folder.ts';
import { placesOf, RangeWalk } from './ranges.ts';
import { compareRows, merged, rowsOf } from './rows.ts';
import { checkpointOf, whyUnsigned } from './signed.ts';

/**
 * A ledger as files have it: nothing but them is read. Every row is hashed here, and what an archive does not hold, the
 * vault and the database's own definitions, is not asked for.
 */
export class ArchiveSource implements Source {
  /** That of the checkpoint its manifest has. */
  readonly sizes: readonly number[];
  readonly #archive: ArchiveFolder;
  /** Of the ledger's keys: who may sign besides is in the control chain. */
  readonly #trusted: readonly Vkey[];
  readonly #problems: ArchiveProblem[];
  readonly #ends = new Map<string, Head>();
  #contents = 0;

  constructor(archive: ArchiveFolder, trusted: readonly Vkey[]) {
    this.#archive = archive;
    this.#trusted = trusted;
    this.#problems = [...archive.problems];
    this.sizes = sizesIn(archive.read.manifest.checkpoint);
  }

  scanner({ chains }: Scope): Scanner {
    return {
      total: async () => this.#archive.read.manifest.files.reduce((sum, { rows }) => sum + rows, 0),
      scan: () => this.#scan(chains),
      payloads: async function* () {},
      references: async function* () {},
      // Files are looked at once: whether they have changed since is asked of each.
      heads: async () => [...this.#ends.values()],
      contents: async (places) => {
        this.#contents += places.length;
        return undefined;
      },
    };
  }

  async *#scan(chains: readonly string[] | undefined): AsyncGenerator<Scanned> {
    const [records, tombstones] = (['records', 'tombstones'] as const).map((kind) =>
      this.#checked(this.#archive.files.filter(({ listed }) => listed.kind === kind)),
    );
    for await (const row of merged(records!, tombstones!)) {
      const { chainId, seq, recordHash: hash } = row;
      this.#ends.set(chainId, { chainId, seq, hash });
      if (chains === undefined || chains.includes(chainId)) yield row;
    }
    for (const file of this.#archive.files)
      if (await file.isChanged()) this.#say(file, 'mismatch', 'was changed while it was read');
  }

  /** Rows of some files; what does not stand where the manifest says is told, once a file. */
  async *#checked(files: readonly ArchiveFile[]): AsyncGenerator<Row> {
    for (const file of files) {
      const walk = new RangeWalk(file.listed.ranges);
      let before: Row | undefined;
      let isTold = false;
      let places = 0n;
      let rows = 0;
      for await (const row of rowsOf([file])) {
        const isInOrder = before === undefined || compareRows(before, row) <= 0;
        if (!isTold && (!isInOrder || !walk.has(row.chainId, row.seq))) {
          isTold = true;
          const { name } = file.listed;
          this.#problems.push({
            what: 'manifest',
            chainId: row.chainId,
            seq: row.seq,
            detail: isInOrder
              ? `${name} has a row here, and its ranges do not`
              : `the rows of ${name} are not in order`,
          });
        }
        if (before?.chainId !== row.chainId || before.seq !== row.seq) places += 1n;
        before = row;
        rows += 1;
        yield row;
      }
      if (isTold) continue;
      if (rows !== file.listed.rows) this.#say(file, 'manifest', `has ${rows} rows, not ${file.listed.rows}`);
      else if (places !== placesOf(file.listed.ranges))
        this.#say(file, 'manifest', 'has nothing at some places of its ranges');
    }
  }

  async controlChains(): Promise<ControlChain[]> {
    const chains = new Map<string, ControlChain>();
    for await (const { chainId, seq, columns, payload } of rowsOf(this.#records)) {
      if (columns[0]!.stored !== 'ledger') continue;
      const opened = seq === 0n ? controlChain(chainId, payload) : undefined;
      if (opened !== undefined && !chains.has(chainId)) chains.set(chainId, opened);
      const record = chains.has(chainId) ? lineRecord(chainId, seq, payload) : undefined;
      if (record !== undefined) chains.get(chainId)!.records.push(record);
    }
    return [...chains.values()];
  }

  async unanswered(intents: readonly OpenIntent[]): Promise<OpenIntent[]> {
    const open = new Map(intents.map((intent) => [intent.traceId + intent.spanId, intent]));
    if (open.size === 0) return [];
    for await (const { payload } of rowsOf(this.#records)) {
      if (typeof payload !== 'string' || !payload.startsWith('{"action":"tool_invoked"')) continue;
      if (!payload.includes('"phase":"outcome"')) continue;
      const { trace } = JSON.parse(payload) as { trace?: { trace_id?: string; span_id?: string } };
      open.delete(`${trace?.trace_id}${trace?.span_id}`);
    }
    return [...open.values()];
  }

  async schema() {
    return { differences: [], unchecked: [] };
  }

  amiss({ line, points }: { line: JudgedLine | undefined; points: Points | undefined }): ArchiveProblem[] {
    // What a manifest is worth is known once the ledger's own chain is: that tells which keys followed which.
    if (this.#trusted.length > 0) {
      // It is made last, and a key that was retired before signs nothing any more; its checkpoint may be older.
      this.#checkSignature(line?.active ?? this.#trusted);
      this.#checkCheckpoint(line?.keys ?? this.#trusted, line, points);
    }
    return this.#problems;
  }

  unchecked(): string[] {
    return this.#contents === 0
      ? []
      : [`${this.#contents} sealed contents that its records refer to: an archive has none of the vault`];
  }

  get #records(): ArchiveFile[] {
    return this.#archive.files.filter(({ listed }) => listed.kind === 'records');
  }

  #checkSignature(keys: readonly Vkey[]): void {
    const why = whyUnsigned(this.#archive.read, keys);
    if (why !== undefined) this.#invalid(why);
  }

  #checkCheckpoint(keys: readonly Vkey[], line: JudgedLine | undefined, points: Points | undefined): void {
    const checkpoint = checkpointOf(this.#archive.read, keys);
    if (typeof checkpoint === 'string') {
      this.#invalid(checkpoint);
      return;
    }
    const size = Number(checkpoint.size);
    const roots = (line?.chains ?? []).map(({ chainId }) => points?.at(chainId, size)?.root);
    if (!roots.includes(checkpoint.root))
      this.#invalid(
        `its checkpoint is not over the first ${size} records of the ledger's chain that are in it`,
      );
  }

  #invalid(detail: string): void {
    this.#problems.push({ what: 'manifest', chainId: '', seq: 0n, detail });
  }

  #say({ listed }: ArchiveFile, what: ArchiveProblem['what'], why: string): void {
    const [{ chain_id: chainId, ranges }] = listed.ranges as [(typeof listed.ranges)[number]];
    this.#problems.push({ what, chainId, seq: BigInt(ranges[0]![0]), detail: `${listed.name} ${why}` });
  }
}

function sizesIn(checkpoint: string): number[] {
  try {
    const size = Number(parseCheckpoint(checkpoint).size);
    return Number.isSafeInteger(size) && size > 0 ? [size] : [];
  } catch (error) {
    // It is told of with the manifest.
    if (isSpanledgerError(error)) return [];
    throw error;
  }
}
