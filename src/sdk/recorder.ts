import { clearTimeout, setTimeout } from 'node:timers';
import type { Gap, Writer } from '../pipeline.ts';
import type { Lineage } from '../record/lineage.ts';
import type { Understood } from '../understand.ts';

/** What could not be told for want of room is tried again so often. In milliseconds. */
const TELL_AGAIN_AFTER = 1_000;

/** Where what was understood is recorded: the process's own journal, or, in a worker thread, its main thread. */
export interface Recorder {
  /** Hears that there is something new to ship. */
  committed: () => void;
  /**
   * Committed when it returns: SIGKILL loses nothing. A worker's is on its way to the main thread.
   *
   * @throws SpanledgerError `journal_full`, `journal_broken`: nothing was recorded.
   */
  commit(batch: readonly Understood[], ancestors?: Lineage): void;
  noteGap(spans: number, error: unknown, counted?: Gap): Gap;
  /** Resolves when all that was committed before is durable. */
  durable(): Promise<void>;
  /** The same, and the thread waits. @param within milliseconds */
  durableSync(within: number): void;
  /** As `durable`, and what was lost is told. */
  flush(): Promise<void>;
  close(): Promise<void>;
  /** The process ends: what is left is committed, and the chain closed, before this returns. */
  end(): void;
}

/** The process's own writer; what it lost is told as soon as there is room, also if nobody records anything more. */
export function localRecorder(writer: Writer, close: () => Promise<void>): Recorder {
  const { journal } = writer;
  let again: NodeJS.Timeout | undefined;
  const tellSoon = () => {
    again ??= setTimeout(() => {
      again = undefined;
      writer.flush().catch(tellSoon);
    }, TELL_AGAIN_AFTER).unref();
  };
  const recorder: Recorder = {
    committed: () => {},
    commit(batch, ancestors) {
      writer.commit(batch, ancestors);
      recorder.committed();
    },
    noteGap: (spans, error, counted) => {
      tellSoon();
      return writer.noteGap(spans, error, counted);
    },
    durable: () => journal.flush(),
    durableSync: () => journal.flushSync(),
    flush: () => writer.flush(),
    end: () => writer.end(),
    async close() {
      clearTimeout(again);
      again = undefined;
      await close();
    },
  };
  return recorder;
}
