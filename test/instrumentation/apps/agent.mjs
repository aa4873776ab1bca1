// An agent's spans by the API alone, in whatever tracing its options make. Argument: which, in order, joined by +.
//   before     a tracer is got before any provider is there
//   basic      registers BasicTracerProvider;  node: NodeTracerProvider;  sdk: NodeSDK
//   off        its sampler leaves all out;  limits: spans are cut at 10 characters;  own: our processor is in it
//   ignoring   a processor that ignores the sampled flag, whose spans are said on stdout
//   spans      makes an agent's span with a model's and a tool's in it, and one of something else
//   flush      waits until all is durable, and shipped;  stop: ends the recording;  http: instruments http
//   tool       calls an audited function;  shutdown: shuts the provider down;  late: registers one after
//   suppressed the same where tracing is suppressed;  rich: a failed tool's span with links, events, 200 attributes
//   burst      10,000 tools' spans;  exit: ends on the next line
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AuditSpanProcessor, auditTool, withAuditContext } from 'spanledger';
import { AlwaysOffSampler, basicProvider, registeredProvider, suppressTracing } from './sdk.mjs';

const steps = (process.argv[2] ?? '').split('+');
const has = (step) => steps.includes(step);
const exported = [];
const processor = {
  onStart() {},
  onEnd: (span) => exported.push(span),
  forceFlush: async () => {},
  shutdown: async () => {},
};
const config = {
  spanProcessors: has('own') ? [new AuditSpanProcessor(), processor] : [processor],
  ...(has('off') ? { sampler: new AlwaysOffSampler() } : {}),
  ...(has('limits') ? { spanLimits: { attributeValueLengthLimit: 10, attributeCountLimit: 3 } } : {}),
};
let provider;
let tracer;
const find = auditTool(async function find({ id }) {
  return { id, name: 'Jane Roe', text: 'x'.repeat(50) };
});

function spans() {
  (tracer ?? trace.getTracer('app')).startActiveSpan(
    'invoke_agent medrec',
    {
      attributes: {
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': 'medrec',
        'gen_ai.conversation.id': 'c-1',
      },
    },
    (root) => {
      const inner = trace.getTracer('app');
      const chat = inner.startSpan('chat', {
        kind: SpanKind.CLIENT,
        attributes: { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'm-1' },
      });
      chat.setAttribute('gen_ai.usage.input_tokens', 7);
      chat.end();
      const tool = inner.startSpan('execute_tool look', {
        attributes: { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'look' },
      });
      tool.setAttribute('gen_ai.tool.call.result', '{"ok":true}');
      tool.end();
      inner.startSpan('GET /', { attributes: { 'http.request.method': 'GET' } }).end();
      root.end();
    },
  );
}

function call() {
  return withAuditContext(
    { user: 'nurse-17', clientIp: '10.0.0.9', subject: 'P-1042', purpose: 'TREAT', conversationId: 'c-1' },
    () => find({ id: 'P-1042', ssn: '078-05-1120' }),
  );
}

function toolSpan(callId, options) {
  const attributes = {
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'look',
    'gen_ai.tool.call.id': callId,
  };
  return trace.getTracer('app').startSpan('execute_tool look', { attributes, ...options });
}

function rich() {
  const before = trace.getTracer('app').startSpan('GET /before');
  before.end();
  const link = { context: before.spanContext(), attributes: { why: 'batch' } };
  const span = toolSpan('call-rich', { links: [link] });
  span.addEvent('looked', { times: 2 });
  span.addLink(link);
  for (let i = 0; i < 200; i++) span.setAttribute(`extra.${i}`, i);
  span.recordException(new TypeError('no such person'));
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

for (const step of steps) {
  if (step === 'before') tracer = trace.getTracer('app');
  if (step === 'basic' || step === 'late') {
    provider = basicProvider(config);
    if (!trace.setGlobalTracerProvider(provider)) throw new Error('the provider was refused');
  }
  if (step === 'node') provider = await registeredProvider(config);
  if (step === 'sdk') {
    const { NodeSDK } = await import('@opentelemetry/sdk-node');
    provider = new NodeSDK({ ...config, autoDetectResources: false });
    provider.start();
  }
  if (step === 'spans') spans();
  if (step === 'tool') await call();
  if (step === 'suppressed') await context.with(suppressTracing(context.active()), call);
  if (step === 'rich') rich();
  if (step === 'burst') for (let i = 0; i < 10_000; i++) toolSpan(`call-${i}`).end();
  if (step === 'exit') process.exit();
  if (step === 'within')
    await trace.getTracer('app').startActiveSpan('outer', async (span) => {
      await withAuditContext({ user: 'nurse-17' }, () => find({ id: 'P-2' }));
      span.end();
    });
  if (step === 'flush') await (await import('spanledger/register')).flush();
  if (step === 'stop') await (await (await import('spanledger/register')).register()).stop();
  if (step === 'http') {
    const { HttpInstrumentation } = await import('@opentelemetry/instrumentation-http');
    new HttpInstrumentation().enable();
  }
  if (step === 'shutdown') await provider.shutdown();
}
const plain = exported.map(({ name, attributes, events, links, status }) => ({
  name,
  attributes,
  events: events.map((event) => [event.name, event.attributes]),
  links: links.map((link) => link.attributes),
  status,
}));
console.log(JSON.stringify({ spans: plain, active: context.active() !== undefined }));
