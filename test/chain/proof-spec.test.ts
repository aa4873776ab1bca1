import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkProof, type Step } from '../../src/chain/check-proof.ts';
import { parseTrust } from '../../src/chain/trust.ts';
import { temporaryFolder } from '../support/cli.ts';
import { FabricatedLedger } from '../support/proof-ledger.ts';

const SPEC = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
const start = SPEC.indexOf('\n## Proofs\n');
const SECTION = SPEC.slice(start, SPEC.indexOf('\n## ', start + 1));
const [signature, functions, round, record, payload] = [...SECTION.matchAll(/^```sh\n(.*?)^```$/gms)].map(
  (match) => match[1]!,
);
const CHAIN = 'a1'.repeat(16);

function byHand(proof: string, trust: string, commands = [signature, functions, round, record, payload]) {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'record.proof'), proof);
  writeFileSync(join(cwd, 'trust'), trust);
  const { status, stdout, stderr } = spawnSync('/bin/sh', {
    cwd,
    input: commands.join(''),
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function ledgerOf(size: number, other: number, rounds = 1): FabricatedLedger {
  const ledger = new FabricatedLedger();
  for (let i = 1; i < rounds; i++) ledger.round();
  ledger.fill(CHAIN, size);
  ledger.fill('b2'.repeat(16), other);
  ledger.round();
  ledger.checkpoint();
  return ledger;
}

describe('a proof by hand, as SPEC.md has it', () => {
  const ledger = ledgerOf(7, 3);
  const trust = ledger.trust();

  it('needs a shell, awk, sha256sum, base64, openssl, and what goes with them', () => {
    const commands = [signature, functions, round, record, payload].join('\n');
    const words = commands
      .replace(/'[^']*'/g, 'TEXT')
      .matchAll(/(?:^|\||\$\(|;|\{|then|else|do)[ \t]*([a-z0-9]+)\b(?!=|\(\))/gm);
    const programs = new Set([...words].map((match) => match[1]!));
    const shell = ['set', 'part', 'leaf', 'climb', 'while', 'if', 'else', 'fi', 'do', 'done', 'then', 'read'];
    for (const word of shell) programs.delete(word);
    expect([...programs].sort()).toEqual([
      'awk',
      'base64',
      'cut',
      'mv',
      'openssl',
      'printf',
      'sha256sum',
      'tail',
    ]);
  });

  it('shows the record of a file that `prove` writes', () => {
    const file = readFileSync(new URL('../golden/chain/record.proof', import.meta.url), 'utf8');
    const { status, stdout, stderr } = byHand(file, trust);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toBe(
      `Signature Verified Successfully\n${CHAIN}:4 stands in the ledger ${ledger.ledgerId}\n${ledger.chain(CHAIN)[4]!.payload}\n`,
    );
  });

  it('agrees with the command in every tree', () => {
    for (const [size, other, rounds, seq] of [
      [2, 2, 1, 0],
      [2, 2, 1, 1],
      [13, 2, 6, 12],
      [13, 2, 7, 8],
      [8, 5, 4, 5],
      [33, 2, 3, 32],
    ] as const) {
      const each = ledgerOf(size, other, rounds);
      const file = each.proof(CHAIN, seq, { payload: false });
      const { status, stdout } = byHand(file, trust, [signature, functions, round, record]);
      expect(stdout).toContain(`${CHAIN}:${seq} stands in the ledger`);
      expect(status).toBe(0);
    }
  });

  it('breaks where the command refuses', () => {
    const file = ledger.proof(CHAIN, 4);
    const [hash] = /^[A-Za-z0-9+/]{43}=$/m.exec(file)!;
    const last = file.slice(file.indexOf('c2sp.org')).match(/^[A-Za-z0-9+/]{43}=$/m)![0];
    const another = `${'A'.repeat(43)}=`;
    const broken: [Step, string, string][] = [
      ['checkpoint', '\nledger.example/test\n2\n', '\nledger.example/test\n3\n'],
      ['ledger', last, another],
      ['round', '"size":7', '"size":8'],
      ['chain', hash, another],
      ['chain', `\n${CHAIN}\n4\n`, `\n${CHAIN}\n5\n`],
      ['payload', '"café":"open"', '"café":"shut"'],
    ];
    for (const [step, from, to] of broken) {
      const other = file.replace(from, to);
      expect(other).not.toBe(file);
      expect(checkProof(other, parseTrust(trust))).toMatchObject({ status: 'refused', step });
      expect(byHand(other, trust).status, step).not.toBe(0);
    }
    const thief = new FabricatedLedger({ seed: 9 }).trust();
    expect(byHand(file, thief).status).not.toBe(0);
  });

  it('has the steps that the command names', () => {
    const steps: Step[] = ['form', 'checkpoint', 'ledger', 'witnesses', 'round', 'chain', 'payload'];
    expect([...SECTION.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1])).toEqual(steps);
  });
});
