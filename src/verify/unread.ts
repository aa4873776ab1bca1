import { CONTENTS_AT_ONCE } from './contents.ts';
import type { Judge } from './judge.ts';
import { PAGE_RANGES, PAGE_ROWS } from './rows.ts';
import type { Scanner, Span, Stretch } from './scan.ts';

/**
 * Stretches of which payloads are still to be read: for their canonical form those that no good checkpoint of their
 * chain covers, which is known at its end; and those that refer to contents. Short ones are read together.
 */
export class Unread {
  readonly #judge: Judge;
  readonly #scanner: Scanner;
  readonly #isFull: boolean;
  /** A span a chain. */
  #spans: Span[] = [];
  #referring: Span[] = [];
  /** Not read: checkpoints of their own chains cover them, and whose those are is known once all has been judged. */
  readonly #covered: Span[] = [];

  constructor(judge: Judge, scanner: Scanner, isFull: boolean) {
    this.#judge = judge;
    this.#scanner = scanner;
    this.#isFull = isFull;
  }

  async add({ chainId, from, to, refers }: Stretch): Promise<void> {
    const last = this.#spans.at(-1);
    if (last !== undefined && last.chainId !== chainId) this.#trim(last);
    if (last?.chainId === chainId && last.to + 1n !== from) await this.check();
    else if (last?.chainId !== chainId && this.#isMuch) await this.check();
    put(this.#spans, { chainId, from, to });
    if (refers) put(this.#referring, { chainId, from, to });
    // Of a chain that goes on, what comes may cover it.
    if (this.#isFull && this.#isMuch) await this.check();
  }

  /** Those of this chain, if there are any: they come before what follows now. */
  async checkFor(chainId: string): Promise<void> {
    if (this.#spans.at(-1)?.chainId === chainId) await this.check();
  }

  async check(): Promise<void> {
    const last = this.#spans.at(-1);
    if (last !== undefined) this.#trim(last);
    await this.#read(this.#spans);
    for (const spans of pagesOf(this.#referring)) {
      for await (const said of this.#scanner.references(spans)) this.#judge.reference(said);
      await judgeContents(this.#judge, this.#scanner, CONTENTS_AT_ONCE);
    }
    this.#spans = [];
    this.#referring = [];
  }

  /** @param vouched by chain: how many of its first records something outside it vouches for. Anybody signs a chain of his own. */
  async checkUnvouched(vouched: ReadonlyMap<string, number>): Promise<void> {
    const spans = this.#covered.flatMap((span) => {
      const from = BigInt(vouched.get(span.chainId) ?? 0);
      return from > span.to ? [] : [{ ...span, from: from > span.from ? from : span.from }];
    });
    await this.#read(spans);
  }

  async #read(unread: readonly Span[]): Promise<void> {
    for (const spans of pagesOf(unread))
      for await (const payload of this.#scanner.payloads(spans)) this.#judge.payload(payload);
  }

  get #isMuch(): boolean {
    return (
      this.#spans.length >= PAGE_RANGES ||
      this.#spans.reduce((sum, span) => sum + rowsOf(span), 0) >= PAGE_ROWS
    );
  }

  #trim(last: Span): void {
    if (this.#isFull) return;
    const uncovered = this.#judge.uncovered(last.chainId);
    if (uncovered <= last.from) return;
    put(this.#covered, { ...last, to: uncovered > last.to ? last.to : uncovered - 1n });
    if (uncovered > last.to) this.#spans.pop();
    else last.from = uncovered;
  }
}

/** Asks for what records refer to, once there is so much of it: of a ledger without a vault, for nothing. */
export async function judgeContents(judge: Judge, scanner: Scanner, least: number): Promise<void> {
  while (judge.contents.length >= least) {
    const places = judge.contents.splice(0, CONTENTS_AT_ONCE);
    const found = await scanner.contents(places);
    if (found !== undefined) judge.vault(places, found);
  }
}

function put(spans: Span[], span: Span): void {
  const last = spans.at(-1);
  if (last?.chainId === span.chainId && last.to + 1n === span.from) last.to = span.to;
  else spans.push(span);
}

function rowsOf({ from, to }: Span): number {
  return Number(to - from) + 1;
}

/** So many spans, of so many places and one a chain, as one query takes. */
function* pagesOf(spans: readonly Span[]): Generator<Span[]> {
  let page: Span[] = [];
  let rows = 0;
  for (const { chainId, from, to } of spans) {
    for (let at = from; at <= to; at += BigInt(PAGE_ROWS)) {
      const end = at + BigInt(PAGE_ROWS) - 1n;
      const span = { chainId, from: at, to: end < to ? end : to };
      const isFull = rows + rowsOf(span) > PAGE_ROWS || page.length >= PAGE_RANGES;
      if (page.length > 0 && (isFull || page.at(-1)!.chainId === chainId)) {
        yield page;
        page = [];
        rows = 0;
      }
      page.push(span);
      rows += rowsOf(span);
    }
  }
  if (page.length > 0) yield page;
}
