/**
 * The type the queried columns are read from a payload with: the literal of our DDL, never the table's own
 * word for it, which whoever may alter the table may change.
 */
export const FIELDS_TYPE =
  'Tuple(occurred_at String, action LowCardinality(String), phase LowCardinality(String), actor Tuple(type LowCardinality(String), id String), user Tuple(id String, role LowCardinality(String)), agent Tuple(name LowCardinality(String)), conversation_id String, turn UInt32, tool Tuple(name LowCardinality(String)), resource Tuple(type LowCardinality(String), id String, subject String), data_classification LowCardinality(String), purpose LowCardinality(String), trigger LowCardinality(String), outcome Tuple(status LowCardinality(String), duration_ms Float32), model Tuple(response LowCardinality(String)), tenant LowCardinality(String))';
const NAMES = [
  'occurred_at',
  'action',
  'phase',
  'actor',
  'user',
  'agent',
  'conversation_id',
  'turn',
  'tool',
  'resource',
  'data_classification',
  'purpose',
  'trigger',
  'outcome',
  'model',
  'tenant',
];

/**
 * What a payload says, as a tuple: read once for all that is asked of it, in plain text, which compares as
 * `LowCardinality` does and is read sooner. Queries name it `said`.
 */
export const SAID = `JSONExtract(payload, '${FIELDS_TYPE.replaceAll('LowCardinality(String)', 'String').replace(/\)$/, ', retention_class String, recorded_at String)')}')`;
/** `recorded_at` of it. */
export const RECORDED_AT = `tupleElement(said, 'recorded_at')`;

/**
 * What the engine stored for its queries, beside what the payload says: equal, unless somebody forged the columns. In
 * terms of `said`.
 */
export const COLUMNS = [
  {
    name: 'fields',
    stored: 'fields',
    expected: `tuple(${NAMES.map((name) => `tupleElement(said, '${name}')`).join(', ')})`,
  },
  {
    name: 'occurred_at',
    stored: 'occurred_at',
    expected: `parseDateTime64BestEffortOrZero(tupleElement(said, 'occurred_at'), 9, 'UTC')`,
  },
  { name: 'retention_class', stored: 'retention_class', expected: `tupleElement(said, 'retention_class')` },
] as const;
