import { BUILTIN_POLICY } from './builtin.ts';
import type { PolicyDocument } from './document.ts';
import { Keyring, type MasterKey } from './keyring.ts';
import { Redactor } from './redact.ts';
import { Registry } from './registry.ts';

/** A policy ready for use. Everything in it is a pure function of the document and the master key. */
export interface Policy {
  document: PolicyDocument;
  keyring: Keyring;
  redactor: Redactor;
  registry: Registry;
}

export function compilePolicy(master: MasterKey, document: PolicyDocument = BUILTIN_POLICY): Policy {
  const keyring = new Keyring(master);
  return { document, keyring, redactor: new Redactor(document, keyring), registry: new Registry(document) };
}
