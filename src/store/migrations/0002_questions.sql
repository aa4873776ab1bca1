-- Whom a trace is about, where all of its records that say so agree.
CREATE VIEW IF NOT EXISTS spanledger.traces AS
SELECT
    tenant,
    trace_id,
    if(length(conversations) = 1, conversations[1], '') AS conversation_id,
    if(length(users) = 1, users[1].1, '') AS user_id,
    if(length(users) = 1, users[1].2, '') AS user_role
FROM
(
    SELECT
        r.tenant AS tenant,
        r.trace_id AS trace_id,
        groupUniqArrayIf(2)(r.conversation_id, r.conversation_id != '') AS conversations,
        -- A user whose role only some records tell is one user.
        groupUniqArrayIf(3)((r.user_id, toString(r.fields.user.role)), r.user_id != '') AS told,
        if(arrayUniq(told.1) = 1, [arraySort(x -> -length(x.2), told)[1]], []) AS users
    FROM spanledger.audit_records AS r
    WHERE r.trace_id != '' AND (r.conversation_id != '' OR r.user_id != '')
    GROUP BY tenant, trace_id
);

-- Every record of what happened, with the conversation and user of its trace where it says none itself: roots often come last.
CREATE VIEW IF NOT EXISTS spanledger.resolved AS
SELECT
    concat(r.chain_id, ':', toString(r.seq)) AS id,
    r.chain_id AS chain_id,
    r.seq AS seq,
    r.occurred_at AS occurred_at,
    r.action AS action,
    r.phase AS phase,
    r.actor_type AS actor_type,
    r.actor_id AS actor_id,
    if(r.user_id != '', r.user_id, t.user_id) AS user_id,
    if(r.user_id != '', r.fields.user.role, t.user_role) AS user_role,
    r.agent_name AS agent_name,
    if(r.conversation_id != '', r.conversation_id, t.conversation_id) AS conversation_id,
    r.turn AS turn,
    r.tool_name AS tool_name,
    r.resource_type AS resource_type,
    r.resource_id AS resource_id,
    r.subject AS subject,
    r.data_classification AS data_classification,
    r.purpose AS purpose,
    r.trigger AS `trigger`,
    r.status AS status,
    r.duration_ms AS duration_ms,
    r.model AS model,
    r.tenant AS tenant,
    r.trace_id AS trace_id,
    r.span_id AS span_id,
    JSONExtractString(r.payload, 'source', 'service') AS service,
    JSONExtractString(r.payload, 'outcome', 'error_type') AS error_type,
    JSONExtractString(r.payload, 'outcome', 'error_message') AS error_message,
    r.payload AS payload
FROM spanledger.audit_records AS r
LEFT JOIN spanledger.traces AS t ON r.tenant = t.tenant AND r.trace_id = t.trace_id
WHERE r.retention_class != 'ledger';

-- What models asked for, by the digest of the prompt they answered: names the results that come without their call's name.
CREATE VIEW IF NOT EXISTS spanledger.asked AS
SELECT
    tenant,
    JSONExtractString(payload, 'source', 'service') AS service,
    JSONExtractString(payload, 'content', 'prompt', 'digest') AS prompt,
    call.1 AS position,
    call.2.1 AS call_id,
    call.2.2 AS tool,
    call.2.3 AS arguments_digest
FROM spanledger.audit_records
ARRAY JOIN arrayZip(
    range(JSONLength(payload, 'tool_calls')),
    JSONExtract(payload, 'tool_calls', 'Array(Tuple(id String, name String, arguments_digest String))')) AS call
WHERE action = 'agent_response_generated';

