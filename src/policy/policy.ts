import { BUILTIN_POLICY } from './builtin.ts';
import type { PolicyDocument } from './document.ts';
import { Keyring, type MasterKey, type MasterKeys } from './keyring.ts';
import { Redactor } from './redact.ts';
import { Registry } from './registry.ts';
import { Volatile } from './volatile.ts';

/** A policy ready for use. Everything in it is a pure function of the document and the master keys. */
export interface Policy {
  document: PolicyDocument;
  keyring: Keyring;
  redactor: Redactor;
  registry: Registry;
  volatile: Volatile;
  /** The same under each older live key alone, newest first: what it wrote before. */
  readonly older: readonly Policy[];
}

/** @param master one key, or all that are live, oldest first */
export function compilePolicy(
  master: MasterKey | MasterKeys,
  document: PolicyDocument = BUILTIN_POLICY,
): Policy {
  const keyring = new Keyring(master);
  let older: Policy[] | undefined;
  return {
    document,
    keyring,
    redactor: new Redactor(document, keyring),
    registry: new Registry(document),
    volatile: new Volatile(document.prompt),
    // Hardly ever asked for.
    get older() {
      older ??= ('id' in master ? [] : master.slice(0, -1))
        .map((key) => compilePolicy(key, document))
        .reverse();
      return older;
    },
  };
}
