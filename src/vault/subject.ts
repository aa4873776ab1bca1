import type { Keyring } from '../policy/keyring.ts';
import { DEFAULT_TENANT } from '../record/facts-of.ts';
import type { RecordDraft } from '../record/record.ts';
import { NOBODY } from './wrapped-key.ts';

/**
 * Whose data key seals what a record tells of: the person the data is about, else the user, else the conversation.
 * Without any, nobody's. One who is a user here and a subject there has one key for both.
 */
export function subjectOf(
  { resource, user, conversation_id, tenant = DEFAULT_TENANT }: RecordDraft,
  keyring: Pick<Keyring, 'pseudonym'>,
): string {
  if (resource?.subject !== undefined) return resource.subject;
  if (user?.id !== undefined) return keyring.pseudonym(tenant, 'subject', user.id);
  if (conversation_id !== undefined) return keyring.pseudonym(tenant, 'conversation', conversation_id);
  return NOBODY;
}
