import type { AuditDoor, ToolCall, ToolStart } from '../src/sdk/door.ts';
import { observed } from '../src/sdk/observed.ts';

/** What a framework's call tells of itself. */
export interface Told {
  start: Omit<ToolStart, 'scope'>;
  /** By which whoever asked for the call can give it up. */
  signal?: AbortSignal | undefined;
  /** What of the answer is the tool's result, where the framework wraps it. @default all of it */
  result?: ((answer: unknown) => unknown) | undefined;
  /** What it throws is no failure: it waits for somebody, and is called again. */
  isPause?: ((error: unknown) => boolean) | undefined;
}

/** The calls of one adapter, from its beginning until it is disabled. */
export class Recording {
  readonly #door: AuditDoor;
  readonly #scope: string;
  #isOn = true;

  private constructor(door: AuditDoor, scope: string) {
    this.#door = door;
    this.#scope = scope;
  }

  /**
   * What an adapter's `enable` answers: ends what `hook` has begun, and what goes on by its functions that others
   * hold by then.
   */
  static begin(door: AuditDoor, scope: string, hook: (recording: Recording) => (() => void)[]): () => void {
    const recording = new Recording(door, scope);
    const undo = hook(recording);
    return () => {
      recording.#isOn = false;
      for (const each of undo) each();
    };
  }

  /**
   * Runs a framework's tool call, recorded: the intent before it, the outcome after it or after the stream that it
   * answers. What it answers or throws is the framework's, as it is.
   *
   * @param told asked once, before the call. Where it fails the call is recorded as `unknown`, and runs.
   * @param options.isSync its caller looks at what it answers before it waits: fail-closed, the thread waits instead.
   * @throws SpanledgerError `audit_unavailable`, fail-closed: the tool was not called.
   */
  call<T>(told: () => Told, run: () => T, { isSync = false }: { isSync?: boolean } = {}): T {
    if (!this.#isOn) return run();
    let said: Told;
    try {
      said = told();
    } catch {
      said = { start: { name: 'unknown' } };
    }
    const call = this.#door.startTool({ ...said.start, scope: this.#scope });
    const heard = listening(call, said);
    if (!call.failClosed) return observed(heard, run);
    if (!isSync) return call.admit().then(() => observed(heard, run)) as T;
    call.admitSync();
    return observed(heard, run);
  }

  /** A call that was refused, and never begun. Does not throw. */
  deny(start: Told['start'], reason: string | undefined): void {
    if (!this.#isOn) return;
    this.#door.startTool({ ...start, scope: this.#scope }).deny(reason);
  }
}

/** It answers before it has run to its end, or may: a generator, or a function that may answer one. */
export function mayAnswerAtOnce(fn: (...args: never[]) => unknown): boolean {
  return Object.prototype.toString.call(fn) !== '[object AsyncFunction]';
}

/** A failure after the call was given up is the giving up. */
function listening(call: ToolCall, { signal, result, isPause }: Told): ToolCall {
  return {
    traceId: call.traceId,
    spanId: call.spanId,
    failClosed: call.failClosed,
    admit: () => call.admit(),
    admitSync: () => call.admitSync(),
    run: (work) => call.run(work),
    end(answer) {
      call.end(result === undefined ? answer : orAll(result, answer));
    },
    fail(error) {
      if (signal?.aborted) call.interrupt(reasonOf(signal));
      else if (isPause?.(error)) call.interrupt();
      else call.fail(error);
    },
    deny: (reason) => call.deny(reason),
    interrupt: (reason) => call.interrupt(reason),
  };
}

function orAll(result: (answer: unknown) => unknown, answer: unknown): unknown {
  try {
    return result(answer);
  } catch {
    return answer;
  }
}

function reasonOf({ reason }: AbortSignal): string | undefined {
  try {
    return reason === undefined ? undefined : String((reason as { message?: unknown }).message ?? reason);
  } catch {
    return undefined;
  }
}
