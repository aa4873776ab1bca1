import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { credentialsFrom, credentialsIn } from '../../src/anchor/credentials.ts';
import { temporaryFolder } from '../support/cli.ts';

const FILE = `# keys
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key=a/secret+with=signs==
[ other ]\r
  aws_access_key_id=AKIAOTHER\r
aws_secret_access_key = s\r
aws_session_token = t\r
[half]
aws_access_key_id = AKIAHALF
aws_secret_access_key =
`;

function file(text = FILE, mode = 0o600): string {
  const path = join(temporaryFolder(), 'credentials');
  writeFileSync(path, text, { mode });
  return path;
}

describe('the keys of a bucket', () => {
  it('are those of the environment', () => {
    const env = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'S' };
    expect(credentialsIn(env)).toEqual({ accessKeyId: 'A', secretAccessKey: 'S' });
    expect(credentialsIn({ ...env, AWS_SESSION_TOKEN: 'T' })).toMatchObject({ sessionToken: 'T' });
    expect(() => credentialsIn({ ...env, AWS_SECRET_ACCESS_KEY: '' })).toThrow('the environment has no keys');
  });

  it('are those of a profile in a file', () => {
    const path = file();
    const secretAccessKey = 'a/secret+with=signs==';
    expect(credentialsFrom(path, 'default')).toEqual({ accessKeyId: 'AKIADEFAULT', secretAccessKey });
    expect(credentialsFrom(path, 'other')).toEqual({
      accessKeyId: 'AKIAOTHER',
      secretAccessKey: 's',
      sessionToken: 't',
    });
    for (const profile of ['half', 'none'])
      expect(() => credentialsFrom(path, profile)).toThrow(`[${profile}] of ${path} has no keys`);
  });

  it.skipIf(process.platform === 'win32')('stand in a file that only its owner reads', () => {
    expect(() => credentialsFrom(file(FILE, 0o644), 'default')).toThrow('can be read by others');
    expect(() => credentialsFrom('/nowhere', 'default')).toThrow('ENOENT');
  });

  it('are quoted by no error', () => {
    const secret = 'a\u00e9secret';
    const path = file(`[default]\naws_access_key_id = A\naws_secret_access_key = ${secret}\n`);
    for (const read of [
      () => credentialsFrom(path, 'default'),
      () => credentialsIn({ AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'line\nfeed' }),
    ]) {
      expect(read).toThrow('other characters');
      expect(read).not.toThrow(/secret$|feed/);
    }
  });
});
