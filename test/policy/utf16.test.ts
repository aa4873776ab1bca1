import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../src/policy/policy.ts';

const { redactor } = compilePolicy({ id: 'k', secret: new Uint8Array(32) });
const encoded = (text: string) => Buffer.from(text, 'utf16le').toString('base64');

describe('base64 of UTF-16, as of an encoded command of PowerShell', () => {
  it.each(['ssn is 219-09-9985', '$password = "correct-horse-9"'])('goes where it says %s', (text) => {
    expect(redactor.scan(`powershell -enc ${encoded(text)}`)).toBe('powershell -enc ***REDACTED***');
  });

  it('stays where it says nothing', () => {
    const harmless = `run ${encoded('Get-ChildItem | Sort-Object Length')}`;
    expect(redactor.scan(harmless)).toBe(harmless);
  });

  it('and a labelled number, whatever stands between its parts', () => {
    expect(redactor.scan('ssn: 219_09_9993')).toBe('ssn: ***REDACTED***');
  });
});
