import type { AuditDoor, ToolCall, ToolSpans, ToolStart } from '../src/sdk/door.ts';
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
  /** What the tool threw, where the framework throws something of its own instead. @default all of it */
  cause?: ((error: unknown) => unknown) | undefined;
  /** What an answer says that is no result. Undefined for a result. */
  verdict?: ((answer: unknown) => Verdict | undefined) | undefined;
}

/** How a call ended that was answered and has no result: it failed, was refused, or waits for somebody. */
export type Verdict =
  | { what: 'failed'; error: unknown }
  | { what: 'denied'; reason?: string | undefined }
  | { what: 'paused' };

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

  /** Runs what makes spans of tools whose calls all come by `call`: that writes their intent, not the spans' start. */
  claim<T>(spans: ToolSpans, work: () => T): T {
    return this.#isOn ? this.#door.claim(spans, work) : work();
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
function listening(call: ToolCall, { signal, result, isPause, cause, verdict }: Told): ToolCall {
  const fail = (error: unknown): void => {
    if (signal?.aborted) call.interrupt(reasonOf(signal));
    else if (isPause?.(error)) call.interrupt();
    else call.fail(orElse(error, cause));
  };
  return {
    traceId: call.traceId,
    spanId: call.spanId,
    failClosed: call.failClosed,
    admit: () => call.admit(),
    admitSync: () => call.admitSync(),
    run: (work) => call.run(work),
    end(answer) {
      const said = verdict && orElse(answer, verdict, undefined);
      if (said?.what === 'failed') fail(said.error);
      else if (said?.what === 'denied') call.deny(said.reason);
      else if (said?.what === 'paused') call.interrupt();
      else call.end(orElse(answer, result));
    },
    fail,
    deny: (reason) => call.deny(reason),
    interrupt: (reason) => call.interrupt(reason),
  };
}

/** What a function of an adapter makes of a value; where it is absent, or fails, the value or what stands in for it. */
function orElse<T>(value: unknown, fn: (value: unknown) => T, instead: T): T;
function orElse(value: unknown, fn: ((value: unknown) => unknown) | undefined): unknown;
function orElse(
  value: unknown,
  fn: ((value: unknown) => unknown) | undefined,
  instead: unknown = value,
): unknown {
  try {
    return fn === undefined ? value : fn(value);
  } catch {
    return instead;
  }
}

function reasonOf({ reason }: AbortSignal): string | undefined {
  try {
    return reason === undefined ? undefined : String((reason as { message?: unknown }).message ?? reason);
  } catch {
    return undefined;
  }
}
