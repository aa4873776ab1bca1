import { afterEach, describe, expect, it, vi } from 'vitest';
import { fail, Inked, indented, ink, inked, output, table, visible } from '../../src/cli/output.ts';
import { SpanledgerError } from '../../src/errors.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';

/** What an agent's span may be named by whoever wants an officer to see something else. */
const HOSTILE: [what: string, text: string, shown: string][] = [
  ['a line feed', 'x\nvalid: 3 records', 'x\\u{a}valid: 3 records'],
  ['a carriage return', 'x\rvalid', 'x\\u{d}valid'],
  ['an escape sequence', '\x1b[2Kvalid', '\\u{1b}[2Kvalid'],
  ['a colour', '\x1b[8mhidden\x1b[0m', '\\u{1b}[8mhidden\\u{1b}[0m'],
  ['a title', '\x1b]0;x\x07', '\\u{1b}]0;x\\u{7}'],
  ['C1', '\x9b2J\x85', '\\u{9b}2J\\u{85}'],
  ['backspaces', 'denied\b\b', 'denied\\u{8}\\u{8}'],
  ['DEL, NUL and a tab', '\x7f\0\t', '\\u{7f}\\u{0}\\u{9}'],
  [
    'turned text',
    '\u202egnp.exe\u202c \u2066a\u2069 \u200f\u061c',
    '\\u{202e}gnp.exe\\u{202c} \\u{2066}a\\u{2069} \\u{200f}\\u{61c}',
  ],
  ['line separators', 'a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
  ['nothing amiss', 'Zoë 漢字 עברית 👩‍👩‍👧‍👦 → ✅', 'Zoë 漢字 עברית 👩‍👩‍👧‍👦 → ✅'],
];

function heard(stream: 'stdout' | 'stderr'): string[] {
  const lines: string[] = [];
  vi.spyOn(process[stream], 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  return lines;
}

afterEach(() => vi.restoreAllMocks());

describe.each(HOSTILE)('%s', (_, text, shown) => {
  it('is shown in a line, once', () => {
    const [out, err] = [heard('stdout'), heard('stderr')];
    output(false).line(text);
    output(false).line(`before ${text}`);
    output(false).line(inked`ours\n${text}`);
    output(true).line(text);
    output(false).log(text);
    expect(out).toEqual([`${shown}\n`, `before ${shown}\n`, `ours\n${shown}\n`]);
    expect(err).toEqual([`${shown}\n`]);
  });

  it('is shown in a table, whose columns stay', () => {
    const lines = table(
      ['name', 'n'],
      [
        [text, 1],
        ['y', 20],
      ],
    ).map(visible);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBe(`${shown}   1`);
    expect(lines[2]!.endsWith('20')).toBe(true);
    expect(lines[2]!.length).toBe(lines[1]!.length);
  });

  it('is shown in an error', () => {
    const err = heard('stderr');
    expect(fail(new SpanledgerError('usage_invalid', text, { hint: text }), false)).toBe(2);
    expect(err).toEqual([`Error: ${shown}\n`, `Try: ${shown}\n`]);
  });

  it('is what it is in a document', () => {
    const out = heard('stdout');
    output(true).document({ text });
    expect(JSON.parse(out.join(''))).toEqual({ text });
  });
});

it('colours of ours survive, around what is shown', () => {
  const red = new Inked(`\x1b[31m${visible('a\nb')}\x1b[39m`);
  const out = heard('stdout');
  output(false).line(indented(inked`${red}: ${'c\x1b'} ${3}`));
  expect(out).toEqual(['  \x1b[31ma\\u{a}b\x1b[39m: c\\u{1b} 3\n']);
  expect(visible(ink.bold(ink.green('x\r')))).toContain('x\\u{d}');
});

it('an error that is no refusal is told with its stack, by lines', () => {
  const err = heard('stderr');
  expect(fail(new Error('oh\x1b'), false)).toBe(70);
  expect(err[0]).toBe('Error: oh\\u{1b}\n');
  expect(err.length).toBeGreaterThan(2);
});

it('a table of very many rows is one', () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [`row ${i}`]);
  expect(table(['row'], rows)).toHaveLength(200_001);
});

describe('the command line', () => {
  const name = 'x\x1b[1A\x1b[2K\nvalid: 9 records in 1 chains';
  const span = {
    traceId: '5b8aa5a2d2c872e8321cf37308d69df2',
    spanId: '051581bf3cb55c13',
    name: 'execute_tool',
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000100000000',
    attributes: Object.entries({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': name,
      'gen_ai.agent.name': name,
      'gen_ai.conversation.id': name,
      'user.id': name,
    }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
  };
  const input = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });

  it('obeys no name, whatever it is asked, and keeps its own colours', async () => {
    const dir = temporaryFolder();
    const env = { NO_COLOR: '', FORCE_COLOR: '1' };
    const ran = await spanledger(['ingest', '-', '--explain', '--dir', dir], { input, env });
    expect(ran.code).toBe(0);
    const commands = [
      ['verify'],
      ['timeline', name],
      ['query', 'by_conversation', '--conversation', name],
      ['query', 'by_tool'],
      ['sql', 'SELECT user_id, tool_name, 18446744073709551615 AS big FROM spanledger.audit_records'],
    ];
    const all = [ran];
    for (const args of commands) all.push(await spanledger([...args, '--dir', dir], { env }));
    for (const { stdout, stderr, code } of all) {
      expect(code).toBe(0);
      const text = stdout + stderr;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what is left are colours and ends of lines
      expect(text.replace(/\x1b\[\d{1,2}m|\n/g, '')).not.toMatch(/\p{Cc}/u);
      expect(text).not.toMatch(/^valid: 9 records/m);
    }
    expect(all[1]!.stdout).toContain('\x1b[32mvalid\x1b[39m');
    expect(all.slice(2).every(({ stdout }) => stdout.includes('\\u{1b}[1A'))).toBe(true);
    expect(all.at(-1)!.stdout).toContain('18446744073709551615');
    const json = await spanledger(['timeline', name, '--dir', dir, '--json']);
    expect(
      documentOf<{ conversation_id?: string }[]>(json).some((each) => each.conversation_id === name),
    ).toBe(true);
  });
});
