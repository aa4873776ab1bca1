import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSpanledgerError } from '../../src/errors.ts';
import { decodeFile } from '../../src/otlp/decode.ts';
import '../support/equal-bytes.ts';
import { encodeProtobuf, jsonRequest } from '../support/otlp-encode.ts';
import { anyRequest, expectedSpans, plainSpan, requestOf, type SpanModel } from '../support/otlp-model.ts';

const undecodable = expect.objectContaining({ name: 'SpanledgerError', code: 'otlp_undecodable' });

const json = (name: string) => JSON.stringify(jsonRequest(requestOf([plainSpan(name)])));
const pretty = (name: string) => JSON.stringify(jsonRequest(requestOf([plainSpan(name)])), undefined, 2);

/** The names of the spans, by what the file is made of. */
function namesIn(file: string | Uint8Array): string[][] {
  const bytes = typeof file === 'string' ? Buffer.from(file) : file;
  return [...decodeFile(bytes)].map(({ spans }) => spans.map((span) => span.name));
}

function refusal(file: string | Uint8Array): string {
  try {
    namesIn(file);
  } catch (error) {
    expect(error).toEqual(undecodable);
    return (error as Error).message;
  }
  throw new Error('it was not refused');
}

/** A request whose resource_spans is `length` bytes long, so that its second byte is that number. */
function protobufOf(length: number, changes: Partial<SpanModel> = {}): Buffer {
  for (let padding = 0; padding < length; padding++) {
    const body = encodeProtobuf(requestOf([plainSpan('x'.repeat(padding), changes)]));
    if (body[1] === length && body.length === length + 2) return body;
  }
  throw new Error(`no request of ${length} bytes`);
}

