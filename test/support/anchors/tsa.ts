import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../cli.ts';
import { serving } from './server.ts';

/** Why there is no authority here, or undefined. */
export function opensslMissing(): string | undefined {
  try {
    execFileSync('openssl', ['ts', '-help'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'openssl is not installed';
  }
}

const CONFIGURATION = (folder: string) => `
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[stamping]
basicConstraints = critical,CA:false
extendedKeyUsage = critical,timeStamping
[serving]
basicConstraints = critical,CA:false
extendedKeyUsage = critical,serverAuth
[issuer]
new_certs_dir = ${folder}
database = ${folder}/index
serial = ${folder}/certificates
default_md = sha256
policy = anybody
unique_subject = no
[anybody]
commonName = supplied
[tsa]
serial = ${folder}/serial
digests = sha256, sha512
default_policy = 1.3.6.1.4.1.13762.3
accuracy = secs:1
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
ess_cert_id_alg = sha256
signer_digest = sha256
`;

/** A timestamp authority that OpenSSL plays: a root, a certificate, and replies to whatever it is asked. */
export class Tsa {
  readonly folder = temporaryFolder();
  readonly ca = join(this.folder, 'ca.pem');

  /** @param until when its certificate ends, `YYYYMMDDhhmmssZ` */
  constructor(purpose: 'stamping' | 'serving' = 'stamping', until = '21260101000000Z') {
    writeFileSync(this.#path('config'), CONFIGURATION(this.folder));
    writeFileSync(this.#path('index'), '');
    writeFileSync(this.#path('serial'), '2F');
    writeFileSync(this.#path('certificates'), '01');
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-config', '/dev/null'];
    const root = ['-x509', '-subj', '/CN=test root', '-days', '36500', '-keyout', this.#path('ca.key')];
    const constraints = [
      '-addext',
      'basicConstraints=critical,CA:true',
      '-addext',
      'keyUsage=critical,keyCertSign',
    ];
    this.#openssl('req', ...key, ...root, ...constraints, '-out', this.ca);
    const subject = ['-subj', '/CN=test authority', '-keyout', this.#path('tsa.key')];
    this.#openssl('req', '-new', ...key, ...subject, '-out', this.#path('tsa.csr'));
    const issue = [
      '-config',
      this.#path('config'),
      '-name',
      'issuer',
      '-extensions',
      purpose,
      '-batch',
      '-notext',
    ];
    const issuer = ['-cert', this.ca, '-keyfile', this.#path('ca.key'), '-enddate', until];
    this.#openssl('ca', ...issue, ...issuer, '-in', this.#path('tsa.csr'), '-out', this.#path('tsa.pem'));
  }

  /** A TimeStampResp to a TimeStampReq. */
  reply(query: Uint8Array): Buffer<ArrayBufferLike> {
    writeFileSync(this.#path('query.tsq'), query);
    const signer = ['-signer', this.#path('tsa.pem'), '-inkey', this.#path('tsa.key'), '-chain', this.ca];
    const files = ['-queryfile', this.#path('query.tsq'), '-out', this.#path('reply.tsr')];
    this.#openssl('ts', '-reply', '-config', this.#path('config'), '-section', 'tsa', ...signer, ...files);
    return readFileSync(this.#path('reply.tsr'));
  }

  /** The URL at which it stamps, or `lies`. */
  serve(lies: (reply: Buffer) => Buffer = (reply) => reply): Promise<string> {
    return serving((request, body) => {
      if (request.headers['content-type'] !== 'application/timestamp-query') return { status: 415 };
      const reply = lies(this.reply(body));
      return { status: 200, headers: { 'content-type': 'application/timestamp-reply' }, body: reply };
    });
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
