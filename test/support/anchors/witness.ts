import { hash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cosign, openCheckpoint, parseSize, withSignatures } from '../../../src/chain/checkpoint.ts';
import { verifyConsistency } from '../../../src/chain/merkle.ts';
import { signatureLine } from '../../../src/chain/note.ts';
import { LocalSigner } from '../../../src/chain/signer.ts';
import { COSIGNATURE, parseVkey } from '../../../src/chain/vkey.ts';
import { temporaryFolder } from '../cli.ts';
import { type Said, serving } from './server.ts';

/** A witness to the letter of c2sp.org/tlog-witness: it checks proofs, and keeps on disk what it has seen. */
export class Witness {
  readonly name: string;
  readonly vkey: string;
  url = '';
  /** What a lying or broken witness does instead. */
  lies: (said: Said, body: string) => Said | 'never' = (said) => said;
  /** What it was asked first lines of. */
  readonly asked: string[] = [];
  readonly #signer: LocalSigner;
  readonly #logs: readonly string[];
  readonly #folder: string;

  private constructor(logs: readonly string[], name: string, seed: number, folder: string) {
    this.name = name;
    this.#signer = new LocalSigner(name, Buffer.alloc(32, seed), COSIGNATURE);
    this.vkey = this.#signer.vkey;
    this.#logs = logs;
    this.#folder = folder;
  }

  /** @param folder of a witness before it, to start it again */
  static async start(
    logs: readonly string[],
    { name = 'witness.example/w1', seed = 7, folder = temporaryFolder() } = {},
  ): Promise<Witness> {
    const witness = new Witness(logs, name, seed, folder);
    witness.url = await serving(async ({ method, url }, body) => {
      const text = body.toString();
      const said =
        method === 'POST' && url === '/add-checkpoint' ? await witness.#add(text) : witness.#seen(url!);
      return witness.lies(said, text);
    });
    return witness;
  }

  get folder(): string {
    return this.#folder;
  }

  #seen(url: string): Said {
    const file = join(this.#folder, /^\/([0-9a-f]{64})\/checkpoint$/.exec(url)?.[1] ?? 'none');
    return existsSync(file) ? { status: 200, body: readFileSync(file) } : { status: 404 };
  }

  async #add(body: string): Promise<Said> {
    this.asked.push(body.slice(0, body.indexOf('\n')));
    const [head, ...rest] = body.split('\n\n');
    const [first, ...proof] = head!.split('\n');
    const old = parseSize(/^old (.*)$/.exec(first!)?.[1] ?? '');
    if (old === undefined || proof.length > 63 || rest.length === 0) return { status: 400 };
    const note = rest.join('\n\n');
    const origin = note.slice(0, note.indexOf('\n'));
    const keys = this.#logs.map(parseVkey).filter(({ name }) => name === origin);
    if (keys.length === 0) return { status: 404 };
    let opened: ReturnType<typeof openCheckpoint>;
    try {
      opened = openCheckpoint(note, keys);
    } catch {
      return { status: 403 };
    }
    if (old > opened.size) return { status: 400 };
    const file = join(this.#folder, hash('sha256', origin));
    const before = existsSync(file)
      ? openCheckpoint(readFileSync(file), keys)
      : { size: 0n, root: hash('sha256', '') };
    if (before.size !== old)
      return { status: 409, headers: { 'content-type': 'text/x.tlog.size' }, body: `${before.size}\n` };
    if (before.size === opened.size && before.root !== opened.root) return { status: 422 };
    const claim = {
      size1: before.size,
      root1: before.root,
      size2: opened.size,
      root2: opened.root,
      proof: proof.map((each) => Buffer.from(each, 'base64').toString('hex')),
    };
    const isNew = before.size === 0n && proof.length === 0;
    if (!isNew && !verifyConsistency(claim)) return { status: 422 };
    const signature = await cosign(note, this.#signer, Math.floor(Date.now() / 1_000));
    writeFileSync(file, withSignatures(note, [signature]));
    return { status: 200, body: `${signatureLine(signature)}\n` };
  }
}
