import { payloadDigest, ZERO_HASH } from '../chain/entry.ts';
import type { SealedRecord, StoppedChain } from '../chain/seal.ts';
import { systemClock } from '../clock.ts';
import type { Writer } from '../pipeline.ts';
import type { PolicyDocument } from '../policy/document.ts';
import { canonicalJson } from '../record/canonical.ts';
import { control } from '../record/control.ts';
import { keys } from '../record/memory.ts';
import type { AuditRecord } from '../record/record.ts';
import type { Store } from '../store/client.ts';
import { headOf, openerOf } from '../store/records.ts';
import { batchesOf } from '../target/batch.ts';
import { isChainId, readLine } from '../target/line.ts';
import type { RelayAnswer, RelayConflict, RelayTerms } from '../target/relay.ts';
import { notStanding, type Target } from '../target/target.ts';
import { Refusal } from './answers.ts';
import { readBody } from './body.ts';
import { type Budget, Holding } from './budget.ts';
import { type Answer, type Call, json, type Route } from './http.ts';
import type { Grant } from './tokens.ts';

/** One record can be larger than a request of spans: it is its facts, and what they became. */
const MAX_ENTRIES_BYTES = 64 * 1024 * 1024;

export interface RelayOptions {
  ledgerId: string;
  origin: string;
  policy: () => PolicyDocument;
  store: Store;
  target: Target;
  /** Tells, and its journal keeps, under whose token a chain came. */
  writer: Writer;
  /** Something was told. */
  wake: () => void;
  budget: Budget;
}

/** Our own commands', whose chains came through no relay: also one of an earlier process is nobody's to go on with. */
const OWN_WRITERS = new Set(['serve', 'cli', 'control']);

/** Under whose token a chain came first: nobody else goes on with it. */
interface Enrolled {
  subject: string;
  tenant?: string;
}

/**
 * The relay for our own apps: their entries, each hash recomputed, into the database, answered after the read-back.
 * It keeps nothing of them: the app's journal holds until the answer.
 */
export class Relay {
  readonly #options: RelayOptions;
  /** One at a time to a chain. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get routes(): Route[] {
    return [
      { method: 'POST', path: '/v1/entries', rights: ['ingest'], answer: (call) => this.#entries(call) },
      {
        method: 'GET',
        path: '/v1/chains/',
        rights: ['ingest', 'read'],
        isReading: true,
        answer: (call) => this.#chain(call),
      },
      {
        method: 'GET',
        path: '/v1/policy',
        rights: ['ingest', 'read'],
        isReading: true,
        answer: async () => {
          const policy = this.#options.policy();
          const { ledgerId: ledger_id, origin } = this.#options;
          return json(200, {
            digest: payloadDigest(canonicalJson(policy)),
            ledger_id,
            origin,
            policy,
          } satisfies RelayTerms);
        },
      },
    ];
  }

  async #entries({ request, url, grant }: Call): Promise<Answer> {
    const holding = new Holding(this.#options.budget);
    try {
      const { inflated } = await readBody(request, holding, MAX_ENTRIES_BYTES);
      const { entries, named } = this.#read(inflated.toString(), grant);
      for (const chainId of named) await this.#refuseOthers(chainId, grant);
      const how = url.searchParams.has('restored') ? 'restored' : 'unsure';
      return await this.#alone(entries[0]!.chainId, () => this.#deliver(entries, how, grant));
    } finally {
      holding.release();
    }
  }

  /** @throws Refusal 400 naming the first line that is wrong; 403 where it is another tenant's. */
  #read(text: string, grant: Grant): { entries: SealedRecord[]; named: Set<string> } {
    const entries: SealedRecord[] = [];
    const named = new Set<string>();
    for (const [i, line] of text.split('\n').entries()) {
      if (line === '') continue;
      const read = readLine(line, this.#options.ledgerId);
      if ('problem' in read) throw new Refusal(400, `line ${i + 1}: ${read.problem}`);
      const { sealed, record } = read;
      const before = entries.at(-1);
      if (before !== undefined && !follows(sealed, before))
        throw new Refusal(400, `line ${i + 1}: it does not follow the one before it`);
      if (grant.tenant !== undefined && record.tenant !== undefined && record.tenant !== grant.tenant)
        throw new Refusal(403, `line ${i + 1}: it is another tenant's`);
      entries.push(sealed);
      for (const chainId of chainsNamedIn(record)) named.add(chainId);
    }
    if (entries.length === 0) throw new Refusal(400, 'there are no entries');
    return { entries, named };
  }

