import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { AuditSpanProcessor } from '../../src/index.ts';
import { documentOf, spanledger, temporaryFolder } from '../support/cli.ts';
import { openJournal, recordOf, unshippedOf } from '../support/ledger-kit.ts';
import { serve } from '../support/serve.ts';
import { until } from '../support/until.ts';

const VAULTING = 'version: 1\npolicy:\n  content: { tools: vault }\n';

describe('a policy that vaults', () => {
  it('holds for a serve that runs, from when it is written', async () => {
    const dir = join(temporaryFolder(), 'ledger');
    const serving = await serve(dir);
    const say = (result: string) => {
      const attributes = Object.entries({
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'list_files',
        'gen_ai.tool.call.result': result,
      }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
      const span = {
        traceId: randomBytes(16).toString('hex'),
        spanId: randomBytes(8).toString('hex'),
        name: 'x',
        startTimeUnixNano: '1790000000000000000',
        endTimeUnixNano: '1790000000000000001',
        attributes,
      };
      return fetch(`${serving.otlp}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
      });
    };
    expect((await say('before')).status).toBe(200);
    expect(existsSync(join(dir, 'keys', 'content'))).toBe(false);
    writeFileSync(join(dir, 'spanledger.yaml'), VAULTING);
    process.kill(serving.pid, 'SIGHUP');
    await until(() => serving.log().includes('the policy has changed'));
    expect(existsSync(join(dir, 'keys', 'content'))).toBe(true);
    expect((await say('after')).status).toBe(200);
    const rows = documentOf<{ id: string }[]>(
      await spanledger([
        'sql',
        "SELECT concat(chain_id, ':', toString(seq)) AS id FROM spanledger.audit_content",
        '--dir',
        dir,
        '--json',
      ]),
    );
    expect(rows).toHaveLength(1);
    const read = await spanledger(['content', rows[0]!.id, '--reason', 'to see', '--dir', dir]);
    expect(read.stdout).toBe('result\nafter\n');
    const verified = await spanledger(['verify', '--dir', dir]);
    expect(verified.code, verified.stderr).toBe(0);
    expect(await serving.stop('SIGTERM')).toBe(0);
  });

  it('holds in an app, whose contents wait in its journal, sealed, for the next command', async () => {
    const dir = join(temporaryFolder(), 'ledger');
    const config = join(temporaryFolder(), 'settings.yaml');
    writeFileSync(config, VAULTING);
    const processor = new AuditSpanProcessor({ dir, config, writer: 'app' });
    const provider = new BasicTracerProvider({ spanProcessors: [processor] });
    const attributes = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'list_files' };
    const span = provider.getTracer('test').startSpan('execute_tool', { attributes });
    span.setAttribute('gen_ai.tool.call.result', 'three files');
    span.end();
    await provider.shutdown();
    const { journal } = processor.audit.writer;
    const left = openJournal(journal.dir);
    const sealed = unshippedOf(left).filter(({ contents }) => contents !== undefined);
    expect(sealed.map((each) => recordOf(each).phase)).toContain('outcome');
    await left.close();
    const ids = documentOf<{ id: string }[]>(
      await spanledger([
        'sql',
        "SELECT concat(chain_id, ':', toString(seq)) AS id FROM spanledger.audit_content WHERE field = 'result'",
        '--dir',
        dir,
        '--json',
      ]),
    );
    const read = await spanledger([
      'content',
      ids[0]!.id,
      '--reason',
      'to see',
      '--field',
      'result',
      '--dir',
      dir,
    ]);
    expect(read.stdout).toBe('result\nthree files\n');
  });
});
