import { isIPv4 } from 'node:net';
import { z } from 'zod';
import { COSIGNATURE, parseVkey } from '../chain/vkey.ts';
import { messageOf } from '../errors.ts';

/** Its name in receipts, for good: a renamed anchor is another one. */
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'write it as archive-1: a-z, 0-9, . _ -');
const file = z.string().min(1);

/** Beyond this machine nobody on the way may read or change it. */
function isSafe(url: string, insecure: boolean): boolean {
  if (!URL.canParse(url)) return true;
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const isHere = host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
  return insecure || isHere || protocol === 'https:';
}

const url = z
  .url({ protocol: /^https?$/, error: 'write it as https://host' })
  .refine((text) => isBare(text), 'it takes no user, password, ? or #');

/** What stands in it would stand in error messages too. */
function isBare(text: string): boolean {
  if (!URL.canParse(text)) return true;
  const { username, password } = new URL(text);
  return username === '' && password === '' && !/[?#]/.test(text);
}

const endpoint = url.refine(
  (text) => !URL.canParse(text) || new URL(text).pathname === '/',
  'it takes no path: the bucket and the prefix have settings of their own',
);

const NOT_SAFE = 'beyond this machine it takes https, or `insecure: true`';

const directory = z.strictObject({
  kind: z.literal('directory'),
  name,
  /** A folder that is there: a WORM mount, a Git work tree. A relative path is from the folder of this file. */
  path: file,
});

const s3 = z
  .strictObject({
    kind: z.literal('s3'),
    name,
    endpoint,
    bucket: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/, 'it is no name of a bucket'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9._/-]*$/, 'it takes a-z, A-Z, 0-9, . _ / -')
      .default(''),
    region: z.string().min(1).default('us-east-1'),
    path_style: z.boolean().default(true),
    /** Object Lock. COMPLIANCE: nobody lifts it. Without it whoever has the bucket can take the checkpoints away. */
    lock: z
      .strictObject({ mode: z.enum(['COMPLIANCE', 'GOVERNANCE']), days: z.int().min(1).max(36_500) })
      .optional(),
    /** As AWS tools keep them, mode 0600. Without it AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
    credentials_file: file.optional(),
    profile: z.string().min(1).default('default'),
    insecure: z.boolean().default(false),
  })
  .refine((each) => isSafe(each.endpoint, each.insecure), { path: ['endpoint'], error: NOT_SAFE });

const tsa = z
  .strictObject({
    kind: z.literal('tsa'),
    name,
    url,
    /** PEM: the roots believed for it, and no others. */
    ca: file,
    /** Its tokens are signed: on the way they can be lost, but not forged. */
    insecure: z.boolean().default(false),
  })
  .refine((each) => isSafe(each.url, each.insecure), { path: ['url'], error: NOT_SAFE });

const witness = z
  .strictObject({
    kind: z.literal('witness'),
    name,
    url,
    /** The public key it cosigns with. */
    vkey: z.string().superRefine((text, context) => {
      const wrong = wrongWith(text);
      if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong });
    }),
    /** Where the newest checkpoint it has seen can be read. */
    monitor: url.optional(),
    insecure: z.boolean().default(false),
  })
  .refine((each) => isSafe(each.url, each.insecure), { path: ['url'], error: NOT_SAFE })
  .refine(({ monitor, insecure }) => monitor === undefined || isSafe(monitor, insecure), {
    path: ['monitor'],
    error: NOT_SAFE,
  });

function wrongWith(vkey: string): string | undefined {
  try {
    return parseVkey(vkey).type === COSIGNATURE
      ? undefined
      : 'it is no key of a witness: those are of type 4';
  } catch (error) {
    return messageOf(error);
  }
}

/** Who keeps the ledger's checkpoints where its operator cannot change them. */
export const anchors = z
  .array(z.discriminatedUnion('kind', [directory, s3, tsa, witness]))
  .superRefine((all, context) => {
    for (const [i, each] of all.entries()) {
      const before = all.slice(0, i);
      if (before.some((other) => other.name === each.name))
        context.addIssue({ code: 'custom', path: [i, 'name'], message: 'another anchor has this name' });
      const twin = each.kind === 'witness' && before.find((other) => hasKeyOf(other, each.vkey));
      if (twin)
        context.addIssue({
          code: 'custom',
          path: [i, 'vkey'],
          message: `its public key is already that of ${twin.name}: one witness under two names counts twice`,
        });
    }
  })
  .default([]);

export type AnchorSettings = z.output<typeof anchors>[number];

function hasKeyOf(other: AnchorSettings, vkey: string): boolean {
  if (other.kind !== 'witness' || wrongWith(other.vkey) !== undefined || wrongWith(vkey) !== undefined)
    return false;
  return Buffer.compare(parseVkey(other.vkey).publicKey, parseVkey(vkey).publicKey) === 0;
}

/** Paths begin at the settings' folder: those are answered by `from`. */
export function placed(settings: AnchorSettings, from: (path: string) => string): AnchorSettings {
  if (settings.kind === 'directory') return { ...settings, path: from(settings.path) };
  if (settings.kind === 'tsa') return { ...settings, ca: from(settings.ca) };
  if (settings.kind === 's3' && settings.credentials_file !== undefined)
    return { ...settings, credentials_file: from(settings.credentials_file) };
  return settings;
}
