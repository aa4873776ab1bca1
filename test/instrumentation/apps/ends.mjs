// Ends in the middle of something. Argument: how.
//   kill   SIGKILL inside a tool;   exit   process.exit on the line after one;   term   SIGTERM inside one
//   burst  10,000 spans, and an end without a word;   open, closed   tools on a disk that is full, by that mode
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { trace } from '@opentelemetry/api';
import { auditTool } from 'spanledger';

const [, , how, ballast] = process.argv;
const done = auditTool(() => ({ ok: true }), { name: 'done' });
switch (how) {
  case 'kill':
    await auditTool(() => process.kill(process.pid, 'SIGKILL'), { name: 'killed', isSync: false })();
    break;
  case 'term':
    await auditTool(
      () => process.kill(process.pid, 'SIGTERM') && new Promise(() => setInterval(() => {}, 1000)),
      {
        name: 'killed',
      },
    )();
    break;
  case 'exit':
    done();
    process.exit();
    break;
  case 'burst': {
    const tracer = trace.getTracer('app');
    for (let i = 0; i < 10_000; i++) {
      const attributes = {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'n',
        'gen_ai.tool.call.id': `call-${i}`,
      };
      tracer.startSpan('tool', { attributes }).end();
    }
    process.exit();
    break;
  }
  default: {
    const say = (what) => console.log(JSON.stringify(what));
    const called = [];
    const write = auditTool((text) => called.push(text.length), { name: 'write' });
    const attempt = async (size) => {
      try {
        await write('x'.repeat(size));
        return 'called';
      } catch ({ code, hint }) {
        return { code, hint: hint !== undefined };
      }
    };
    const before = await attempt(10);
    // All that is left of the disk.
    try {
      for (let size = 4096; ; size += 4096) writeFileSync(ballast, 'x'.repeat(size));
    } catch {
      // full
    }
    let full;
    for (let i = 0; i < 200 && (how === 'open' ? i < 50 : full?.code === undefined); i++)
      full = await attempt(3000);
    const count = called.length;
    say({ before, full, again: await attempt(3000), called: called.length - count, calls: called.length });
    for await (const _ of createInterface({ input: process.stdin })) {
      writeFileSync(ballast, '');
      say({ room: await attempt(10), size: readFileSync(ballast).length });
      break;
    }
  }
}
