import { LocalSigner, parsePrivateKey } from '../chain/signer.ts';
import { type Enrolment, enrolmentMessage, signStatementSync } from '../chain/statements.ts';
import { messageOf, SpanledgerError } from '../errors.ts';
import type { Environment } from './deployment.ts';

/** Signs that a chain is this ledger's: base64 of the signature. */
export type Enrol = (chain: Enrolment) => string;

/**
 * By the key in SPANLEDGER_ENROL_KEY, for a writer that ships to a database whose keeper knows neither its journal nor
 * a relay it comes through. Without one nothing is signed.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function enrolmentIn(env: Environment): { enrol?: Enrol } {
  const { SPANLEDGER_ENROL_KEY: text } = env;
  if (!text) return {};
  let signer: LocalSigner;
  try {
    const { name, seed } = parsePrivateKey(text.trim());
    signer = new LocalSigner(name, seed);
  } catch (cause) {
    throw new SpanledgerError('config_invalid', `SPANLEDGER_ENROL_KEY: ${messageOf(cause)}`, {
      cause,
      hint: "give the key whose vkey stands in the keeper's `keeper.writers`",
    });
  }
  return { enrol: (chain) => signStatementSync(enrolmentMessage(chain), signer) };
}
