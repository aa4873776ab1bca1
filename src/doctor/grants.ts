/** A line of `SHOW GRANTS`: rights on some tables, given or taken away again. */
interface Line {
  isGiven: boolean;
  /** As `SELECT`, `ALTER TABLE`, `ALTER UPDATE(purge_after)`. */
  rights: string[];
  /** As `*.*`, `spanledger.*`, `spanledger.audit_records`. */
  on: string;
}

/** A right on a table. */
export interface Right {
  right: string;
  table: string;
}

/** What each right is part of. */
const PARTS: { [right: string]: readonly string[] } = {
  'ALTER DELETE': ['ALTER TABLE', 'ALTER'],
  'ALTER UPDATE': ['ALTER TABLE', 'ALTER'],
  'ALTER TTL': ['ALTER TABLE', 'ALTER'],
  'DROP TABLE': ['DROP'],
};

/** Of the writer: what `serve` and `ingest` do, once the schema is there. */
export const NEEDED: readonly Right[] = [
  { right: 'SELECT', table: 'spanledger.audit_records' },
  { right: 'INSERT', table: 'spanledger.audit_records' },
  { right: 'SELECT', table: 'spanledger.audit_tombstones' },
  { right: 'SELECT', table: 'spanledger.schema_migrations' },
];

/** And of a writer whose policy vaults: without them not even records are shipped, as their contents come first. */
export const NEEDED_TO_VAULT: readonly Right[] = [
  { right: 'SELECT', table: 'spanledger.audit_content' },
  { right: 'INSERT', table: 'spanledger.audit_content' },
  { right: 'SELECT', table: 'spanledger.audit_content_keys' },
  { right: 'INSERT', table: 'spanledger.audit_content_keys' },
];

/** By which records could be changed or removed. */
export const TOO_MUCH: readonly Right[] = [
  'spanledger.audit_records',
  'spanledger.audit_tombstones',
  'spanledger.audit_content',
  'spanledger.audit_content_keys',
].flatMap((table) =>
  ['ALTER DELETE', 'ALTER UPDATE', 'ALTER TTL', 'DROP TABLE', 'TRUNCATE'].map((right) => ({
    right,
    table,
  })),
);

/** Retention sets it, and nothing else. */
const RETENTION = 'ALTER UPDATE(purge_after)';

/**
 * What a user's `SHOW GRANTS` comes to. Not a parser of all of it: rights on other things, and names of roles, are
 * passed over.
 */
export class Grants {
  readonly #lines: Line[];

  constructor(lines: readonly string[]) {
    this.#lines = lines.flatMap((line) => {
      const [, verb, rights, on] = /^(GRANT|REVOKE) (.+?) ON (\S+) (?:TO|FROM) /.exec(line) ?? [];
      if (verb === undefined) return [];
      return [{ isGiven: verb === 'GRANT', rights: split(rights!), on: on!.replaceAll('`', '') }];
    });
  }

  /** The whole table's. */
  has({ right, table }: Right): boolean {
    const names = [right, ...(PARTS[right] ?? []), 'ALL'];
    const told = this.#lines.filter(
      ({ on, rights }) => reaches(on, table) && rights.some((each) => names.includes(each)),
    );
    return told.some(({ isGiven }) => isGiven) && told.every(({ isGiven }) => isGiven);
  }

  /** The whole table's, or some columns', but for the one that is retention's. */
  hasSome(asked: Right): boolean {
    const ofColumns = this.#lines.some(
      ({ isGiven, on, rights }) =>
        isGiven &&
        reaches(on, asked.table) &&
        rights.some((each) => each.startsWith(`${asked.right}(`) && each !== RETENTION),
    );
    return ofColumns || this.has(asked);
  }
}

/** At commas, but not those between columns. */
function split(rights: string): string[] {
  return rights.split(/,\s*(?![^(]*\))/);
}

/** `*.*`, a database, a table, or the beginning of either. */
function reaches(on: string, table: string): boolean {
  return on === '*.*' || on === table || (on.endsWith('*') && table.startsWith(on.slice(0, -1)));
}
