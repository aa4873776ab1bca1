import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A tool that no law is about, and one of the built-in policy's that HIPAA is about. */
export const POLICY_OF_SHOP = {
  tools: [
    {
      match: ['find_customer'],
      resource: {
        type: 'customer',
        id: ['arguments.customer_id'],
        action: 'read',
        subject: ['arguments.customer_id'],
      },
    },
  ],
  content: { tools: 'vault' },
};

/** OTLP JSON of one call of a tool with these arguments. */
export function callOf(tool: string, args: object, result: object = { status: 'found' }): string {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': tool,
    'gen_ai.tool.call.arguments': JSON.stringify(args),
    'gen_ai.tool.call.result': JSON.stringify(result),
  };
  const span = {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: `execute_tool ${tool}`,
    startTimeUnixNano: '1790000000000000000',
    endTimeUnixNano: '1790000000038000000',
    attributes: Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } })),
  };
  return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
}

/** A directory with that policy. */
export function shopIn(folder: string): string {
  const dir = join(folder, 'ledger');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'spanledger.yaml'), JSON.stringify({ version: 1, policy: POLICY_OF_SHOP }));
  return dir;
}

/** Files of a directory that hold some text, at any depth. */
export function holding(dir: string, text: string | Buffer): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(dir, name);
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path).includes(text);
  });
}
