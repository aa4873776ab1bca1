// The fault matrix with as many rounds as asked: `npm run faults -- --rounds 1000`. Prints its table at the end.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '1000' } } });
const folder = mkdtempSync(join(tmpdir(), 'spanledger-faults-'));
const file = join(folder, 'table');
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/fault/matrix', '--reporter=verbose'],
  { stdio: 'inherit', env: { ...process.env, FAULT_ROUNDS: values.rounds, FAULT_TABLE: file } },
);
const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').map(JSON.parse) : [];
rmSync(folder, { recursive: true });

const COLUMNS = {
  fault: ({ fault }) => fault,
  twin: ({ twin }) => twin,
  store: ({ store }) => store,
  rounds: ({ rounds }) => rounds,
  acknowledged: ({ acknowledged }) => acknowledged,
  'found once': ({ once }) => once,
  lost: ({ lost }) => lost,
  doubled: ({ doubled }) => doubled,
  verify: ({ status }) => status,
  finding: ({ findings }) => findings.join(', ') || '-',
};
const cells = [
  Object.keys(COLUMNS),
  ...lines.map((line) => Object.values(COLUMNS).map((of) => String(of(line)))),
];
const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
console.log();
for (const row of cells)
  console.log(
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
const sum = (of) => lines.reduce((total, line) => total + line[of], 0);
console.log(
  `\n${sum('rounds')} rounds: ${sum('acknowledged')} spans acknowledged, ${sum('once')} found once, ${sum('lost')} lost, ${sum('doubled')} doubled`,
);
process.exitCode = status ?? 1;
