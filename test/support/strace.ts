import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A system call as strace saw it. It began before line `began` of the trace and had ended by line `ended`. */
export interface Call {
  thread: number;
  name: string;
  /** Arguments as text, descriptors with their path: `5</tmp/x>, "abc", 3`. */
  args: string;
  result: number;
  began: number;
  ended: number;
}

const CALLS = 'openat,write,writev,pwrite64,pwritev,fdatasync,fsync,unlink,unlinkat';

/** The command, to be run under strace with its calls on files written to `file`. */
export function traced(file: string, command: readonly string[]): string[] {
  return ['strace', '-f', '-y', '-s', '200', '-e', `trace=${CALLS}`, '-o', file, ...command];
}

export function callsIn(file: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { name: string; args: string; began: number }>();
  for (const [line, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const begun = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/.exec(text);
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/.exec(text);
    const whole = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(text);
    if (begun !== null) unfinished.set(begun[1]!, { name: begun[2]!, args: begun[3]!, began: line });
    else if (resumed !== null) {
      const { name, args, began } = unfinished.get(resumed[1]!)!;
      calls.push({
        thread: Number(resumed[1]),
        name,
        args: args + resumed[3]!,
        result: Number(resumed[4]),
        began,
        ended: line,
      });
    } else if (whole !== null)
      calls.push({
        thread: Number(whole[1]),
        name: whole[2]!,
        args: whole[3]!,
        result: Number(whole[4]),
        began: line,
        ended: line,
      });
  }
  return calls;
}

export function pathOf({ args }: Call): string {
  return /^\d+<([^>]*)>/.exec(args)?.[1] ?? /"([^"]*)"/.exec(args)?.[1] ?? '';
}

/** Whether something asked the disk to keep the file, after `from` had ended and with success before `to` began. */
export function syncedBetween(calls: readonly Call[], path: string, from: Call, to: Call): boolean {
  return calls.some(
    (call) =>
      /^f(data)?sync$/.test(call.name) &&
      pathOf(call) === path &&
      call.result === 0 &&
      call.began > from.ended &&
      call.ended < to.began,
  );
}

/** Why traces cannot be taken here, or undefined. */
export function straceMissing(): string | undefined {
  try {
    execFileSync('strace', ['-f', '-e', 'trace=write', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'strace is not here, or not allowed to trace';
  }
}