-- Tool calls, each once, however many spans told of it; executed before reported. A call is its id within a service; without one,
-- the k-th call of a tool with these arguments in a trace is the same whoever tells of it (another instrumentation, the tool's server,
-- the model that is shown the result).
CREATE VIEW IF NOT EXISTS spanledger.tool_calls AS
WITH
    told AS
    (
        SELECT
            id, chain_id, seq, occurred_at, tenant, service, conversation_id, turn, user_id, user_role, agent_name, tool_name, resource_type, resource_id, subject,
            data_classification, purpose, `trigger`, status, error_type, error_message, model, span_id, payload,
            JSONExtractString(payload, 'tool', 'evidence') = 'executed' AS is_executed,
            if(is_executed, duration_ms, NULL) AS duration_ms,
            JSONExtractString(payload, 'tool', 'call_id') AS call_id,
            JSONExtractString(payload, 'source', 'scope') AS scope,
            JSONExtractString(payload, 'details', 'answers') AS answers,
            JSONExtractUInt(payload, 'details', 'position') AS position,
            JSONExtractString(payload, 'details', 'arguments_digest') AS own_digest,
            if(match(trace_id, '^0*$'), id, trace_id) AS trace_id
        FROM spanledger.resolved
        WHERE action = 'tool_invoked' AND phase = 'outcome'
    ),
    named AS
    (
        SELECT
            told.*,
            multiIf(tool_name != 'unknown', tool_name, by_id.asked_tool != '', by_id.asked_tool, by_prompt.asked_tool != '', by_prompt.asked_tool, tool_name) AS tool,
            multiIf(own_digest != '', own_digest, by_id.asked_digest != '', by_id.asked_digest, by_prompt.asked_digest) AS digest
        FROM told
        LEFT JOIN
        (
            SELECT tenant AS asked_tenant, service AS asked_service, call_id AS asked_id, any(tool) AS asked_tool, any(arguments_digest) AS asked_digest
            FROM spanledger.asked WHERE call_id != '' GROUP BY ALL
        ) AS by_id ON told.tenant = by_id.asked_tenant AND told.service = by_id.asked_service AND told.call_id = by_id.asked_id
        LEFT JOIN
        (
            SELECT tenant AS asked_tenant, service AS asked_service, prompt AS asked_prompt, position AS asked_position, any(tool) AS asked_tool, any(arguments_digest) AS asked_digest
            FROM spanledger.asked WHERE prompt != '' GROUP BY ALL
        ) AS by_prompt ON told.tenant = by_prompt.asked_tenant AND told.service = by_prompt.asked_service AND told.answers = by_prompt.asked_prompt AND told.position = by_prompt.asked_position
    ),
    once AS
    (
        SELECT
            *,
            if(call_id != '', concat('id ', service, ' ', call_id),
               if(is_executed, concat('span ', trace_id, ' ', if(match(span_id, '^0*$'), id, span_id)),
                  concat('answer ', trace_id, ' ', service, ' ', answers, ' ', toString(position), ' ', tool, ' ', digest))) AS identity
        FROM named
        ORDER BY is_executed DESC, occurred_at, chain_id, seq
        LIMIT 1 BY tenant, identity
    ),
    -- Who tells, as far as calls without ids go: each span of one instrumentation is a call of its own.
    voiced AS
    (
        SELECT
            *,
            if(call_id != '', 'id', if(is_executed, concat('span ', scope), 'answer')) AS voice,
            call_id = '' AND digest = '' AND is_executed AND
                max(is_executed AND digest != '') OVER (PARTITION BY tenant, trace_id, tool, scope) = 0 AS is_bare
        FROM once
    ),
    ranked AS
    (
        SELECT
            *,
            row_number() OVER (PARTITION BY tenant, trace_id, tool, digest, is_bare, voice ORDER BY is_executed DESC, occurred_at, chain_id, seq) AS rank
        FROM voiced
    ),
    same_arguments AS
    (
        SELECT * FROM ranked
        ORDER BY is_executed DESC, call_id != '' DESC, chain_id, seq
        LIMIT 1 BY tenant, trace_id, tool, digest, is_bare, rank
    ),
    -- A span that has neither id nor arguments stands for a call that somebody else tells more of.
    bare_paired AS
    (
        SELECT
            *,
            row_number() OVER (PARTITION BY tenant, trace_id, tool, is_bare ORDER BY is_executed ASC, occurred_at, chain_id, seq) AS bare_pair
        FROM same_arguments
    ),
    without_bare AS
    (
        SELECT * FROM bare_paired
        ORDER BY is_executed DESC, is_bare ASC
        LIMIT 1 BY tenant, trace_id, tool, bare_pair
    ),
    -- A span without an id may have the arguments in other words than the model's: what is left over on both sides is paired too.
    paired AS
    (
        SELECT
            *,
            multiIf(is_executed AND call_id = '', 'span', NOT is_executed, 'answer', id) AS side,
            row_number() OVER (PARTITION BY tenant, trace_id, tool, side ORDER BY occurred_at, chain_id, seq) AS place,
            if(side IN ('span', 'answer'), toString(place), id) AS pair
        FROM without_bare
    )
