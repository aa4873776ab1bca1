import pc from 'picocolors';
import { isSpanledgerError, messageOf } from '../errors.ts';

/** With `--json` stdout holds one JSON document and nothing else; what people read goes to stderr. */
export interface Output {
  json: boolean;
  /** A line for people: on stdout, or nowhere with --json. */
  line(text?: Text): void;
  /** A line about the work itself, always on stderr. */
  log(text: Text): void;
  /** The answer for machines: printed with --json only. */
  document(value: unknown): void;
}

/** A line's text. What is not `Inked` may come from whoever sent a span, and is shown, never obeyed. */
export type Text = string | number | Inked;

/** Text that holds colours of ours; whatever was put into it was made visible before. */
export class Inked {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** C0 and C1 controls, DEL, what turns the direction of text, and what begins another line. */
const UNSEEN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** A name with a line feed in it would forge a line, one with an escape sequence hide what stands before it. */
export function visible(text: Text): string {
  if (text instanceof Inked) return text.text;
  return String(text).replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** A template of ours: only what is put into it is data. */
export function inked(ours: TemplateStringsArray, ...data: Text[]): Inked {
  return new Inked(String.raw({ raw: ours }, ...data.map(visible)));
}

export function indented(line: Text): Inked {
  return inked`  ${line}`;
}

const pen = (paint: (text: string) => string) => (text: Text) => new Inked(paint(visible(text)));

/** The colours in use; none where nobody sees them. */
export const ink = {
  bold: pen(pc.bold),
  dim: pen(pc.dim),
  green: pen(pc.green),
  red: pen(pc.red),
  yellow: pen(pc.yellow),
};

export function output(json: boolean): Output {
  return {
    json,
    line: (text = '') => {
      if (!json) process.stdout.write(`${visible(text)}\n`);
    },
    log: (text) => void process.stderr.write(`${visible(text)}\n`),
    document: (value) => {
      if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}

/** Says what went wrong and what to do, and answers the exit code. An error without a code is a bug of ours: 70. */
export function fail(error: unknown, json: boolean): number {
  const known = isSpanledgerError(error);
  const code = known ? error.code : 'internal';
  const hint = known ? error.hint : undefined;
  const { log, document } = output(json);
  log(inked`${ink.red('Error:')} ${messageOf(error)}`);
  if (hint !== undefined) log(inked`${ink.yellow('Try:')} ${hint}`);
  if (!known && error instanceof Error) for (const line of error.stack?.split('\n') ?? []) log(line);
  document({ error: { code, message: messageOf(error), hint: hint ?? null } });
  return known ? error.exitCode : 70;
}

/** Rows under a head, padded: numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): Text[] {
  const texts = [head, ...rows].map((row) => row.map(visible));
  const widths = head.map((_, i) => texts.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), 0));
  const isNumber = head.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (row: readonly string[]) =>
    row
      .map((text, i) => (isNumber[i] ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return texts.map((row, i) => (i === 0 ? ink.dim(line(row)) : line(row)));
}
