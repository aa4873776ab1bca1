// One file in, one file out: tsc for the code, a copy for the SQL that is read at run time. Built aside and
// swapped in whole, so that nobody ever runs half a build. `build.mjs bench` builds the benchmarks with it.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs';

const [target, project] =
  process.argv[2] === 'bench' ? ['dist.bench', 'tsconfig.bench.json'] : ['dist', 'tsconfig.build.json'];
const draft = `${target}.${process.pid}`;
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project, '--outDir', draft], {
  stdio: 'inherit',
});
cpSync('src/store/migrations', `${draft}/src/store/migrations`, { recursive: true });
chmodSync(`${draft}/src/cli/main.js`, 0o755);
if (existsSync(target)) renameSync(target, `${draft}.old`);
renameSync(draft, target);
rmSync(`${draft}.old`, { recursive: true, force: true });
