-- For an auditor who has a SQL client and nothing of ours: recomputes every record hash of a ledger, each over the one
-- before it, and looks for holes and for several records at one place. One row a chain, and a last one, `the ledger`.
--
--   clickhouse-client --param_ledger=LEDGER_ID --queries-file verify.sql
--
-- LEDGER_ID comes from `ledger.json`, from the origin of a checkpoint or from the auditor's papers, never from the
-- database: a record hashes to what it should in its own ledger alone.
--
-- `rows_consistent` is the best it can say, and less than `valid`: whoever may write the database may write all of it
-- anew, so that it fits. That it is what was signed, listed in rounds and anchored, that nothing is missing at the end
-- of a chain, that what has gone might go, and that the queried columns say what the payloads say, is what
-- `spanledger verify` looks at. Compare `size` and `head` with those of a checkpoint that somebody else has.
SELECT if(grouping(chain_id) = 0, lower(hex(chain_id)), '') AS chain_hex,
       if(grouping(chain_id) = 0, toString(chain_id), 'the ledger') AS chain,
       countIf(is_first) AS records, countIf(is_first AND NOT live) AS tombstones,
       if(grouping(chain_id) = 0, max(seq) + 1, 0) AS size,
       if(grouping(chain_id) = 0, lower(hex(argMax(record_hash, (seq, rn)))), '') AS head,
       countIf(finding = 'duplicate_identical') AS duplicates,
       countIf(finding NOT IN ('', 'duplicate_identical')) AS breaks,
       if(grouping(chain_id) = 0, minIfOrNull(seq, finding NOT IN ('', 'duplicate_identical')), NULL) AS first_break,
       multiIf(count() = 0, 'empty', breaks = 0, 'rows_consistent',
               argMinIf(finding, (chain_id, seq, rn), finding NOT IN ('', 'duplicate_identical'))) AS verdict
FROM
(
    SELECT chain_id, seq, record_hash, live, rn, rn = 1 OR seq != prev_seq AS is_first,
           -- Whoever may alter a table may make a column Nullable: what is NULL compares as neither equal nor other.
           multiIf(
               rn = 1 AND seq != 0, 'genesis_missing',
               rn > 1 AND is_first AND seq != prev_seq + 1, 'seq_gap',
               NOT is_first AND NOT ifNull(record_hash = prev_hash AND payload_digest = prev_digest AND expires_at = prev_expires, false), if(live, 'duplicate_conflict', 'tombstone_mismatch'),
               NOT is_first, if(live = prev_live, 'duplicate_identical', ''),
               NOT ifNull(isValidUTF8(chain_id) AND record_hash = SHA256(concat(
                   '\0spanledger/entry/v1\n', {ledger:String}, '\n', chain_id, '\n', toString(seq), '\n', toString(toUnixTimestamp(expires_at)), '\n',
                   lower(hex(if(rn = 1, toFixedString('', 32), prev_hash))), '\n', lower(hex(payload_digest)), '\n')), false), 'record_mismatch',
               '') AS finding
    FROM
    (
        SELECT *, row_number() OVER w AS rn, lagInFrame(seq) OVER w AS prev_seq, lagInFrame(record_hash) OVER w AS prev_hash,
               lagInFrame(payload_digest) OVER w AS prev_digest, lagInFrame(expires_at) OVER w AS prev_expires, lagInFrame(live) OVER w AS prev_live
        FROM
        (
            SELECT chain_id, seq, expires_at, record_hash, SHA256(payload) AS payload_digest, true AS live FROM spanledger.audit_records
            UNION ALL
            SELECT chain_id, seq, expires_at, record_hash, payload_digest, false FROM spanledger.audit_tombstones
        )
        WINDOW w AS (PARTITION BY chain_id ORDER BY seq, live DESC, record_hash, payload_digest, expires_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
)
GROUP BY GROUPING SETS ((chain_id), ())
ORDER BY grouping(chain_id), chain_id
-- Without the first, payloads would go through the sort; with the second, a ledger larger than memory is sorted on disk.
SETTINGS query_plan_execute_functions_after_sorting = 0, max_bytes_before_external_sort = 1000000000
