// Does every row of the catalogue of attacks to a real ledger, and prints what the verifier said of each: `npm run attacks`.
import { startVitest } from 'vitest/node';

const vitest = await startVitest('test', ['test/attacks'], { watch: false, reporters: ['dot'] });
const lines = [];
const failures = [];
for (const file of vitest.state.getTestModules())
  for (const test of file.children.allTests()) {
    const { attack } = test.meta();
    const { state, errors } = test.result();
    if (state === 'failed')
      failures.push(`${test.fullName}\n${errors.map(({ message }) => message).join('\n')}`);
    if (attack !== undefined) lines.push({ ...attack, state });
  }
const failed = vitest.state.getCountOfFailedTests() > 0 || vitest.state.getUnhandledErrors().length > 0;
await vitest.close();

const PASSED = { passed: 'pass', failed: 'FAIL' };
const cells = [['#', 'tampering', 'said', '']];
for (const { row, title, said, is, why, state } of lines.sort((a, b) => a.row - b.row))
  cells.push([String(row), title, why ?? short(said), PASSED[state] ?? is ?? state]);
const widths = [0, 1, 2, 3].map((i) => Math.max(...cells.map((row) => row[i].length)));
console.log();
for (const row of cells)
  console.log(
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
for (const failure of failures) console.log(`\n${failure}`);

const rows = (of) => new Set(lines.filter(of).map(({ row }) => row)).size;
const attacks = (of) => lines.filter(({ state }) => state === of).length;
const told = (of) => rows(({ is }) => is === of);
console.log(
  `\n${attacks('passed')} attacks of ${rows(({ state }) => state === 'passed')} rows answered as they should be, ${attacks('failed')} not. ` +
    `Rows not attacked here: ${told('elsewhere')} elsewhere, ${told('not yet')} not yet, ${told('never')} that no verifier could find`,
);
process.exitCode = failed || lines.length === 0 ? 1 : 0;

/** Findings, a few of them. */
function short(said) {
  if (said === undefined) return 'no answer';
  if (said.length === 0) return 'nothing';
  return said.length > 4 ? `${said.slice(0, 4).join(', ')}, and ${said.length - 4} more` : said.join(', ');
}
