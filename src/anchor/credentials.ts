import { readSecret } from '../config/master-keys.ts';
import { SpanledgerError } from '../errors.ts';
import type { Credentials } from './sigv4.ts';

type Environment = { readonly [name: string]: string | undefined };

const HINT = 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a `credentials_file`';

/**
 * The keys in the environment, by the names that AWS's tools read.
 *
 * @throws SpanledgerError `config_invalid`
 */
export function credentialsIn(env: Environment): Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = env;
  return credentialsOf(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, 'the environment');
}

/**
 * Those of one profile in a file as `aws configure` writes it, which only its owner may read.
 *
 * @throws SpanledgerError `config_invalid`; it quotes nothing of the file
 */
export function credentialsFrom(path: string, profile: string): Credentials {
  const text = readSecret(path, 'without it the bucket cannot be reached');
  const found = new Map<string, string>();
  let section: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    section = /^\s*\[\s*(.+?)\s*\]\s*$/.exec(line)?.[1] ?? section;
    const [, key, value] = /^\s*([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === profile && key !== undefined) found.set(key, value!);
  }
  const [id, secret, token] = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token'].map((key) =>
    found.get(key),
  );
  return credentialsOf(id, secret, token, `[${profile}] of ${path}`);
}

function credentialsOf(
  accessKeyId: string | undefined,
  secretAccessKey: string | undefined,
  sessionToken: string | undefined,
  where: string,
): Credentials {
  const has = (text: string | undefined): text is string => text !== undefined && text !== '';
  if (!has(accessKeyId) || !has(secretAccessKey))
    throw new SpanledgerError('config_invalid', `${where} has no keys of a bucket`, { hint: HINT });
  // A header that cannot be sent would be quoted, with what is in it, by whoever refuses it.
  for (const text of [accessKeyId, secretAccessKey, sessionToken ?? ''])
    if (!/^[\x21-\x7e]*$/.test(text))
      throw new SpanledgerError('config_invalid', `${where} has a key with other characters than keys have`, {
        hint: HINT,
      });
  return { accessKeyId, secretAccessKey, ...(has(sessionToken) ? { sessionToken } : {}) };
}