SELECT
    id, chain_id, seq, occurred_at, tenant, service, conversation_id, turn, user_id, user_role, agent_name, tool, call_id,
    if(is_executed, 'executed', 'reported') AS evidence,
    resource_type, resource_id, subject, data_classification, purpose, `trigger`, status, error_type, error_message, duration_ms, model, trace_id, span_id, payload
FROM
(
    SELECT * FROM paired
    ORDER BY is_executed DESC
    LIMIT 1 BY tenant, trace_id, tool, pair
);

-- All of a conversation, as it happened.
CREATE VIEW IF NOT EXISTS spanledger.by_conversation AS
SELECT id, occurred_at, turn, action, phase, actor_type, actor_id, user_id, agent_name, tool_name, resource_type, resource_id, subject, status, error_type, error_message, duration_ms, purpose, `trigger`, trace_id, span_id
FROM spanledger.resolved
WHERE conversation_id = {conversation:String}
ORDER BY occurred_at, chain_id, seq;

-- All that was done by a user or on the user's behalf, from a time on.
CREATE VIEW IF NOT EXISTS spanledger.by_user AS
SELECT id, occurred_at, action, phase, actor_type, actor_id, user_id, user_role, agent_name, conversation_id, turn, tool_name, resource_type, resource_id, subject, status, error_type, error_message, duration_ms, purpose, `trigger`, trace_id, span_id
FROM spanledger.resolved
WHERE user_id = {user:String} AND occurred_at >= parseDateTime64BestEffort({since:String}, 9, 'UTC')
ORDER BY occurred_at, chain_id, seq;

-- What failed, was denied or interrupted from a time on: tool calls each once, answers and invocations.
CREATE VIEW IF NOT EXISTS spanledger.failures AS
SELECT * FROM
(
    SELECT id, occurred_at, 'tool_invoked' AS action, status, error_type, error_message, tool, call_id, evidence, agent_name, user_id, conversation_id, turn, resource_type, resource_id, subject, duration_ms, trace_id, span_id
    FROM spanledger.tool_calls
    UNION ALL
    SELECT id, occurred_at, action, status, error_type, error_message, '', '', '', agent_name, user_id, conversation_id, turn, resource_type, resource_id, subject, toNullable(duration_ms), trace_id, span_id
    FROM spanledger.resolved WHERE action IN ('agent_response_generated', 'agent_invoked')
)
WHERE status IN ('failure', 'denied', 'interrupted') AND occurred_at >= parseDateTime64BestEffort({since:String}, 9, 'UTC')
ORDER BY occurred_at, id;

-- How often a tool was called and how it went; durations in milliseconds, of executed calls. An empty name is all tools.
CREATE VIEW IF NOT EXISTS spanledger.by_tool AS
SELECT
    tool,
    count() AS total_calls,
    round(countIf(status = 'success') / total_calls, 3) AS success_rate,
    round(avg(toFloat64(duration_ms)), 1) AS avg_duration_ms,
    round(max(toFloat64(duration_ms)), 1) AS max_duration_ms,
    uniqExactIf(user_id, user_id != '') AS unique_users
FROM spanledger.tool_calls
WHERE {tool:String} IN ('', tool) AND occurred_at >= parseDateTime64BestEffort({since:String}, 9, 'UTC')
GROUP BY tool
ORDER BY total_calls DESC, tool;
