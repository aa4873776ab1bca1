import type { PolicyDocument } from './document.ts';

/** Made of whatever the policy says: whom a resource is about, ids that may not stay, names by what they lie in. */
const OF_ANY_POLICY = ['subject', 'id', 'patient_name'];

/** The kinds of pseudonyms that records under the policy may hold. */
export function pseudonymKinds({ pseudonyms, tools }: PolicyDocument): string[] {
  const ofTools = tools.flatMap((rule) => Object.values(rule.pseudonyms ?? {}));
  return [...new Set([...OF_ANY_POLICY, ...Object.keys(pseudonyms), ...ofTools])];
}
