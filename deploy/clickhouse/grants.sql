-- Rights on a ClickHouse server, one role a job. Nobody needs to alter or delete what a record says.
-- `spanledger doctor --url …` says what the user it asks as has, lacks, and has too much.

-- `serve`, `ingest`, and what an app ships to directly.
CREATE ROLE IF NOT EXISTS spanledger_writer;
GRANT SELECT, INSERT ON spanledger.audit_records TO spanledger_writer;
GRANT SELECT ON spanledger.audit_tombstones TO spanledger_writer;
GRANT SELECT ON spanledger.schema_migrations TO spanledger_writer;

-- Whoever verifies, asks and reports; and `doctor`, which also looks at how the tables are kept. Without a right on
-- what follows, `verify` says what it could not look at, and that its answer is `incomplete`.
CREATE ROLE IF NOT EXISTS spanledger_reader SETTINGS readonly = 2;
GRANT SELECT ON spanledger.* TO spanledger_reader;
GRANT SELECT ON system.tables TO spanledger_reader;
GRANT SELECT ON system.parts TO spanledger_reader;
GRANT SELECT ON system.detached_parts TO spanledger_reader;
GRANT SELECT ON system.mutations TO spanledger_reader;
GRANT SELECT ON system.merge_tree_settings TO spanledger_reader;
GRANT SELECT ON system.disks TO spanledger_reader;
GRANT SELECT ON system.row_policies TO spanledger_reader;
GRANT SHOW ROW POLICIES ON *.* TO spanledger_reader;

-- Whatever ends a record's time: it writes the tombstone and starts the TTL clock. It removes nothing itself.
CREATE ROLE IF NOT EXISTS spanledger_retention;
GRANT SELECT, ALTER UPDATE(purge_after) ON spanledger.audit_records TO spanledger_retention;
GRANT SELECT, INSERT ON spanledger.audit_tombstones TO spanledger_retention;
GRANT SELECT ON system.parts TO spanledger_retention;
GRANT SELECT ON system.mutations TO spanledger_retention;

-- `spanledger migrate` needs this; nothing else does, once the schema is there.
CREATE ROLE IF NOT EXISTS spanledger_migrator;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, ALTER TABLE, SELECT, INSERT ON spanledger.* TO spanledger_migrator;
