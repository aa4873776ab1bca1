// What both telemetry backends' apps do: an agent's spans by the API, and a tool that is no span and asks by HTTP.
// Environment: SAID, on whose behalf and of whom; ELSEWHERE, what the tool asks for.
import { trace } from '@opentelemetry/api';
import { auditTool, withAuditContext } from 'spanledger';

const { id, ssn, name, ...context } = JSON.parse(process.env.SAID);

const find = auditTool(async function find() {
  return { id, name, answered: await (await fetch(process.env.ELSEWHERE)).text() };
});

export async function visit() {
  const tracer = trace.getTracer('app');
  const agent = tracer.startSpan('agent');
  // What it is is said only now.
  agent.setAttributes({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'medrec' });
  agent.end();
  const attributes = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'look' };
  tracer.startActiveSpan('execute_tool look', { attributes }, (span) => {
    span.setAttribute('gen_ai.tool.call.result', '{"ok":true}');
    span.end();
  });
  await withAuditContext(context, () => find({ id, ssn }));
}

/** Until what was recorded is shipped, where it is shipped to anybody. */
export async function shipped() {
  if (process.env.SPANLEDGER_ENDPOINT) await (await import('spanledger/register')).flush();
}