  async #deliver(
    entries: readonly SealedRecord[],
    how: 'unsure' | 'restored',
    grant: Grant,
  ): Promise<Answer> {
    const { target } = this.#options;
    const [{ chainId, seq, prevHash }, last] = [entries[0]!, entries.at(-1)!];
    if (seq === 0 && prevHash !== ZERO_HASH) throw new Refusal(400, 'a chain begins with zeros');
    await this.#enrol(entries[0]!, grant);
    // What is restored may follow what is lost: its journal knows, and its record says so.
    if (seq > 0 && how === 'unsure') {
      const stopped = await notStanding(target, { chainId, seq: seq - 1, expected: prevHash });
      if (stopped !== undefined) return conflict({ stopped, added: 0 });
    }
    let added = 0;
    let stopped: StoppedChain | undefined;
    for (const batch of batchesOf(entries)) {
      const delivered = await target.deliver(batch, how);
      added += delivered.added;
      stopped ??= delivered.stopped;
      if (stopped !== undefined && how !== 'restored') break;
    }
    if (stopped !== undefined) return conflict({ stopped, added });
    const contents = entries.reduce((sum, each) => sum + (each.contents?.length ?? 0), 0);
    const answer: RelayAnswer = { chain_id: chainId, size: last.seq + 1, head: last.recordHash, added };
    if (contents > 0) answer.contents = contents;
    return json(200, answer);
  }

  /** Durable before the chain's first record is in the database; and told, so that a keeper lists the chain. */
  async #enrol(first: SealedRecord, grant: Grant): Promise<void> {
    const { writer, wake } = this.#options;
    const { chainId } = first;
    await this.#refuseOthers(chainId, grant);
    const key = keys.relayed(chainId);
    if (writer.journal.get(key) !== undefined) return;
    const { subject, tenant } = grant;
    const enrolled: Enrolled = { subject, ...(tenant === undefined ? {} : { tenant }) };
    // One that does not begin here was told by whoever took its beginning: what its key is, that alone says.
    if (first.seq > 0) writer.journal.transact((transaction) => transaction.set(key, enrolled));
    else
      writer.tell((transaction) => {
        transaction.set(key, enrolled);
        const told = { chain_id: chainId, ...vkeyIn(first), subject };
        return control('chain_enrolled', told, systemClock());
      });
    await writer.journal.flush();
    wake();
  }

  /** Nor does anybody speak of a chain of others: a verifier believes what is said of its end. */
  async #refuseOthers(chainId: string, grant: Grant): Promise<void> {
    const { store } = this.#options;
    const { journal } = this.#options.writer;
    this.#refuseForeign(chainId, grant);
    if (journal.get(keys.relayed(chainId)) !== undefined) return;
    if (OWN_WRITERS.has((await openerOf(store, chainId)) ?? '')) throw foreign(chainId);
  }

  #refuseForeign(chainId: string, { subject, tenant }: Grant): void {
    const { journal } = this.#options.writer;
    const enrolled = journal.get(keys.relayed(chainId)) as Enrolled | undefined;
    const isOther = enrolled !== undefined && (enrolled.subject !== subject || enrolled.tenant !== tenant);
    if (isOther || journal.chain?.chainId === chainId) throw foreign(chainId);
  }

  /** Who may read sees every chain of its tenant; who only sends, its own. */
  #refuseUnread(chainId: string, grant: Grant): void {
    const enrolled = this.#options.writer.journal.get(keys.relayed(chainId)) as Enrolled | undefined;
    if (!grant.rights.has('read') && !grant.rights.has('admin')) this.#refuseForeign(chainId, grant);
    else if (grant.tenant !== undefined && enrolled?.tenant !== grant.tenant)
      throw new Refusal(403, `chain ${chainId} is another tenant's`);
  }

  async #chain({ rest, url, grant }: Call): Promise<Answer> {
    const chainId = rest;
    if (!isChainId(chainId)) throw new Refusal(400, 'that is no chain id');
    this.#refuseUnread(chainId, grant);
    const { store, target } = this.#options;
    const { size, head } = await headOf(store, chainId);
    const asked = url.searchParams.get('seq');
    if (asked === null) return json(200, { chain_id: chainId, size, head });
    const seq = Number(asked);
    if (!Number.isSafeInteger(seq) || seq < 0) throw new Refusal(400, 'seq is a number from 0');
    return json(200, { chain_id: chainId, size, head, standing: await target.standing(chainId, seq) });
  }

  async #alone<T>(chainId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(chainId);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.#busy.set(chainId, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(chainId) === mine) this.#busy.delete(chainId);
    }
  }
}

/** The chains that a record tells of beside its own: the one before it, one that could not go on. */
function chainsNamedIn({ control }: AuditRecord): string[] {
  const { chain_id: before } = (control?.predecessor ?? {}) as { chain_id?: unknown };
  return [control?.chain_id, before].filter((each) => typeof each === 'string');
}

/** The key that a chain's first record says will sign it. */
function vkeyIn({ payload }: SealedRecord): { vkey?: string } {
  const { vkey } = (JSON.parse(payload) as AuditRecord).control ?? {};
  return typeof vkey === 'string' ? { vkey } : {};
}

function conflict(answer: RelayConflict): Answer {
  return json(409, answer);
}

function foreign(chainId: string): Refusal {
  return new Refusal(403, `chain ${chainId} came under another token`);
}

function follows(entry: SealedRecord, before: SealedRecord): boolean {
  return (
    entry.chainId === before.chainId && entry.seq === before.seq + 1 && entry.prevHash === before.recordHash
  );
}
