import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../instrumentation/adapters.ts';
import { isInRange } from '../../instrumentation/versions.ts';
import { ON_BEHALF } from '../frameworks/run.ts';

const FOLDER = 'docs/frameworks';
const pages = readdirSync(FOLDER).filter((name) => name !== 'README.md');
const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code!);

describe.each(pages)('docs/frameworks/%s', (page) => {
  const text = readFileSync(join(FOLDER, page), 'utf8');
  const examples = [...text.matchAll(/^\[(examples\/\S+)\]\(\.\.\/\.\.\/\1\):$/gm)].map(([, path]) => path!);

  it('shows examples as they stand, which the tests of its framework run', () => {
    const code = blocksOf(text, 'js');
    expect(code.slice(0, -1)).toEqual(examples.map((path) => readFileSync(path, 'utf8')));
    expect(readdirSync(join('examples', page.replace('.md', '')))).toHaveLength(examples.length);
    for (const command of blocksOf(text, 'sh').join('').trim().split('\n'))
      expect(command).toContain(examples[0]);
  });

  it('has the line that says on whose behalf as the tests add it', () => {
    const asked = /await (ask\('[^']*'\))/.exec(readFileSync(examples[0]!, 'utf8'))![1]!;
    expect(blocksOf(text, 'js').at(-1)).toContain(`await ${ON_BEHALF}${asked})`);
  });
});

describe('docs/frameworks/README.md', () => {
  const rows = [...readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/^\| \[.*$/gm)].map(([row]) =>
    row.split('|').map((cell) => cell.trim()),
  );
  const tried = new Map<string, Set<string>>();
  for (const name of readdirSync('test/frameworks')) {
    let text: string;
    try {
      text = readFileSync(join('test/frameworks', name, 'package.json'), 'utf8');
    } catch {
      continue;
    }
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: { [name: string]: string } };
    for (const [each, version] of Object.entries(dependencies)) {
      tried.set(each, (tried.get(each) ?? new Set()).add(version));
    }
  }

  it('names the versions that are tried, and what their adapters say of themselves', () => {
    for (const [, , packages, versions, intent, closed] of rows) {
      const name = /`([^`]+)`/.exec(packages!)![1]!;
      const said = versions!.replace(/¹/g, '').split(', ');
      expect(said.sort(), name).toEqual([...tried.get(name)!].sort());
      const known = name === '@openai/agents' ? '@openai/agents-core' : name;
      const adapter = ADAPTERS.find(({ supports }) => supports.some((each) => each.package === known))!;
      for (const version of said)
        expect(
          adapter.supports.some((each) => each.package === known && isInRange(version, each.versions)),
        ).toBe(true);
      expect([intent === 'yes', closed === 'yes']).toEqual([adapter.intentBeforeAction, adapter.failClosed]);
    }
  });

  it('leaves out no adapter and no page', () => {
    const text = rows.map((row) => row.join(' ')).join('\n');
    for (const page of pages) expect(text).toContain(`(${page})`);
    for (const { name, supports } of ADAPTERS) {
      expect(text, name).toContain(supports[0]!.package.replace('@openai/agents-core', '@openai/agents'));
    }
  });
});
