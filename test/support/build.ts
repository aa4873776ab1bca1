import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The command line under test is the built one, so it is built when it is older than its sources. */
export default function build(): void {
  const built = existsSync('dist/src/cli/main.js') ? statSync('dist/src/cli/main.js').mtimeMs : 0;
  if (newest('src') < built && newest('instrumentation') < built) return;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}

function newest(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(
      (name) => statSync(join(folder, name)).mtimeMs,
    ),
  );
}
