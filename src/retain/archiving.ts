import type { Clock } from '../clock.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { PolicyDocument } from '../policy/document.ts';
import type { Store } from '../store/client.ts';
import { archiveClosed } from './archive/job.ts';
import { archivesIn, type Confirmation } from './archive/partition.ts';
import { confirmedBy } from './confirmed.ts';
import type { LawfulRecords, OwnLine } from './own-line.ts';
import { count, inParts, written } from './ranges.ts';

/** A record of the line names so many stretches, so that none is too large to be read. */
const TOLD = { places: Number.POSITIVE_INFINITY, stretches: 5_000 };

export interface ArchivingTo {
  store: Store;
  ledgerId: string;
  origin: string;
  /** A folder, each of whose folders is an archive. */
  path: string;
  clock: Clock;
  records: LawfulRecords;
  lend: <T>(work: (line: OwnLine) => Promise<T>) => Promise<T>;
}

export interface ListedArchive {
  /** The name of its folder, and the digest of its manifest. */
  to: string;
  manifest: string;
  retention_class: string;
  partition: string;
  rows: number;
  /** RFC 3339; null of one that is missing. */
  created_at: string | null;
  bytes: number | null;
  /** `missing`: the ledger says that there was one, and the folder does not have it. */
  state: 'confirmed' | 'unconfirmed' | 'missing';
}

/** Copies closed partitions to a folder, and says so in the line. While it copies, others have the line. */
export class Archiving {
  readonly #to: ArchivingTo;
  /** One at a time: of a partition there is one draft. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(to: ArchivingTo) {
    this.#to = to;
  }

  /** @throws SpanledgerError `archive_failed`; of the store and the key: what was confirmed is, and the next run goes on. */
  run(document: PolicyDocument): Promise<Confirmation[]> {
    const work = () => this.#run(document);
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #run(document: PolicyDocument): Promise<Confirmation[]> {
    const { store, ledgerId, origin, path, clock, records, lend } = this.#to;
    const { signer, checkpoint } = await lend(async (line) => {
      if (line.signed === undefined) await line.checkpoint();
      return { signer: line.signer, checkpoint: line.signed! };
    });
    const confirmed = () =>
      lend(async (line) => {
        await records.refresh(line);
        return confirmedBy(records.all);
      });
    const confirm = (confirmation: Confirmation) =>
      lend(async (line) => {
        for (const part of inParts(new Map(Object.entries(confirmation.ranges)), TOLD))
          line.tell('archive_confirmed', { ...confirmation, rows: count(part), ranges: written(part) });
        await line.settle();
      });
    try {
      return await archiveClosed({
        store,
        path,
        ledgerId,
        origin,
        checkpoint,
        signer,
        now: clock(),
        document,
        line: { confirmed, confirm },
      });
    } catch (error) {
      throw isSystemError(error) ? unwritable(path, error) : error;
    }
  }

  /** What the folder has, and what it should have. */
  async listed(): Promise<ListedArchive[]> {
    const { ledgerId, path, records, lend } = this.#to;
    const told = await lend(async (line) => {
      await records.refresh(line);
      return records.all.filter(({ action }) => action === 'archive_confirmed');
    });
    const known = new Set(told.map(({ control }) => control.manifest));
    const there = await archivesIn(path, ledgerId);
    const listed = there.map(({ to, digest, manifest }): ListedArchive => {
      const sum = (what: 'rows' | 'bytes') => manifest.files.reduce((all, file) => all + file[what], 0);
      return {
        to,
        manifest: digest,
        retention_class: manifest.retention_class!,
        partition: manifest.partition!,
        rows: sum('rows'),
        created_at: manifest.created_at,
        bytes: sum('bytes'),
        state: known.has(digest) ? 'confirmed' : 'unconfirmed',
      };
    });
    const missing = new Map<string, ListedArchive>();
    for (const { control } of told as unknown as readonly { control: Confirmation }[]) {
      const { to, manifest, retention_class, partition, rows } = control;
      if (there.some(({ digest }) => digest === manifest)) continue;
      const before = missing.get(manifest)?.rows ?? 0;
      missing.set(manifest, {
        ...{ to, manifest, retention_class, partition, rows: before + rows },
        ...{ created_at: null, bytes: null, state: 'missing' },
      });
    }
    return [...listed, ...missing.values()];
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

function unwritable(path: string, cause: NodeJS.ErrnoException): SpanledgerError {
  return new SpanledgerError('archive_failed', `${path}: ${messageOf(cause)}`, {
    cause,
    hint: 'nothing leaves that is not archived: mend the folder of retention.archive, and the next run goes on',
  });
}
