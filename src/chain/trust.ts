import { SpanledgerError } from '../errors.ts';
import { COSIGNATURE, ED25519, parseVkey, type Vkey } from './vkey.ts';

/**
 * Whom to believe: the keys of ledgers, and how many of which witnesses must have seen a checkpoint. The file is a
 * C2SP tlog-policy (https://c2sp.org/tlog-policy), or has just one public key a line.
 */
export interface Trust {
  readonly logs: readonly TrustedKey[];
  readonly witnesses: ReadonlyMap<string, TrustedKey>;
  readonly groups: ReadonlyMap<string, Group>;
  /** A witness or a group; absent where none is asked for. */
  readonly quorum?: string;
}

export interface TrustedKey {
  readonly vkey: Vkey;
  readonly url?: string;
}

export interface Group {
  /** How many of the members it takes. */
  readonly threshold: number;
  /** Witnesses, and groups defined before this one. */
  readonly members: readonly string[];
}

/** @throws SpanledgerError `trust_invalid`, with the number of the line */
export function parseTrust(text: string): Trust {
  const reader = new TrustReader();
  for (const [i, line] of text.split('\n').entries()) reader.read(line, i + 1);
  return reader.end();
}

class TrustReader {
  readonly #logs: TrustedKey[] = [];
  readonly #witnesses = new Map<string, TrustedKey>();
  readonly #groups = new Map<string, Group>();
  /** The group that each name is a member of. */
  readonly #memberOf = new Map<string, string>();
  #quorum: string | undefined;
  #line = 0;

  read(line: string, number: number): void {
    this.#line = number;
    if (!line.isWellFormed() || /\p{Cc}/u.test(line.replaceAll('\t', '')))
      this.#refuse(
        'it holds a control character',
        'End lines with a line feed alone, and use tabs and spaces only.',
      );
    const [word, ...rest] = line.split(/[ \t]+/).filter((each) => each !== '');
    if (word === undefined || word.startsWith('#')) return;
    if (word === 'log') this.#log(rest);
    else if (word === 'witness') this.#witness(rest);
    else if (word === 'group') this.#group(rest);
    else if (word === 'quorum') this.#setQuorum(rest);
    else if (word.includes('+') && rest.length === 0) this.#log([word]);
    else
      this.#refuse(
        'it begins with an unknown word',
        'Lines begin with log, witness, group or quorum, or are a public key.',
      );
  }

  end(): Trust {
    this.#line += 1;
    if (this.#quorum === undefined && this.#witnesses.size > 0)
      this.#refuse('it ends without a quorum', 'Add a line: quorum NAME, or quorum none.');
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      ...(this.#quorum === undefined || this.#quorum === 'none' ? {} : { quorum: this.#quorum }),
    };
  }

  #log(words: readonly string[]): void {
    const key = this.#key(words, ED25519, 'log KEY [URL]');
    if (this.#logs.some((log) => sameKey(log, key)))
      this.#refuse('its public key is already that of another log', 'List each key once.');
    this.#logs.push(key);
  }

  #witness([name, ...words]: readonly string[]): void {
    this.#define(name, 'witness NAME KEY [URL]');
    const key = this.#key(words, COSIGNATURE, 'witness NAME KEY [URL]');
    for (const [other, each] of this.#witnesses)
      if (sameKey(each, key))
        this.#refuse(
          `its public key is already that of witness ${JSON.stringify(other)}`,
          'One witness under two names counts twice: remove one.',
        );
    this.#witnesses.set(name!, key);
  }

  #group([name, count, ...members]: readonly string[]): void {
    const form = 'group NAME all|any|NUMBER MEMBER…';
    this.#define(name, form);
    if (members.length === 0) this.#refuse('a group has no members', `Write: ${form}`);
    const threshold =
      count === 'all'
        ? members.length
        : count === 'any'
          ? 1
          : /^[1-9][0-9]{0,8}$/.test(count!)
            ? Number(count)
            : 0;
    if (threshold < 1 || threshold > members.length)
      this.#refuse(
        `a group of ${members.length} cannot ask for that many`,
        'Write all, any, or a number from 1 to that of its members.',
      );
    for (const member of members) {
      this.#known(member);
      const group = this.#memberOf.get(member);
      if (group !== undefined)
        this.#refuse(
          `${JSON.stringify(member)} is already a member of ${JSON.stringify(group)}`,
          'A name is a member once, so that no witness counts twice.',
        );
      this.#memberOf.set(member, name!);
    }
    this.#groups.set(name!, { threshold, members });
  }

  #setQuorum(words: readonly string[]): void {
    if (words.length !== 1) this.#refuse('a quorum is one name', 'Write: quorum NAME, or quorum none.');
    if (this.#quorum !== undefined) this.#refuse('there is a quorum already', 'Keep one line with quorum.');
    if (words[0] !== 'none') this.#known(words[0]!);
    this.#quorum = words[0];
  }

  #key(words: readonly string[], type: number, form: string): TrustedKey {
    const [text, url, ...more] = words;
    if (text === undefined || more.length > 0)
      this.#refuse('it has too few or too many words', `Write: ${form}`);
    const vkey = this.#vkey(text!);
    if (vkey.type !== type)
      this.#refuse(
        `the public key is of type ${vkey.type}, not ${type}`,
        'A log has a key of type 1, a witness one of type 4.',
      );
    return url === undefined ? { vkey } : { vkey, url };
  }

  #vkey(text: string): Vkey {
    try {
      return parseVkey(text);
    } catch (error) {
      if (!(error instanceof SpanledgerError)) throw error;
      return this.#refuse(error.message, error.hint ?? '');
    }
  }

  #define(name: string | undefined, form: string): void {
    if (name === undefined) this.#refuse('it has too few words', `Write: ${form}`);
    if (name === 'none') this.#refuse('"none" is the name of nothing', 'Choose another name.');
    if (this.#witnesses.has(name!) || this.#groups.has(name!))
      this.#refuse(
        `${JSON.stringify(name)} is defined twice`,
        'Witnesses and groups need names of their own.',
      );
  }

  #known(name: string): void {
    if (!this.#witnesses.has(name) && !this.#groups.has(name))
      this.#refuse(
        `${JSON.stringify(name)} is not defined above it`,
        'Define witnesses and groups on lines before the one that names them.',
      );
  }

  #refuse(what: string, hint: string): never {
    throw new SpanledgerError('trust_invalid', `line ${this.#line} of the trust file: ${what}`, { hint });
  }
}

/** A key under another name is the same key. */
function sameKey(a: TrustedKey, b: TrustedKey): boolean {
  return Buffer.compare(a.vkey.publicKey, b.vkey.publicKey) === 0;
}

/** All its keys, for `openCheckpoint`. */
export function trustedKeys({ logs, witnesses }: Trust): Vkey[] {
  return [...logs, ...witnesses.values()].map(({ vkey }) => vkey);
}

/** Whether those who signed well are as many of those witnesses as the quorum asks. */
export function quorumMet(trust: Trust, signers: Iterable<Vkey>): boolean {
  if (trust.quorum === undefined) return true;
  const signed = new Set(Array.from(signers, ({ text }) => text));
  // A group stands after its members: by its turn they are all decided.
  const met = new Set(
    [...trust.witnesses].filter(([, { vkey }]) => signed.has(vkey.text)).map(([name]) => name),
  );
  for (const [name, { threshold, members }] of trust.groups)
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
  return met.has(trust.quorum);
}
