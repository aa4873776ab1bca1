import { hash } from 'node:crypto';
import type { Right, TokenSettings } from '../../src/config/settings.ts';

/** A token that is its holder's name, as the settings know it. */
export function tokenOf(subject: string, rights: Right[], tenant?: string): TokenSettings {
  return { subject, sha256: hash('sha256', subject), rights, ...(tenant === undefined ? {} : { tenant }) };
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
