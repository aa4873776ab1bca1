import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Right, TokenSettings } from '../config/settings.ts';
import { RIGHTS } from '../config/settings.ts';
import { Refusal } from './answers.ts';

/** Who asks, and what they may. */
export interface Grant {
  subject: string;
  /** Whose records they send and see; absent for whoever may send for any. */
  tenant?: string;
  rights: ReadonlySet<Right>;
}

/** This machine alone is heard, and nobody made tokens: whoever can reach the port may. */
const ANYONE_HERE: Grant = { subject: 'local', rights: new Set(RIGHTS) };

/** A new token: 32 random bytes, base64url. Only its digest is ever written down. */
export function newToken(): { token: string; sha256: string } {
  const token = randomBytes(32).toString('base64url');
  return { token, sha256: hash('sha256', token) };
}

/** Bearer tokens (RFC 6750), known by their SHA-256. */
export class Tokens {
  #known: { digest: Buffer; grant: Grant }[] = [];

  constructor(settings: readonly TokenSettings[]) {
    this.replace(settings);
  }

  /** From now on these alone are known. */
  replace(settings: readonly TokenSettings[]): void {
    this.#known = settings.map(({ subject, sha256, tenant, rights }) => ({
      digest: Buffer.from(sha256, 'hex'),
      grant: { subject, ...(tenant === undefined ? {} : { tenant }), rights: new Set(rights) },
    }));
  }

  /** Without any, nobody is asked for one. */
  get areAsked(): boolean {
    return this.#known.length > 0;
  }

  /**
   * Whose token an `Authorization` header holds. Every known token is compared with, whichever it is, so that
   * the time taken tells nothing.
   */
  find(authorization: string | undefined): Grant | undefined {
    if (!this.areAsked) return ANYONE_HERE;
    const [, token = ''] = /^Bearer +([\w\-.~+/]+=*)$/i.exec(authorization ?? '') ?? [];
    const digest = Buffer.from(hash('sha256', token), 'hex');
    let found: Grant | undefined;
    for (const each of this.#known) if (timingSafeEqual(each.digest, digest)) found = each.grant;
    return found;
  }
}

/** @throws Refusal 401 without a known token, 403 with one that has not the right. */
export function granted(grant: Grant | undefined, ...rights: readonly Right[]): Grant {
  if (grant === undefined)
    throw new Refusal(401, 'a known token is needed: Authorization: Bearer …', {
      'www-authenticate': 'Bearer',
    });
  if (rights.length > 0 && !grant.rights.has('admin') && !rights.some((right) => grant.rights.has(right)))
    throw new Refusal(403, `the token has not the right: ${rights.join(' or ')}`);
  return grant;
}
