import { systemClock } from '../clock.ts';
import { createContentKeys } from '../config/content-keys.ts';
import { createDeployment, type Deployment } from '../config/deployment.ts';
import { DEFAULT_DIR } from '../config/layout.ts';
import { VERSION } from '../config/package.ts';
import { settingsOf } from '../config/settings.ts';
import { Journal } from '../journal/journal.ts';
import { Writer } from '../pipeline.ts';
import { compilePolicy, type Policy } from '../policy/policy.ts';
import { policyOf } from '../policy/schema.ts';
import { vaults } from '../policy/vaulting.ts';

export interface AuditOptions {
  /**
   * Where the ledger's directory is: the journal, and the keys. Made when it is missing.
   * @default SPANLEDGER_DIR, else ./.spanledger
   */
  dir?: string;
  /**
   * The settings file, whose policy says what may be kept.
   * @default SPANLEDGER_CONFIG, else spanledger.yaml in the directory, if it is there
   */
  config?: string;
  /**
   * Who writes. Stands in `chain_opened`, and a process of the same name takes over what this one leaves.
   * @default OTEL_SERVICE_NAME, else `app`
   */
  writer?: string;
}

/** What an app's recording needs: its journal, and the only writer of its chain. */
export interface Audit {
  deployment: Deployment;
  policy: Policy;
  writer: Writer;
  /** Ends the chain, flushes, and lets go of the journal, also when it rejects. */
  close(): Promise<void>;
}

/** Opens an app's own journal. No database, no network: records wait there until somebody ships them. */
export function openAudit(options: AuditOptions = {}, env = process.env): Audit {
  const deployment = createDeployment(options.dir ?? env.SPANLEDGER_DIR ?? DEFAULT_DIR, env);
  const name = options.writer ?? env.OTEL_SERVICE_NAME ?? 'app';
  const { policy: said, vault } = settingsOf(deployment.layout, env, options.config);
  const policy = compilePolicy(deployment.master, policyOf(said));
  const keysOf = () => createContentKeys(deployment.layout, { env, command: vault.key_command });
  const contentKeys = vaults(policy.document) ? keysOf() : undefined;
  const journal = Journal.takeOver(deployment.layout.journals, roleOf(name));
  const writer = new Writer({
    journal,
    policy,
    ledgerId: deployment.ledgerId,
    clock: systemClock,
    writer: name,
    version: VERSION,
    ...(contentKeys === undefined ? {} : { contentKeys: () => contentKeys }),
  });
  return {
    deployment,
    policy,
    writer,
    async close() {
      try {
        await writer.close();
      } finally {
        await journal.close();
      }
    },
  };
}

/** A folder's name of a service's. */
function roleOf(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9._-]/g, '_')
      .slice(0, 64)
      .replace(/^[._-]+/, '') || 'app'
  );
}
