import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicKeyOf } from '../../src/chain/signer.ts';
import { parseTrust, quorumMet, trustedKeys } from '../../src/chain/trust.ts';
import { type KeyType, type Vkey, vkeyOf } from '../../src/chain/vkey.ts';
import { SpanledgerError } from '../../src/errors.ts';

const key = (name: string, seed: number, type: KeyType): Vkey =>
  vkeyOf(name, type, publicKeyOf(Buffer.alloc(32, seed)));
const log = (seed = 1) => key(`log.example/${seed}`, seed, 0x01);
const witness = (seed: number) => key(`witness.example/${seed}`, seed, 0x04);
const NAMES = ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3'];
const WITNESSES = NAMES.map((name, i) => `witness ${name} ${witness(i + 10).text}`);

/** As in the specification. */
const POLICY = `# who
log ${log().text} https://log.example/

${WITNESSES.slice(0, 3).join('\n')}
group X-witnesses 2 X1 X2 X3
\t${WITNESSES.slice(3).join('\n  ')}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum\tX-and-Y
`;

function refusal(text: string): SpanledgerError | undefined {
  try {
    parseTrust(text);
    return undefined;
  } catch (error) {
    if (error instanceof SpanledgerError) return error;
    throw error;
  }
}

describe('a trust file', () => {
  it('says which logs, which witnesses, and how many of them', () => {
    const trust = parseTrust(POLICY);
    expect(trust.logs).toEqual([{ vkey: log(), url: 'https://log.example/' }]);
    expect([...trust.witnesses.keys()]).toEqual(NAMES);
    expect(trust.groups.get('X-witnesses')).toEqual({ threshold: 2, members: ['X1', 'X2', 'X3'] });
    expect(trust.quorum).toBe('X-and-Y');
    expect(trustedKeys(trust)).toHaveLength(7);
  });

  it('asks for two of three and one of three, where it says so', () => {
    const trust = parseTrust(POLICY);
    const subsets = fc.subarray(NAMES.map((_, i) => i));
    fc.assert(
      fc.property(subsets, (signed) => {
        const enough = signed.filter((i) => i < 3).length >= 2 && signed.some((i) => i >= 3);
        expect(
          quorumMet(
            trust,
            signed.map((i) => witness(i + 10)),
          ),
        ).toBe(enough);
      }),
    );
    // Neither one witness many times, nor the log, nor a witness's key under another name counts.
    expect(quorumMet(trust, [witness(10), witness(10), log(), witness(13)])).toBe(false);
    expect(quorumMet(trust, [witness(10), key('other', 11, 0x04), witness(13)])).toBe(false);
  });

  it('may ask for one witness, or for none', () => {
    const one = parseTrust(`${WITNESSES[0]}\nquorum X1`);
    expect(quorumMet(one, [])).toBe(false);
    expect(quorumMet(one, [witness(10)])).toBe(true);
    expect(quorumMet(parseTrust(`${WITNESSES[0]}\nquorum none\n`), [])).toBe(true);
    expect(quorumMet(parseTrust(log().text), [])).toBe(true);
  });

  it('may be one public key a line', () => {
    const trust = parseTrust(`${log(1).text}\n# another\n  ${log(2).text}\n`);
    expect(trust.logs).toEqual([{ vkey: log(1) }, { vkey: log(2) }]);
  });

  const W = WITNESSES.slice(0, 3).join('\n');
  it.each([
    ['an unknown word', `${log().text}\nmonitor x`, 2, 'unknown word'],
    ['a name twice', `${WITNESSES[0]}\nwitness X1 ${witness(20).text}`, 2, 'defined twice'],
    ['a group called as a witness', `${W}\ngroup X1 any X2`, 4, 'defined twice'],
    ['one key under two witness names', `${WITNESSES[0]}\nwitness B ${witness(10).text}`, 2, 'witness "X1"'],
    [
      'one key under two key names',
      `${WITNESSES[0]}\nwitness B ${key('b', 10, 0x04).text}`,
      2,
      'witness "X1"',
    ],
    ['a log twice', `${log().text}\n\nlog ${log().text}`, 3, 'another log'],
    ['an undefined member', `${W}\ngroup g any X1 X9`, 4, '"X9" is not defined'],
    ['a group in itself', `${W}\ngroup g any g`, 4, '"g" is not defined'],
    ['a cycle', `${W}\ngroup g any h\ngroup h any g`, 4, '"h" is not defined'],
    ['a member of two groups', `${W}\ngroup g any X1\ngroup h any X1`, 5, 'member of "g"'],
    ['a member twice', `${W}\ngroup g 2 X1 X1`, 4, 'member of "g"'],
    ['none as a member', `${W}\ngroup g any none`, 4, 'not defined'],
    ['none as a name', `witness none ${witness(10).text}`, 1, 'name of nothing'],
    ['too many asked for', `${W}\ngroup g 4 X1 X2 X3`, 4, 'cannot ask'],
    ['none asked for', `${W}\ngroup g 0 X1`, 4, 'cannot ask'],
    ['a leading zero', `${W}\ngroup g 01 X1`, 4, 'cannot ask'],
    ['no members', `${W}\ngroup g all`, 4, 'no members'],
    ['a group without words', `${W}\ngroup`, 4, 'too few words'],
    ['an undefined quorum', `${W}\nquorum X9`, 4, '"X9" is not defined'],
    ['a quorum before what it names', `quorum X1\n${W}`, 1, '"X1" is not defined'],
    ['two quorums', `${W}\nquorum X1\nquorum none`, 5, 'quorum already'],
    ['a quorum of two names', `${W}\nquorum X1 X2`, 4, 'one name'],
    ['no quorum', W, 4, 'without a quorum'],
    ["a witness's key for a log", `log ${witness(10).text}`, 1, 'of type 4, not 1'],
    ["a log's key for a witness", `witness a ${log().text}`, 1, 'of type 1, not 4'],
    ['a key with another id', `log ${log().text.replace(/\+.{8}\+/, '+00000000+')}`, 1, 'has the id'],
    ['a word too many', `log ${log().text} https://a b`, 1, 'too many words'],
    ['a log without a key', 'log', 1, 'too few'],
    ['a carriage return', `${log().text}\r\n`, 1, 'control character'],
  ])('with %s is refused, with its line and a remedy', (_, text, line, what) => {
    const error = refusal(text);
    expect(error).toMatchObject({ code: 'trust_invalid', exitCode: 2 });
    expect(error!.message).toContain(`line ${line} of`);
    expect(error!.message).toContain(what);
    expect(error!.hint).toBeTruthy();
  });

  it('that is garbage is refused, with a code', () => {
    const words = fc.constantFrom(
      'log',
      'witness',
      'group',
      'quorum',
      'none',
      'a',
      'b',
      '2',
      'all',
      ' ',
      '\n',
      '#',
      '\0',
      witness(10).text,
      log().text,
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(words, { maxLength: 20 }).map((all) => all.join(' ')),
        ),
        (any) => {
          expect([undefined, 'trust_invalid']).toContain(refusal(any)?.code);
        },
      ),
    );
  });
});
