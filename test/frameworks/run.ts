import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { AuditRecord } from '../../src/record/record.ts';
import { type RunOptions, recordedIn, runApp } from '../support/app.ts';
import { temporaryFolder } from '../support/cli.ts';

export type Format = 'esm' | 'cjs';

/** One line more in an app, as the docs have it. */
export const ON_BEHALF =
  "withAuditContext({ user: 'nurse-17', purpose: 'TREAT', conversationId: 'visit-9' }, () => ";

let count = 0;

/**
 * Puts an app, and what stands beside it, where a framework is installed, as it is or told by `require`, and with
 * its `ask` on somebody's behalf.
 */
export function appIn(
  dir: string,
  app: string,
  {
    format = 'esm',
    isAudited = false,
    beside = [],
  }: { format?: Format; isAudited?: boolean; beside?: string[] } = {},
): string {
  const folder = resolve(dir, `${dir === '.' ? 'test/frameworks/' : ''}.app-${process.pid}-${count++}`);
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const file of beside) write(join(dirname(app), file), format);
  return write(app, format, isAudited);

  function write(from: string, as: Format, audited = false): string {
    let text = readFileSync(from, 'utf8');
    if (audited) {
      text = `import { withAuditContext } from 'spanledger';\n${text.replace(/await (ask\('[^']*'\))/, `await ${ON_BEHALF}$1)`)}`;
      expect(text).toContain(ON_BEHALF);
    }
    const name = basename(from);
    const path = join(folder, as === 'esm' ? name : name.replace(/\.mjs$/, '.cjs'));
    writeFileSync(path, as === 'esm' ? text : required(text));
    return path;
  }
}

/** The same app in CommonJS. */
function required(text: string): string {
  const lines = text.split('\n');
  const imports = lines
    .filter((line) => line.startsWith('import '))
    .map((line) =>
      line
        .replace(/^import (\w+) from ('[^']+');$/, 'const { default: $1 } = require($2);')
        .replace(/^import \* as (\w+) from ('[^']+');$/, 'const $1 = require($2);')
        .replace(/^import (\{.*\}) from ('[^']+');$/, (_, names: string, from: string) => {
          return `const ${names.replace(/ as /g, ': ')} = require(${from});`;
        }),
    );
  const rest = lines.filter((line) => !line.startsWith('import ')).join('\n');
  return [
    ...imports,
    '(async () => {',
    rest.replace(/import\.meta\.dirname/g, '__dirname').replace(/\.mjs(['`])/g, '.cjs$1'),
    '})().catch((error) => { console.error(error); process.exitCode = 1; });',
    '',
  ].join('\n');
}

/** Runs an app with the flag, and answers what it printed and what is recorded of it. */
export async function recordedRun(
  app: readonly string[],
  options: RunOptions = {},
): Promise<{ dir: string; stdout: string; stderr: string; records: AuditRecord[] }> {
  const dir = temporaryFolder();
  const ran = await runApp(dir, app, options);
  expect(ran.code, `${ran.stdout}\n${ran.stderr}`).toBe(0);
  return { dir, stdout: ran.stdout.trim(), stderr: ran.stderr, records: await recordedIn(dir) };
}

/** The records of tool calls, and that each call has one intent and one outcome, of one id. */
export function toolCallsOf(records: readonly AuditRecord[]): AuditRecord[] {
  const calls = records.filter(({ action }) => action === 'tool_invoked');
  const spans = new Map<string, string[]>();
  for (const { trace, phase } of calls)
    spans.set(trace!.span_id, [...(spans.get(trace!.span_id) ?? []), phase]);
  for (const [span, phases] of spans) expect(phases, span).toEqual(['intent', 'outcome']);
  return calls.filter(({ phase }) => phase === 'outcome');
}

/** Where a conversation begins is counted who is behind it, or that nobody said so. */
export function begun(records: readonly AuditRecord[]): AuditRecord[] {
  return records.filter(({ action }) => action === 'conversation_started');
}
