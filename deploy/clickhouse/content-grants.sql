-- Rights on what the vault keeps, after grants.sql. Sealed contents tell nobody anything; with their keys' rows, and the
-- master key that no database holds, they do.

GRANT SELECT, INSERT ON spanledger.audit_content TO spanledger_writer;
GRANT SELECT, INSERT ON spanledger.audit_content_keys TO spanledger_writer;

-- An auditor verifies that every content is there, to the byte, and its key too; the keys' rows are not the auditor's to read.
REVOKE SELECT ON spanledger.audit_content_keys FROM spanledger_reader;
GRANT SELECT(key_id) ON spanledger.audit_content_keys TO spanledger_reader;

-- Whoever reads contents, by `spanledger content`, which records it.
CREATE ROLE IF NOT EXISTS spanledger_content_reader;
GRANT SELECT ON spanledger.* TO spanledger_content_reader;
GRANT INSERT ON spanledger.audit_records TO spanledger_content_reader;