describe('decodeFile', () => {
  const BOM = '\ufeff';

  it.each([
    ['one JSON document', json('a'), [['a']]],
    ['JSON over many lines', pretty('a'), [['a']]],
    ['JSON after white space', ` \r\n\t${json('a')}\n`, [['a']]],
    ['JSON after a line feed', `\n${json('a')}`, [['a']]],
    ['JSON after a byte order mark', BOM + json('a'), [['a']]],
    ['JSON after a byte order mark and white space', `${BOM}\n${pretty('a')}`, [['a']]],
    ['JSON of no spans', '{"resourceSpans":[]}', [[]]],
    ['JSON by line', `${json('a')}\n${json('b')}\n`, [['a'], ['b']]],
    ['JSON by line, the last not ended', `${json('a')}\n${json('b')}`, [['a'], ['b']]],
    ['JSON by line, ended as on Windows', `${json('a')}\r\n${json('b')}\r\n`, [['a'], ['b']]],
    ['JSON by line with empty lines', `${json('a')}\n\n  \n${json('b')}\n\n`, [['a'], ['b']]],
    ['JSON by line after a byte order mark', `${BOM}${json('a')}\n${json('b')}`, [['a'], ['b']]],
    ['protobuf', encodeProtobuf(requestOf([plainSpan('a'), plainSpan('b')])), [['a', 'b']]],
  ])('reads %s', (_, file, names) => {
    expect(namesIn(file)).toEqual(names);
  });

  // 10, the tag of resource_spans, is a line feed: these begin like JSON after an empty line.
  it.each([
    ['{', 0x7b],
    ['[', 0x5b],
  ])('reads protobuf whose second byte is %s', (_, length) => {
    const [[name]] = namesIn(protobufOf(length)) as [[string]];
    expect(name).toMatch(/^x+$/);
  });

  it('reads protobuf whose second byte is { and whose only span is unreadable', () => {
    const [decoded] = decodeFile(protobufOf(0x7b, { traceId: new Uint8Array(15) }));
    expect(decoded!.unreadable.map(({ reason }) => reason)).toEqual(['trace_id_invalid']);
  });

  it.each([
    ['an empty file', '', /empty/],
    ['white space', ' \r\n\t\n', /white space/],
    ['a byte order mark alone', BOM, /white space/],
    ['text', 'these are no traces', /not OTLP protobuf|no spans/],
    ['a log file', '2026-11-21T10:00:00Z INFO started\n', /not OTLP protobuf|no spans/],
    ['JSON that is not OTLP', '{"name":"spanledger","version":"0.1.0"}', /"name", "version"/],
    ['JSON of metrics', '{"resourceMetrics":[]}', /"resourceMetrics"/],
    ['a JSON list', '[{"resourceSpans":[]}]', /no object/],
    ['a JSON number', '17', /not OTLP protobuf|no spans/],
    ['cut JSON', json('a').slice(0, -2), /not JSON/],
    ['two documents on one line', json('a') + json('b'), /not JSON/],
    ['JSON by line whose first line is broken', `{"resourceSpans":\n${json('a')}`, /not JSON/],
    ['cut protobuf', encodeProtobuf(requestOf([plainSpan('a')])).subarray(0, 60), /ends inside a field/],
    ['protobuf of no spans', encodeProtobuf(requestOf([])), /no spans/],
    ['compressed JSON', gzipSync(json('a')), /not OTLP protobuf|no spans/],
    ['UTF-16', Buffer.from(BOM + json('a'), 'utf16le'), /not OTLP protobuf|no spans/],
  ])('refuses %s', (_, file, message) => {
    expect(refusal(file)).toMatch(message);
  });

  it('says what to give instead of a file without spans', () => {
    expect(() => namesIn(encodeProtobuf(requestOf([])))).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('JSON by line, or protobuf') }),
    );
  });

  it.each([
    ['no JSON', `${json('a')}\n${json('b')}\n{"resourceSpans":`, 'line 3: not JSON'],
    ['no OTLP', `${json('a')}\n\n{"resourceMetrics":[]}\n${json('b')}`, 'line 3: not OTLP/JSON'],
    [
      'protobuf',
      Buffer.concat([Buffer.from(`${json('a')}\n`), encodeProtobuf(requestOf([plainSpan('b')]))]),
      'line 3: ',
    ],
  ])('names the line that is %s', (_, file, message) => {
    expect(refusal(file)).toContain(message);
  });

  it('has read what stands before the line it refuses', () => {
    const files = decodeFile(Buffer.from(`${json('a')}\nnothing`));
    expect(files.next().value!.spans).toHaveLength(1);
    expect(() => files.next()).toThrow(undecodable);
  });

  it('counts empty lines before the first document', () => {
    expect(refusal(`\n\n${json('a')}\nnothing`)).toContain('line 4: ');
  });

  // JSON.parse's own message quotes the text, which nothing has redacted.
  it('does not repeat in its refusal what the file says', () => {
    expect(refusal(`${json('a')}\nSSN 078-05-1120`)).not.toContain('078-05-1120');
  });

  it('reads any request alike from protobuf, JSON, and JSON by line', () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const expected = expectedSpans(request);
        fc.pre(expected.length > 0);
        const text = JSON.stringify(jsonRequest(request));
        const read = (file: string | Buffer) => [...decodeFile(Buffer.from(file))].map(({ spans }) => spans);
        expect(read(encodeProtobuf(request))).toEqual([expected]);
        expect(read(text)).toEqual([expected]);
        expect(read(`${text}\n${text}`)).toEqual([expected, expected]);
      }),
      { numRuns: 200 },
    );
  });

  it('reads or refuses any bytes', () => {
    const opening = fc.constantFrom('', '{', '[', '\n{', '\n[', '\ufeff', '\ufeff{', '{}\n', '\n\x7b\x0a');
    fc.assert(
      fc.property(opening, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        try {
          namesIn(Buffer.concat([Buffer.from(start), rest]));
        } catch (error) {
          if (!isSpanledgerError(error, 'otlp_undecodable')) throw error;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
