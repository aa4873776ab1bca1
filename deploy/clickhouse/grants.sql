-- Rights on a ClickHouse server, one role a job. Nobody needs to alter or delete a record.

CREATE ROLE IF NOT EXISTS spanledger_writer;
GRANT SELECT, INSERT ON spanledger.audit_records TO spanledger_writer;
GRANT SELECT ON spanledger.audit_tombstones TO spanledger_writer;
GRANT SELECT ON spanledger.schema_migrations TO spanledger_writer;

CREATE ROLE IF NOT EXISTS spanledger_auditor SETTINGS readonly = 2;
GRANT SELECT ON spanledger.* TO spanledger_auditor;
GRANT SELECT ON system.tables TO spanledger_auditor;

-- `spanledger migrate` needs this; nothing else does, once the schema is there.
CREATE ROLE IF NOT EXISTS spanledger_migrator;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, ALTER TABLE, SELECT, INSERT ON spanledger.* TO spanledger_migrator;
