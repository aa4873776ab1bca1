import { type Attributes, type AttributeValue, plainObject, type Scope } from '../span.ts';
import { type Item, resourceOf } from './items.ts';
import { Limits, within } from './limits.ts';
import { field, malformed, WireReader } from './wire.ts';

/** What every OTLP protobuf message is made of. */

/**
 * The spans of an `ExportTraceServiceRequest`, or the log records of an `ExportLogsServiceRequest`: they are laid
 * out alike.
 *
 *   1  resource_spans or resource_logs  repeated
 *        1  resource                 Resource
 *        2  scope_spans, scope_logs  repeated
 *             1  scope               InstrumentationScope
 *             2  spans, log_records  repeated
 *
 * A resource or scope may stand behind what it describes, so it is looked for first.
 */
export function* itemsIn(body: Uint8Array): Generator<Item<WireReader>> {
  const reader = new WireReader(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) yield* itemsOfResource(reader.message());
    else if (tag >>> 3 === 1) throw malformed('field 1 is no message', reader.pos);
    else reader.skip(tag);
  }
}

function* itemsOfResource(reader: WireReader): Generator<Item<WireReader>> {
  let under = resourceOf(() => new Map());
  const { first, repeated } = firstAndRepeated(reader);
  for (const each of first) under = resourceOf(() => readResource(each));
  for (const group of repeated) {
    let scope: Scope = { name: '', version: '' };
    const { first: scopes, repeated: items } = firstAndRepeated(group);
    for (const each of scopes) scope = readScope(each);
    for (const item of items) {
      const start = item.pos;
      const raw = () => new Uint8Array(item.buffer.subarray(start, item.end));
      yield { encoded: item, ...under, scope, raw };
    }
  }
}

/** The messages of field 1, of which the last stands, and those of field 2. */
function firstAndRepeated(reader: WireReader): { first: WireReader[]; repeated: WireReader[] } {
  const found = { first: [] as WireReader[], repeated: [] as WireReader[] };
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) found.first.push(reader.message());
    else if (tag === field(2, 'bytes')) found.repeated.push(reader.message());
    else reader.skip(tag);
  }
  return found;
}

/** `1 attributes KeyValue repeated` */
function readResource(reader: WireReader): Attributes {
  const attributes = new Map<string, AttributeValue>();
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) readKeyValue(reader.message(), attributes, 0);
    else reader.skip(tag);
  }
  return attributes;
}

/**
 *   1  name     string
 *   2  version  string
 */
function readScope(reader: WireReader): Scope {
  const scope = { name: '', version: '' };
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) scope.name = reader.string();
    else if (tag === field(2, 'bytes')) scope.version = reader.string();
    else reader.skip(tag);
  }
  return scope;
}

/**
 *   1  key    string
 *   2  value  AnyValue
 */
export function readKeyValue(reader: WireReader, into: Map<string, AttributeValue>, depth: number): void {
  let key = '';
  let value: AttributeValue = null;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) key = reader.string();
    else if (tag === field(2, 'bytes')) value = readAnyValue(reader.message(), depth);
    else reader.skip(tag);
  }
  into.set(key, value);
  within('attributes_too_many', into.size, Limits.attributes);
}

/**
 *   1  string_value  string        5  array_value   ArrayValue
 *   2  bool_value    bool          6  kvlist_value  KeyValueList
 *   3  int_value     int64         7  bytes_value   bytes
 *   4  double_value  double
 *
 * A oneof: of several, the last stands.
 */
export function readAnyValue(reader: WireReader, depth: number): AttributeValue {
  within('value_too_deep', depth, Limits.depth);
  let value: AttributeValue = null;
  while (!reader.done) {
    const tag = reader.tag();
    switch (tag) {
      case field(1, 'bytes'):
        value = reader.string();
        break;
      case field(2, 'varint'):
        value = reader.int64() !== 0;
        break;
      case field(3, 'varint'):
        value = reader.int64();
        break;
      case field(4, 'fixed64'):
        value = reader.double();
        break;
      case field(5, 'bytes'):
        value = readArray(reader.message(), depth + 1);
        break;
      case field(6, 'bytes'):
        value = readKeyValueList(reader.message(), depth + 1);
        break;
      case field(7, 'bytes'):
        value = reader.bytes();
        break;
      default:
        reader.skip(tag);
    }
  }
  return value;
}

/** `1 values AnyValue repeated` */
function readArray(reader: WireReader, depth: number): AttributeValue[] {
  const values: AttributeValue[] = [];
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) values.push(readAnyValue(reader.message(), depth));
    else reader.skip(tag);
  }
  return values;
}

/** `1 values KeyValue repeated` */
function readKeyValueList(reader: WireReader, depth: number): AttributeValue {
  const values = new Map<string, AttributeValue>();
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === field(1, 'bytes')) readKeyValue(reader.message(), values, depth);
    else reader.skip(tag);
  }
  return plainObject(values);
}
