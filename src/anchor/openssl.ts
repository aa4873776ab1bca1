import { execFile } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type TokenCheck =
  | { status: 'verified' }
  | { status: 'bad'; why: string }
  /** Nobody looked: that is no answer, and never a good one. */
  | { status: 'unchecked'; why: string };

export interface Token {
  /** DER. */
  token: Uint8Array;
  /** SHA-256, hex. */
  imprint: string;
  /** RFC 3339: when the certificates must have been valid, not now. */
  genTime: string;
}

const TIME_LIMIT_MS = 10_000;

/**
 * Has OpenSSL verify a TimeStampToken: its signature, the one critical purpose `timeStamping`, ESSCertID, and the chain
 * to a root in the file `ca`, and to no other, at the time of the token. Revocation is not asked for.
 *
 * @param command @default openssl
 */
export async function verifyToken(
  { token, imprint, genTime }: Token,
  ca: string,
  command = 'openssl',
): Promise<TokenCheck> {
  const folder = await mkdtemp(join(tmpdir(), 'spanledger-tsa-'));
  try {
    // Without it OpenSSL says that the token is bad.
    await access(ca);
    const file = join(folder, 'token.der');
    await writeFile(file, token, { mode: 0o600 });
    const at = String(Math.floor(Date.parse(genTime) / 1_000));
    const args = [
      'ts',
      '-verify',
      '-digest',
      imprint,
      '-in',
      file,
      '-token_in',
      '-CAfile',
      ca,
      '-attime',
      at,
    ];
    return await run(command, args);
  } catch (error) {
    return { status: 'unchecked', why: (error as Error).message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[]): Promise<TokenCheck> {
  // Of our environment only where to find it: no other configuration, and no secrets.
  const env = { PATH: process.env.PATH, SYSTEMROOT: process.env.SYSTEMROOT };
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { env, timeout: TIME_LIMIT_MS, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null && stdout.includes('Verification: OK')) return resolve({ status: 'verified' });
        if (stdout.includes('Verification: FAILED')) return resolve({ status: 'bad', why: reasonIn(stderr) });
        if (error?.code === 'ENOENT')
          return resolve({ status: 'unchecked', why: `${command} is not installed` });
        resolve({ status: 'unchecked', why: `${command} ts -verify: ${reasonIn(stderr) || error?.message}` });
      },
    );
  });
}

/** `…:error:17800066:time stamp routines:ts_verify_cert:certificate verify error:ts_rsp_verify.c:190:Verify error:…` */
function reasonIn(stderr: string): string {
  const line = stderr.split('\n').findLast((each) => each.includes(':error:')) ?? stderr.trim();
  const [, reason = line, detail = ''] = /:error:[^:]*:[^:]*:[^:]*:([^:]*):[^:]*:\d+:(.*)$/.exec(line) ?? [];
  return (detail === '' ? reason : `${reason} (${detail})`).slice(0, 200);
}
