/**
 * The columns of the views without parameters, for which the engine keeps a type each: whoever makes a view may name
 * other types than its query's, through which its values go. `LowCardinality` is left out: it is how values are kept,
 * not what they are, and versions of the engine infer it otherwise.
 */
export const VIEW_COLUMNS: { readonly [view: string]: string } = {
  asked: `tenant String, service String, prompt String, position UInt64, call_id String, tool String, arguments_digest String`,
  resolved: `id String, chain_id String, seq UInt64, occurred_at DateTime64(9, 'UTC'), action String, phase String, actor_type String, actor_id String, user_id String, user_role String, agent_name String, conversation_id String, turn UInt32, tool_name String, resource_type String, resource_id String, subject String, data_classification String, purpose String, trigger String, status String, duration_ms Float32, model String, tenant String, trace_id String, span_id String, service String, error_type String, error_message String, payload String`,
  tool_calls: `id String, chain_id String, seq UInt64, occurred_at DateTime64(9, 'UTC'), tenant String, service String, conversation_id String, turn UInt32, user_id String, user_role String, agent_name String, tool String, call_id String, evidence String, resource_type String, resource_id String, subject String, data_classification String, purpose String, trigger String, status String, error_type String, error_message String, duration_ms Nullable(Float32), model String, trace_id String, span_id String, payload String`,
  traces: `tenant String, trace_id String, conversation_id String, user_id String, user_role String`,
};
