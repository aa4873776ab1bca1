import { compilePolicy } from '../src/policy/policy.ts';

const MIB = 2 ** 20;
const SECONDS = 1;
const MISSING = '\u0000hunter2';
/** As much of one text as a record keeps. */
const TEXT_LENGTH = 4_000;

const WORDS =
  'the agent looked the order up and told the customer that it will be sent again within a few days since the first parcel was returned by the carrier without any reason given';

/** Texts in which there is nothing to redact, each with more for the engine to look at than the one before. */
const TEXTS: { [name: string]: string } = {
  prose: WORDS,
  'prose with numbers': `${WORDS}; order 20418 of 3 items, version 1.27, paid 2026-03-01 12:00:00`,
  'prose in two scripts': `${WORDS} — naïve “café”`,
  'JSON of arguments':
    '{"order_id":"ord_20418","status":"open","items":[{"sku":"A-17","count":3}],"note":"again"},',
  "a tool's result":
    '{"id":"P-1042","status":"active","visits":[{"date":"2026-03-01","reason":"follow-up","hba1c":6.1}],"allergies":["penicillin"],"updated_at":"2026-03-01T12:00:00Z"},',
  'source code':
    'export function total(items: readonly Item[]): number {\n  let sum = 0;\n  for (const { price, count } of items) sum += price * count;\n  return sum;\n}\n',
  'log lines': '2026-03-01T12:00:00.123Z INFO order=20418 trace=0af7651916cd43dd8448eb211c80319c took=12ms\n',
  'log lines of words': '2026-03-01 12:00:00,123 INFO worker: the order was sent again, 3 items in 12 ms\n',
  'numbers in CSV': '20418,3,49.50,0.0123,2026-03-01,17.25\n20419,1,12.00,0.9876,2026-03-02,18.75\n',
};

/**
 * Clean text through redaction, beside the cheapest look there is at the same text in the same run: a search for
 * a word that is not in it.
 */
export function benchRedact(): void {
  const { redactor } = compilePolicy({ id: 'bench', secret: Buffer.alloc(32, 1) });
  console.log(`redact: MB/s of clean text of ${TEXT_LENGTH} characters, on one core`);
  for (const [name, unit] of Object.entries(TEXTS)) {
    const text = `${unit} `.repeat(Math.ceil(TEXT_LENGTH / unit.length)).slice(0, TEXT_LENGTH);
    if (redactor.scan(text) !== text) throw new Error(`${name} is not clean`);
    const scanned = rate(text, () => redactor.scan(text));
    const searched = rate(text, () => text.indexOf(MISSING));
    report(name, scanned, searched);
  }
  // As it comes: as one text of JSON, whose values are read one by one.
  const json = JSON.stringify(Array(40).fill(JSON.parse(TEXTS['JSON of arguments']!.slice(0, -1))));
  const walked = rate(json, () => redactor.redact(json, { tenant: 'default' }));
  report(
    'the same JSON, whole',
    walked,
    rate(json, () => json.indexOf(MISSING)),
  );
}

function report(name: string, scanned: number, searched: number): void {
  console.log(
    `  ${name.padEnd(20)} ${scanned.toFixed(0).padStart(5)} MB/s   a search alone ${searched.toFixed(0).padStart(6)} MB/s, ${(searched / scanned).toFixed(0)} times as much`,
  );
}

/** By the time of the processor: what else the machine does is no matter. */
function rate(text: string, look: () => unknown): number {
  const bytes = Buffer.byteLength(text);
  for (let i = 0; i < 500; i++) look();
  const before = process.cpuUsage();
  let seconds = 0;
  let done = 0;
  while (seconds < SECONDS) {
    for (let i = 0; i < 100; i++) look();
    done += 100 * bytes;
    const { user, system } = process.cpuUsage(before);
    seconds = (user + system) / 1e6;
  }
  return done / MIB / seconds;
}
