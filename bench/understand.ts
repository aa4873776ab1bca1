import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeFile } from '../src/otlp/decode.ts';
import { compilePolicy } from '../src/policy/policy.ts';
import type { Span } from '../src/span.ts';
import { understand } from '../src/understand.ts';

const CAPTURES = 'test/golden/captures';
const SECONDS = 1;

/**
 * Spans a second through `understand` (read, classified, redacted, digested), dialect by dialect, on the captures
 * of real instrumentations. What a span costs is mostly its size, so bytes a second stand beside it.
 */
export async function benchUnderstand(): Promise<void> {
  const policy = compilePolicy({ id: 'bench', secret: Buffer.alloc(32, 1) });
  console.log('understand: spans a second by dialect, of the captures');
  const rows: { dialect: string; rate: number }[] = [];
  for (const [dialect, spans] of byDialect(policy)) {
    for (const span of spans) understand(span, policy);
    const started = performance.now();
    let done = 0;
    while (performance.now() - started < SECONDS * 1_000) {
      for (const span of spans) understand(span, policy);
      done += spans.length;
    }
    const rate = (done / (performance.now() - started)) * 1_000;
    const bytes = spans.reduce((sum, span) => sum + sizeOf(span), 0) / spans.length;
    rows.push({ dialect, rate });
    console.log(
      `  ${dialect.padEnd(17)} ${String(Math.round(rate)).padStart(7)} spans/s  ${String(Math.round(bytes)).padStart(6)} B a span  ${((rate * bytes) / 2 ** 20).toFixed(0).padStart(4)} MB/s`,
    );
  }
  const rates = rows.map(({ rate }) => rate);
  console.log(`  slowest to fastest ${(Math.min(...rates) / Math.max(...rates)).toFixed(2)}`);
}

/** Spans that leave records; wrappers cost next to nothing. */
function byDialect(policy: Parameters<typeof understand>[1]): Map<string, Span[]> {
  const found = new Map<string, Span[]>();
  for (const set of readdirSync(CAPTURES)) {
    for (const file of readdirSync(join(CAPTURES, set)).filter((name) => /^traces.*pb$/.test(name))) {
      for (const { spans } of decodeFile(readFileSync(join(CAPTURES, set, file)))) {
        for (const span of spans) {
          const understood = understand(span, policy);
          if (understood.what !== 'activity' || understood.facts.kind === 'wrapper') continue;
          const dialect = understood.facts.source.dialect!;
          const known = found.get(dialect);
          if (known === undefined) found.set(dialect, [span]);
          else known.push(span);
        }
      }
    }
  }
  return found;
}

function sizeOf(span: Span): number {
  let bytes = 0;
  for (const [key, value] of span.attributes)
    bytes += key.length + (typeof value === 'string' ? value.length : 8);
  return bytes;
}
