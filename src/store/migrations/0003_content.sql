-- What was said, where the policy vaults it: redacted, then sealed under its subject's data key. A record's `content.<field>.ref` is the digest of `sealed`.
CREATE TABLE IF NOT EXISTS spanledger.audit_content
(
    chain_id        LowCardinality(String),
    seq             UInt64                 CODEC(Delta, ZSTD(1)),
    field           Enum8('answer' = 1, 'arguments' = 2, 'prompt' = 3, 'result' = 4),
    retention_class LowCardinality(String),
    expires_at      DateTime('UTC')        CODEC(Delta, ZSTD(1)),
    purge_after     DateTime('UTC')        DEFAULT toDateTime('2100-01-01 00:00:00', 'UTC') CODEC(ZSTD(1)),
    ref             FixedString(32)        CODEC(NONE),
    -- No bytes pass a connection to the embedded engine: they come as text.
    sealed_base64   String                 EPHEMERAL,
    sealed          String                 DEFAULT base64Decode(sealed_base64) CODEC(NONE),
    key_id          String                 ALIAS lower(hex(substring(sealed, 1, 16)))
)
ENGINE = MergeTree
PARTITION BY (retention_class, toYYYYMM(expires_at))
ORDER BY (chain_id, seq, field)
TTL purge_after DELETE
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;

-- The data keys, each wrapped under a master key that no database holds. Without its row, nothing sealed under a key can be read again.
CREATE TABLE IF NOT EXISTS spanledger.audit_content_keys
(
    key_id     FixedString(16),
    subject    String,
    master     LowCardinality(String),
    wrapped    String                 CODEC(NONE),
    created_at DateTime64(3, 'UTC')   DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY key_id
SETTINGS non_replicated_deduplication_window = 10000,
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, old_parts_lifetime = 480;
