import { cpus } from 'node:os';
import { benchIngest } from './ingest.ts';
import { benchOverhead } from './overhead.ts';
import { benchRedact } from './redact.ts';
import { benchRounds } from './rounds.ts';
import { benchStages } from './stages.ts';
import { benchUnderstand } from './understand.ts';
import { benchVerify } from './verify.ts';

const BENCHES: { [name: string]: (spans?: number) => Promise<void> | void } = {
  redact: benchRedact,
  understand: benchUnderstand,
  stages: benchStages,
  ingest: benchIngest,
  verify: benchVerify,
  rounds: benchRounds,
  overhead: benchOverhead,
};

const [name, spans] = process.argv.slice(2);
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}. Another machine gives other figures: quote the ratios.`,
);
for (const [each, bench] of Object.entries(BENCHES)) {
  if (name === undefined || name === each) await bench(spans === undefined ? undefined : Number(spans));
}
