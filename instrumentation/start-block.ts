import { VERSION } from '../src/config/package.ts';
import type { Audit } from '../src/sdk/audit.ts';
import type { Conduct } from '../src/sdk/tool-calls.ts';
import type { Adapter } from './contract.ts';
import type { Seen } from './modules.ts';
import { installedVersion } from './package-of.ts';
import { isInRange } from './versions.ts';

interface Started {
  audit: Audit;
  conduct: Conduct;
  adapters: readonly Adapter[];
  seen: readonly Seen[];
  env: NodeJS.ProcessEnv;
}

/** What a process says once, as it begins: what is recorded, where, and how far it can be relied on. */
export function startBlock({ audit, conduct, adapters, seen, env }: Started): string {
  const { deployment, writer } = audit;
  const lines: [string, string][] = [
    [
      'records',
      `tool calls, model calls and agents of process ${process.pid}, ledger ${deployment.ledgerId}`,
    ],
    ['journal', writer.journal.dir],
    ['ships to', whereTo(env)],
    [
      'unrecordable',
      conduct.mode === 'closed'
        ? `fail-closed: a tool whose intent is not durable within ${conduct.waitMs} ms is not called`
        : 'fail-open: tools run, and a gap is told; fail-closed where the policy says so',
    ],
    ...frameworkLines(adapters),
    ...seen.filter(({ isEarly }) => isEarly).map((each): [string, string] => ['too early', told(each)]),
  ];
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  return [
    `spanledger ${VERSION} records this process`,
    ...lines.map(([name, text]) => `  ${name.padEnd(width)}${text}`),
    '',
  ].join('\n');
}

/** What is found of it only later. */
export function tooEarly(seen: Seen): string {
  return `spanledger: ${told(seen)}\n`;
}

function told({ package: name, version, isEarly, isSupported }: Seen): string {
  if (!isSupported)
    return `${name} ${version} is not known here: its tool calls are recorded only by its own spans`;
  return isEarly
    ? `${name} ${version} was loaded before spanledger/register: name that first among the --import flags`
    : `${name} ${version}`;
}

/** By what is installed: what is bundled into the app cannot be seen, nor changed. */
function frameworkLines(adapters: readonly Adapter[]): [string, string][] {
  const lines: [string, string][] = [];
  for (const { name, supports, intentBeforeAction, failClosed } of adapters)
    for (const { package: packageName, versions } of supports) {
      const version = installedVersion(packageName, process.cwd());
      if (version === undefined || lines.some(([, text]) => text.startsWith(`${packageName} `))) continue;
      const isKnown = supports.some(
        (each) => each.package === packageName && isInRange(version, each.versions),
      );
      const how = [
        intentBeforeAction ? 'intent before action' : 'outcome only',
        failClosed ? 'can fail closed' : 'cannot fail closed',
      ];
      lines.push([
        'framework',
        `${packageName} ${version} (${name}): ${isKnown ? how.join(', ') : `not known here, ${versions} is`}`,
      ]);
    }
  return lines.length > 0
    ? lines
    : [['frameworks', 'none found installed: auditTool, and spans that are heard of']];
}

function whereTo({ SPANLEDGER_ENDPOINT: relay, CLICKHOUSE_URL: url }: NodeJS.ProcessEnv): string {
  if (relay) return `the relay at ${withoutSecret(relay)}`;
  if (url) return `the ClickHouse at ${withoutSecret(url)}`;
  return 'nowhere yet: the next spanledger command, or serve, on this directory takes it';
}

function withoutSecret(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return 'an address that is no URL';
  }
}
