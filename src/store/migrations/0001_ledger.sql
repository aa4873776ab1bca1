-- What happened: one row a record. `payload` is the record itself (canonical JSON); `fields` is read off it by the engine, so the two agree by construction.
CREATE TABLE IF NOT EXISTS spanledger.audit_records
(
    chain_id        LowCardinality(String),
    seq             UInt64                 CODEC(Delta, ZSTD(1)),
    retention_class LowCardinality(String),
    expires_at      DateTime('UTC')        CODEC(Delta, ZSTD(1)),
    purge_after     DateTime('UTC')        DEFAULT toDateTime('2100-01-01 00:00:00', 'UTC') CODEC(ZSTD(1)),
    record_hash     FixedString(32)        CODEC(NONE),
    payload         String                 CODEC(ZSTD(3)),

    fields Tuple(
        occurred_at         String,
        action              LowCardinality(String),
        phase               LowCardinality(String),
        actor               Tuple(type LowCardinality(String), id String),
        user                Tuple(id String, role LowCardinality(String)),
        agent               Tuple(name LowCardinality(String)),
        conversation_id     String,
        turn                UInt32,
        tool                Tuple(name LowCardinality(String)),
        resource            Tuple(type LowCardinality(String), id String, subject String),
        data_classification LowCardinality(String),
        purpose             LowCardinality(String),
        trigger             LowCardinality(String),
        outcome             Tuple(status LowCardinality(String), duration_ms Float32),
        model               Tuple(response LowCardinality(String)),
        tenant              LowCardinality(String)
    ) MATERIALIZED JSONExtract(payload, 'Tuple(occurred_at String, action LowCardinality(String), phase LowCardinality(String), actor Tuple(type LowCardinality(String), id String), user Tuple(id String, role LowCardinality(String)), agent Tuple(name LowCardinality(String)), conversation_id String, turn UInt32, tool Tuple(name LowCardinality(String)), resource Tuple(type LowCardinality(String), id String, subject String), data_classification LowCardinality(String), purpose LowCardinality(String), trigger LowCardinality(String), outcome Tuple(status LowCardinality(String), duration_ms Float32), model Tuple(response LowCardinality(String)), tenant LowCardinality(String))') CODEC(ZSTD(1)),

    occurred_at         DateTime64(9, 'UTC')   MATERIALIZED parseDateTime64BestEffortOrZero(fields.occurred_at, 9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    action              LowCardinality(String) ALIAS fields.action,
    phase               LowCardinality(String) ALIAS fields.phase,
    actor_type          LowCardinality(String) ALIAS fields.actor.type,
    actor_id            String                 ALIAS fields.actor.id,
    user_id             String                 ALIAS fields.user.id,
    agent_name          LowCardinality(String) ALIAS fields.agent.name,
    conversation_id     String                 ALIAS fields.conversation_id,
    turn                UInt32                 ALIAS fields.turn,
    tool_name           LowCardinality(String) ALIAS fields.tool.name,
    resource_type       LowCardinality(String) ALIAS fields.resource.type,
    resource_id         String                 ALIAS fields.resource.id,
    subject             String                 ALIAS fields.resource.subject,
    data_classification LowCardinality(String) ALIAS fields.data_classification,
    purpose             LowCardinality(String) ALIAS fields.purpose,
    `trigger`           LowCardinality(String) ALIAS fields.trigger,
    status              LowCardinality(String) ALIAS fields.outcome.status,
    duration_ms         Float32                ALIAS fields.outcome.duration_ms,
    model               LowCardinality(String) ALIAS fields.model.response,
    tenant              LowCardinality(String) ALIAS fields.tenant,
    trace_id            String                 ALIAS JSONExtractString(payload, 'trace', 'trace_id'),
    span_id             String                 ALIAS JSONExtractString(payload, 'trace', 'span_id'),

    INDEX by_time         occurred_at             TYPE minmax             GRANULARITY 1,
    INDEX by_conversation fields.conversation_id  TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_resource     fields.resource.id      TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_subject      fields.resource.subject TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_user         fields.user.id          TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_trace        JSONExtractString(payload, 'trace', 'trace_id') TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (retention_class, toYYYYMM(expires_at))
ORDER BY (chain_id, seq)
TTL purge_after DELETE
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- That it happened, after the payload has lawfully gone: the skeleton that keeps the chain whole.
CREATE TABLE IF NOT EXISTS spanledger.audit_tombstones
(
    chain_id       LowCardinality(String),
    seq            UInt64          CODEC(Delta, ZSTD(1)),
    reason         Enum8('expired' = 1, 'erased' = 2),
    expires_at     DateTime('UTC') CODEC(Delta, ZSTD(1)),
    payload_digest FixedString(32) CODEC(NONE),
    record_hash    FixedString(32) CODEC(NONE)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(expires_at)
ORDER BY (chain_id, seq)
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
