import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryAnchor } from '../../src/anchor/directory.ts';
import { signCheckpointSync } from '../../src/chain/checkpoint.ts';
import { ZERO_HASH } from '../../src/chain/entry.ts';
import { appendLeaf, emptyFrontier, type Frontier, rootOf } from '../../src/chain/merkle.ts';
import { LocalSigner } from '../../src/chain/signer.ts';
import type { Writer } from '../../src/pipeline.ts';
import { canonicalJson } from '../../src/record/canonical.ts';
import { control } from '../../src/record/control.ts';
import type { ControlAction } from '../../src/record/record.ts';
import { fromMicroseconds } from '../../src/record/time.ts';
import type { Verification } from '../../src/verify/findings.ts';
import type { AnchorView } from '../../src/verify/outside.ts';
import type { StateFile } from '../../src/verify/state.ts';
import { trustFile } from '../../src/verify/trust.ts';
import { judgeLedger, type VerifyOptions, verify } from '../../src/verify/verify.ts';
import { keeperIn, LEDGER_SIGNER } from '../support/keeper-kit.ts';
import {
  LEDGER_ID,
  memoryFolder,
  ORIGIN,
  openJournal,
  openStore,
  ship,
  writerIn,
} from '../support/ledger-kit.ts';
import { type RawRow, TamperedLedger } from '../support/tampered-ledger.ts';
import { toolCalls } from '../support/test-spans.ts';
import { toolSaying, vaultWriter } from '../support/vault-kit.ts';

const CONTENT = 'chain_id, seq, field, retention_class, expires_at, ref, sealed';
const CONTENT_KEYS = 'key_id, subject, master, wrapped';
const VAULT = [
  ['audit_content', CONTENT],
  ['audit_content_keys', CONTENT_KEYS],
] as const;

/** Its chains; others come and go with attacks. */
const MADE = ['A', 'B', 'C', 'K', 'V'];

/**
 * A ledger as users have it, to be attacked: written by real writers, kept by a real keeper in two rounds, anchored in
 * a directory, seen once by a verifier with a trust file. Its chains:
 *
 *   B  closed: opened 0, calls 1-3, closed 4
 *   A  follows B, open: opened 0, calls 1-4, checkpoint 5, calls 6-9, checkpoint 10, calls 11-13,
 *      [round 1: 14] checkpoint 14, calls 15-16, [round 2: 17] calls 17-18
 *   C  closed, of another journal: opened 0, calls 1-5, closed 6
 *   V  closed, with contents in the vault: opened 0, calls 1-4, closed 5
 *   K  the keeper's: opened 0, and twice: round, checkpoint, receipt of the anchor, verification
 */
export class AttackedLedger extends TamperedLedger {
  readonly ids: { [name: string]: string } = {};
  /** Who signs for which chain. */
  readonly signers: { [name: string]: LocalSigner } = {};
  readonly trust = trustFile(`${LEDGER_SIGNER.vkey}\n`, 'local');
  /** What a verifier knew before the attack. */
  state!: StateFile;
  readonly #folder = memoryFolder();
  /** Microseconds since the epoch: two hours ago, so that no clock of the machine is behind it. */
  #now = Math.floor(Date.now() / 1_000 - 7_200) * 1e6;

  /** Microseconds since the epoch. */
  readonly clock = (): number => this.#now;

  pass(seconds: number): void {
    this.#now += seconds * 1e6;
  }

  /** In Unix seconds. */
  get now(): number {
    return this.#now / 1e6;
  }

