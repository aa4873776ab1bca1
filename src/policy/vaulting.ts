import type { PolicyDocument } from './document.ts';

/** Whether a policy keeps anything of what was said, so that whoever writes under it needs the content key. */
export function vaults({ content, tools, domains }: PolicyDocument): boolean {
  return [content?.prompts, content?.answers, content?.tools]
    .concat(tools.map((rule) => rule.content))
    .concat(Object.values(domains).map((domain) => domain.content))
    .includes('vault');
}
