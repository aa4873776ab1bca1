/**
 * The type the queried columns are read from a payload with: the literal of our DDL, never the table's own
 * word for it, which whoever may alter the table may change.
 */
const FIELDS_TYPE =
  'Tuple(occurred_at String, action LowCardinality(String), phase LowCardinality(String), actor Tuple(type LowCardinality(String), id String), user Tuple(id String, role LowCardinality(String)), agent Tuple(name LowCardinality(String)), conversation_id String, turn UInt32, tool Tuple(name LowCardinality(String)), resource Tuple(type LowCardinality(String), id String, subject String), data_classification LowCardinality(String), purpose LowCardinality(String), trigger LowCardinality(String), outcome Tuple(status LowCardinality(String), duration_ms Float32), model Tuple(response LowCardinality(String)), tenant LowCardinality(String))';

/** What the engine stored for its queries, beside what the payload says: equal, unless somebody forged the columns. */
export const COLUMNS = [
  { name: 'fields', stored: 'fields', expected: `JSONExtract(payload, '${FIELDS_TYPE}')` },
  {
    name: 'occurred_at',
    stored: 'occurred_at',
    expected: `parseDateTime64BestEffortOrZero(JSONExtractString(payload, 'occurred_at'), 9, 'UTC')`,
  },
  {
    name: 'retention_class',
    stored: 'retention_class',
    expected: `JSONExtractString(payload, 'retention_class')`,
  },
] as const;
