import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { decodeTracesProtobuf } from '../../src/otlp/protobuf-traces.ts';

/** A tracing backend: takes OTLP/HTTP, and knows the ids of the spans it was sent. */
export async function startBackend(): Promise<{ url: string; spans: ReadonlySet<string> }> {
  const spans = new Set<string>();
  const server = createServer(async (request, response) => {
    const sent = await buffer(request);
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
    if (request.url === '/v1/traces')
      for (const { spanId } of decodeTracesProtobuf(body).spans) spans.add(spanId);
    response.setHeader('content-type', 'application/x-protobuf').end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans };
}