  async make(): Promise<this> {
    this.store = await openStore(join(this.#folder, 'ledger'));
    mkdirSync(join(this.#folder, 'anchor'));
    const [one, two, three] = ['app-00000001', 'app-00000002', 'app-00000003'].map((name) =>
      openJournal(this.journal(name)),
    );
    const b = writerIn(one!, this.clock);
    await b.append(toolCalls(3));
    await this.#named('B', b, true);
    const a = writerIn(one!, this.clock);
    await a.append(toolCalls(4));
    this.pass(61);
    await a.append(toolCalls(4));
    this.pass(61);
    await a.append(toolCalls(3));
    await this.#named('A', a);
    const c = writerIn(two!, this.clock);
    await c.append(toolCalls(5));
    await this.#named('C', c, true);
    const v = vaultWriter(three!, { clock: this.clock });
    await v.append(Array.from({ length: 4 }, (_, i) => toolSaying({ at: i }, `result ${i}`)));
    await this.#named('V', v, true);
    const anchors = [new DirectoryAnchor({ name: 'worm', path: join(this.#folder, 'anchor') })];
    const kept = await keeperIn(this.#folder, this.store, { clock: this.clock, anchors });
    this.ids.K = kept.journal.chain!.chainId;
    this.signers.K = LEDGER_SIGNER;
    await kept.keeper.keep();
    this.pass(61);
    await a.append(toolCalls(2));
    await ship(a, this.store);
    await kept.keeper.keep();
    this.pass(5);
    await a.append(toolCalls(2));
    await ship(a, this.store);
    await kept.close();
    for (const journal of [one!, two!, three!]) await journal.close();
    this.pass(20);
    await this.keep();
    for (const [table, columns] of VAULT)
      await this.store.command(
        `CREATE TABLE kept.${table} ENGINE = Memory AS SELECT ${columns} FROM spanledger.${table}`,
      );
    const { state } = await judgeLedger(this.store, { ledgerId: LEDGER_ID, ...(await this.#options()) });
    this.state = { sha256: '', state: state! };
    return this;
  }

  async #named(name: string, writer: Writer, closed = false): Promise<void> {
    if (closed) await writer.close();
    await ship(writer, this.store);
    const { chainId } = writer.journal.chain!;
    this.ids[name] = chainId;
    this.signers[name] = new LocalSigner(`${ORIGIN}/${chainId}`, writer.journal.key);
  }

  journal(name: string): string {
    return join(this.#folder, 'journal', name);
  }

  /** A new folder that is empty. */
  emptyFolder(): string {
    return mkdtempSync(join(this.#folder, 'empty-'));
  }

  /** A new folder, with what is in the one named. */
  copied(name = 'anchor'): string {
    const folder = mkdtempSync(join(this.#folder, 'copy-'));
    cpSync(join(this.#folder, name), folder, { recursive: true });
    return folder;
  }

  override async reset(): Promise<void> {
    await super.reset();
    for (const name of Object.keys(this.ids)) if (!MADE.includes(name)) delete this.ids[name];
    for (const [table, columns] of VAULT) {
      await this.store.command(`TRUNCATE TABLE spanledger.${table}`);
      await this.store.command(
        `INSERT INTO spanledger.${table} (${columns}) SELECT ${columns} FROM kept.${table} SETTINGS insert_deduplicate = 0`,
      );
    }
  }

  /** A row. */
  at(name: string, seq: number): string {
    return `${this.of(name)} AND seq = ${seq}`;
  }

  /** A chain's rows. */
  of(name: string): string {
    return `chain_id = '${this.ids[name]}'`;
  }

  /** As it was, whatever was done since. */
  async row(name: string, seq: number): Promise<RawRow> {
    return (await this.rows(this.ids[name], 'kept.records'))[seq]!;
  }

  async change(name: string, seq: number, from: string, to: string): Promise<void> {
    await this.move({ payload: `replaceOne(payload, '${from}', '${to}')` }, this.at(name, seq));
  }

  /** A record changed where no column shows it, and its own hash made to fit. */
  async refit(name: string, seq: number): Promise<void> {
    const [before, row] = [await this.row(name, seq - 1), await this.row(name, seq)];
    const payload = row.payload.toString().replace('"salt":"', '"salt":"A');
    const entry = { chainId: this.ids[name]!, seq, expiresAt: row.expiresAt, prevHash: before.recordHash };
    await this.remove(this.at(name, seq));
    await this.put([{ ...row, payload, recordHash: this.hashOf(entry, payload) }]);
  }

  async alter(what: string, table = 'audit_records'): Promise<void> {
    await this.store.command(`ALTER TABLE spanledger.${table} ${what} SETTINGS mutations_sync = 2`);
  }

  /** The vault written anew, of what was in it. */
  async content(values = CONTENT, where = '1'): Promise<void> {
    await this.store.command('TRUNCATE TABLE spanledger.audit_content');
    await this.store.command(
      `INSERT INTO spanledger.audit_content (${CONTENT}) SELECT ${values} FROM kept.audit_content WHERE ${where} SETTINGS insert_deduplicate = 0`,
    );
  }

  /** As a chain’s writer would go on, by whoever may insert: the hash fits. `at` in seconds from now. */
  async append(
    name: string,
    action: ControlAction,
    fields: { [field: string]: unknown } | ((tree: Frontier) => { [field: string]: unknown }),
    at = 0,
  ): Promise<void> {
    const rows = await this.rows(this.ids[name]);
    const tree = rows.reduce((before, { recordHash }) => appendLeaf(before, recordHash), emptyFrontier());
    const { chainId, retentionClass, expiresAt } = rows[0]!;
    const time = this.#now + at * 1e6;
    const told = typeof fields === 'function' ? fields(tree) : fields;
    const more = { salt: 'A'.repeat(22), recorded_at: fromMicroseconds(time) };
    const payload = canonicalJson({
      ...control(action, told, time),
      retention_class: retentionClass,
      ...more,
    });
    const entry = {
      chainId: this.ids[name]!,
      seq: rows.length,
      expiresAt,
      prevHash: rows.at(-1)!.recordHash,
    };
    const recordHash = this.hashOf(entry, payload);
    await this.put([{ chainId, seq: BigInt(rows.length), retentionClass, expiresAt, recordHash, payload }]);
  }

  /** Of a chain’s first records. */
  async rootOf(name: string, size: number): Promise<string> {
    const rows = (await this.rows(this.ids[name])).slice(0, size);
    return rootOf(rows.reduce((tree, { recordHash }) => appendLeaf(tree, recordHash), emptyFrontier()));
  }

  /** Of all that `tree` has. */
  note(name: string, tree: Frontier, signer = this.signers[name]!): string {
    return signCheckpointSync({ origin: signer.name, size: BigInt(tree.size), root: rootOf(tree) }, signer);
  }

  /** A chain written anew, its hashes and its checkpoints made to fit by whoever holds a key. */
  async forge(name: string, change: (payload: string, seq: number) => string, signer?: LocalSigner) {
    const chainId = this.ids[name]!;
    const before = await this.rows(chainId);
    let tree = emptyFrontier();
    let prevHash = ZERO_HASH;
    const after = before.map((row) => {
      const seq = Number(row.seq);
      const record = JSON.parse(change(row.payload.toString(), seq)) as { control?: { note?: string } };
      if (signer !== undefined && record.control?.note !== undefined)
        record.control.note = this.note(name, tree, signer);
      const payload = canonicalJson(record as never);
      prevHash = this.hashOf({ chainId, seq, expiresAt: row.expiresAt, prevHash }, payload);
      tree = appendLeaf(tree, prevHash);
      return { ...row, payload, recordHash: prevHash };
    });
    await this.remove(this.of(name));
    await this.put(after);
  }

  /** A chain made anew, with a record that is another, by somebody with a key of their own. */
  rebuildWith(name: string, signer: LocalSigner): Promise<void> {
    const own = this.signers[name]!.vkey;
    return this.forge(
      name,
      (payload, seq) => (seq === 0 ? payload.replace(own, signer.vkey) : dropTable(payload, seq)),
      signer,
    );
  }

  /** A chain and all rounds made anew, by somebody who has stolen every key. */
  async rebuildAll(): Promise<void> {
    await this.rebuildWith('A', this.signers.A!);
    await this.remove(this.of('K'));
    await this.round(0, 'another');
  }

  /** One part a row, the latest first. */
  async shuffle(): Promise<void> {
    const rows = await this.rows();
    await this.remove('1');
    for (const row of rows.reverse()) await this.put([row]);
  }

  /** The writer of B and A goes on after a restart, with a copy of its journal: in a chain by this name. */
  async goOn(name = 'A2'): Promise<void> {
    const journal = openJournal(this.copied('journal/app-00000001'));
    const writer = writerIn(journal, this.clock);
    await writer.append(toolCalls(1));
    await ship(writer, this.store);
    this.ids[name] = journal.chain!.chainId;
    await journal.close();
  }

  /** A writer of this directory whose clock is some days behind: its chain, D, is enrolled and closed. */
  async dated(days: number): Promise<void> {
    const journal = openJournal(this.journal(`app-${randomBytes(4).toString('hex')}`));
    const writer = writerIn(journal, () => this.#now - days * 86_400 * 1e6);
    await writer.append(toolCalls(1));
    await this.#named('D', writer, true);
    await journal.close();
  }

  /** The keeper goes on, with a copy of its journal, so many seconds later; or another begins anew. */
  async round(seconds: number, journal: 'its own' | 'another' = 'its own'): Promise<void> {
    const dir =
      journal === 'another'
        ? mkdtempSync(join(this.#folder, 'copy-'))
        : this.copied('journal/control-00000001');
    const clock = () => this.#now + seconds * 1e6;
    const kept = await keeperIn(this.#folder, this.store, { journal: openJournal(dir), clock });
    await kept.keeper.keep();
    this.ids[journal === 'another' ? 'K2' : 'K'] = kept.journal.chain!.chainId;
    await kept.close();
  }

  async anchors(folder = join(this.#folder, 'anchor')): Promise<AnchorView[]> {
    const held = await new DirectoryAnchor({ name: 'worm', path: folder }).list({ origin: ORIGIN });
    return [{ name: 'worm', lists: true, held: held as AnchorView['held'] }];
  }

  async #options(): Promise<Omit<VerifyOptions, 'ledgerId' | 'engine'>> {
    return { trust: this.trust, asOf: this.now, anchors: await this.anchors() };
  }

  /** What is found, chains by their names: `code chain:seq`, or `code chain:seq-to`. */
  async findings(
    more: Omit<VerifyOptions, 'ledgerId' | 'engine'> = {},
    store = this.store,
  ): Promise<string[]> {
    const options = { ledgerId: LEDGER_ID, ...(await this.#options()), ...more };
    return this.said(await verify(store, options));
  }

  /** Of its findings, those. */
  said({ findings }: Verification): string[] {
    const names = Object.fromEntries(Object.entries(this.ids).map(([name, id]) => [id, name]));
    return findings
      .map(({ code, chain_id, seq, to }) => {
        const place = to === undefined || to === seq ? `${seq}` : `${seq}-${to}`;
        return `${code} ${names[chain_id] ?? chain_id}:${place}`;
      })
      .sort();
  }
}

/** What an attacker would rather have done. */
export function dropTable(payload: string, seq: number): string {
  return seq === 3 ? payload.replace('list_files', 'drop_table') : payload;
}

/** Another key of a chain’s name. */
export function another(name: string, { signers }: AttackedLedger): LocalSigner {
  return new LocalSigner(signers[name]!.name, Buffer.alloc(32, 77));
}

/** Every file below a folder, in order. */
export function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** A finding at every place of the ledger. */
export function everywhere(code: string): string[] {
  const sizes = { A: 19, B: 5, C: 7, K: 9, V: 6 };
  return Object.entries(sizes).flatMap(([name, size]) =>
    Array.from({ length: size }, (_, seq) => `${code} ${name}:${seq}`),
  );
}
