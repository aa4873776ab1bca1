import type { ChainFacts } from './chain-facts.ts';
import { judgeNote, type NoteInPlace, writerKey } from './checkpoints.ts';
import type { Report } from './findings.ts';
import { controlOf, readEnrolled, readNote, readOpened } from './ledger-records.ts';
import { Policies } from './policies.ts';

/** Hears what chains say of themselves, each record at its place, and judges their checkpoints by their own key. */
export class Marks {
  /** Of control chains: their keys are known once all of their line has been read. */
  readonly ledgerNotes = new Map<string, NoteInPlace[]>();
  /** Checkpoints that were good. */
  good = 0;
  readonly policies = new Policies();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** @param chain whose next place is `seq`. */
  hear(chain: ChainFacts, seq: bigint, payload: string | Uint8Array): void {
    const found = controlOf(payload);
    if (found === undefined) return;
    const { action, control } = found;
    this.policies.hear(chain.id, seq, action, control);
    if (action === 'chain_opened' && seq === 0n) {
      chain.opened = readOpened(control);
      chain.key = chain.opened?.vkey === undefined ? undefined : writerKey(chain.opened.vkey, chain.id);
    }
    const enrolled = action === 'chain_enrolled' ? readEnrolled(control) : undefined;
    if (enrolled !== undefined) chain.enrolled.push(enrolled);
    const isSigned =
      control.note !== undefined || (action === 'chain_closed' && chain.opened?.vkey !== undefined);
    if (action === 'checkpoint' || (action === 'chain_closed' && isSigned))
      this.#note(chain, seq, readNote(control));
    if (action !== 'chain_closed') return;
    if (chain.closedAt === undefined) chain.closedAt = seq + 1n;
  }

  #note(chain: ChainFacts, seq: bigint, note: string | undefined): void {
    const { id, key, opened } = chain;
    // Without its beginning there is no key to know it by; that it is missing is told.
    if (opened === undefined) return;
    const place: NoteInPlace = { chainId: id, seq, note, root: chain.rootBefore(seq) };
    if (opened.role === 'control') {
      const notes = this.ledgerNotes.get(id) ?? [];
      this.ledgerNotes.set(id, notes);
      notes.push(place);
      return;
    }
    const verdict = judgeNote(place, key === undefined ? [] : [key]);
    chain.firstNote ??= seq;
    if (verdict.kind === 'good') {
      chain.checkpoint = Number(seq);
      this.good += 1;
      return;
    }
    if (verdict.kind === 'unchecked') return;
    chain.badNotes.add(seq);
    if (verdict.kind === 'invalid') this.#report('checkpoint_invalid', id, seq, verdict.why);
    else if (!chain.told.has(verdict.kind)) {
      chain.told.add(verdict.kind);
      this.#report(`checkpoint_${verdict.kind}`, id, seq, verdict.why);
    }
  }
}
