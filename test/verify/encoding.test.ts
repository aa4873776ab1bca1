import { describe, expect, it } from 'vitest';
import { sealChain } from '../support/ledger-kit.ts';
import { twoChains } from '../support/two-chains.ts';

/* ATTACKS.md, "Encoding and hash": payloads are whatever bytes, their hashes fit. */

const ledger = twoChains();
const plain = '{"retention_class":"ledger"}';
const says = (member: string) => `{${member},"retention_class":"ledger"}`;

describe('70 a payload that is not canonical', () => {
  it.each<[what: string, payload: string | Buffer]>([
    ['a key twice', '{"a":1,"a":1,"retention_class":"ledger"}'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2,"retention_class":"ledger"}'],
    ['keys out of order', '{"retention_class":"ledger","a":1}'],
    ['keys in order of UTF-8, not UTF-16', '{"retention_class":"ledger","\ufb33":1,"😀":2}'],
    ['-0', says('"a":-0')],
    ['1.0', says('"a":1.0')],
    ['1e2', says('"a":1e2')],
    ['1E400', says('"a":1e400')],
    ['a leading zero', says('"a":01')],
    ['a plus', says('"a":+1')],
    ['beyond 2^53', says('"a":9007199254740993')],
    ['too many digits', says('"a":0.1000000000000000055')],
    ['NaN', says('"a":NaN')],
    ['Infinity', says('"a":Infinity')],
    ['white space', `${plain} `],
    ['a line feed', `${plain}\n`],
    ['a byte order mark', `\ufeff${plain}`],
    ['a needless escape', says('"a":"\\u0041"')],
    ['an escaped slash', says('"a":"\\/"')],
    ['upper-case hex in an escape', says('"a":"\\u001F"')],
    ['a long escape for a short one', says('"a":"\\u000a"')],
    ['an escaped character beyond ASCII', says('"a":"\\u00e9"')],
    ['a lone surrogate, escaped', says('"a":"\\ud800"')],
    ['a pair, escaped', says('"a":"\\ud83d\\ude00"')],
    ['a raw control character', says('"a":"\u0001"')],
    ['a raw tab', says('"a":"\t"')],
    [
      'CESU-8',
      Buffer.concat([
        Buffer.from('{"a":"'),
        Buffer.from('eda0bdedb880', 'hex'),
        Buffer.from('","retention_class":"ledger"}'),
      ]),
    ],
    [
      'a surrogate’s bytes',
      Buffer.concat([
        Buffer.from('{"a":"'),
        Buffer.from('eda080', 'hex'),
        Buffer.from('","retention_class":"ledger"}'),
      ]),
    ],
    [
      'an overlong form',
      Buffer.concat([
        Buffer.from('{"a":"'),
        Buffer.from('c0af', 'hex'),
        Buffer.from('","retention_class":"ledger"}'),
      ]),
    ],
    [
      'beyond U+10FFFF',
      Buffer.concat([
        Buffer.from('{"a":"'),
        Buffer.from('f4908080', 'hex'),
        Buffer.from('","retention_class":"ledger"}'),
      ]),
    ],
    ['Latin-1', Buffer.from(says('"a":"é"'), 'latin1')],
    ['cut within a character', Buffer.concat([Buffer.from(plain), Buffer.from('e2', 'hex')])],
    ['UTF-16', Buffer.from(plain, 'utf16le')],
    ['a comment', `${plain}//`],
    ['a trailing comma', '{"retention_class":"ledger",}'],
    ['single quotes', "{'retention_class':'ledger'}"],
    ['two values', `${plain}${plain}`],
    ['nothing', ''],
    ['nested too deep', `${'['.repeat(33)}${']'.repeat(33)}`],
    ['nested far too deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ])('%s', async (_, payload) => {
    await ledger.put(sealChain<string | Buffer>('chain', [plain, payload, plain]));
    const found = (await ledger.findings()).filter((each) => !each.startsWith('derived_mismatch'));
    expect(found).toEqual(['payload_not_canonical chain:1']);
  });

  it.each([
    ['escapes that are needed', says(String.raw`"a":"\b\t\n\f\r\"\\\u0000\u001f"`)],
    ['what needs none', says('"a":"/\u007f\u0080\u2028\u2029\ufeff\ufffd\uffff😀"')],
    ['numbers', says('"a":[0,1,-1,0.1,1e+21,1e-7,9007199254740991,5e-324,1.7976931348623157e+308]')],
    ['every kind of value', says('"a":[[],{},"",true,false,null]')],
  ])('%s is canonical', async (_, payload) => {
    await ledger.put(sealChain<string | Buffer>('chain', [plain, payload, plain]));
    expect(await ledger.findings()).toEqual([]);
  });

  it('is found wherever it stands, and every one', async () => {
    const bad = `${plain} `;
    await ledger.put(sealChain('chain', [bad, plain, bad, bad, plain, bad]));
    const places = (await ledger.findings()).filter((each) => each.startsWith('payload_not_canonical'));
    expect(places).toEqual([0, 2, 3, 5].map((seq) => `payload_not_canonical chain:${seq}`));
  });
});

describe('71 bytes that move from one field of an entry to the next', () => {
  const [record] = sealChain('chain', [plain], 23n);
  const { expiresAt } = record!;

  // Without an end to each field, these would be the same bytes.
  it.each([
    ['from seq to chain', { chainId: 'chain2', seq: 3n }],
    ['from chain to seq', { chainId: 'chai', seq: 23n }],
    [
      'from expiry to seq',
      { seq: BigInt(`23${String(expiresAt)[0]}`), expiresAt: Number(String(expiresAt).slice(1)) },
    ],
    ['from seq to expiry', { seq: 2n, expiresAt: Number(`3${expiresAt}`.slice(0, 10)) }],
  ])('%s', async (_, change) => {
    const whole = sealChain('chain', Array(24).fill(plain));
    const last = { ...whole[23]!, ...change };
    await ledger.put([...whole.slice(0, 23), last]);
    expect((await ledger.verify()).status).toBe('tampered');
  });

  it('a line feed in a chain’s name makes no other entry of it', async () => {
    const [one] = sealChain('chain', [plain]);
    await ledger.put([{ ...one!, chainId: 'chain\n0' }]);
    expect((await ledger.verify()).findings).toMatchObject([
      { code: 'record_mismatch', chain_id: 'chain\n0', seq: 0 },
    ]);
  });
});

describe('77 places beyond what a number holds', () => {
  const far = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];

  it.each(far)('%s: the gap before it is told to the last digit', async (seq) => {
    const chain = sealChain('chain', [plain, plain]);
    await ledger.put([...chain, { ...sealChain('chain', [plain], seq)[0]! }]);
    const result = await ledger.verify();
    const exact = (place: bigint) => (place <= 2n ** 53n - 1n ? Number(place) : place.toString());
    expect(result.findings).toMatchObject([{ code: 'seq_gap', seq: 2, to: exact(seq - 1n) }]);
    expect(result.chains.find(({ chain_id }) => chain_id === 'chain')).toMatchObject({
      size: exact(seq + 1n),
    });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('neighbours there are told apart, and linked', async () => {
    const last = 2n ** 64n - 1n;
    const rows = sealChain('chain', [plain, plain, plain, plain], last - 3n);
    await ledger.put(rows);
    expect(await ledger.findings()).toEqual([`genesis_missing chain:0-${last - 4n}`]);
    await ledger.remove(`chain_id = 'chain' AND seq = ${last - 1n}`);
    expect(await ledger.findings()).toEqual([
      `genesis_missing chain:0-${last - 4n}`,
      `seq_gap chain:${last - 1n}`,
    ]);
    await ledger.update(`payload = concat(payload, ' ')`, `chain_id = 'chain' AND seq = ${last - 2n}`);
    expect(await ledger.findings()).toContain(`record_mismatch chain:${last - 2n}`);
  });

  it('a seq is hashed as it is written, without leading zeros', async () => {
    const padded = (text: string) => text.replace(/\n(\d+)\n(\d+)\n/, '\n0$1\n$2\n');
    await ledger.reseal(
      ledger.ids.A!,
      () => ({}),
      (entry) => ledger.hashOfText(entry, padded),
    );
    expect((await ledger.findings()).every((each) => each.startsWith('record_mismatch A:'))).toBe(true);
    expect(await ledger.findings()).toHaveLength(11);
  });
});

describe('76 names outside their alphabet', () => {
  it.each<[what: string, chainId: string | Buffer]>([
    ['bytes that are no text', Buffer.from('ff', 'hex')],
    ['bytes that are no text, after text', Buffer.from('636861696eff', 'hex')],
    ['nothing', ''],
    ['a NUL', 'a\0b'],
    ['quotes', `'"\\`],
    ['a line feed', 'a\nb'],
    ['upper case', 'CHAIN'],
    ['another script', 'сhain'],
  ])('%s: what stands under it is checked all the same', async (_, chainId) => {
    const [record] = sealChain('chain', [plain]);
    await ledger.put([{ ...record!, chainId }]);
    const { status, findings } = await ledger.verify();
    expect(findings.map(({ code }) => code)).toEqual(['record_mismatch']);
    expect(status).toBe('tampered');
  });
});
