/** The check digit of cards and of NPIs (ISO/IEC 7812-1). */
export function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** US National Provider Identifier: Luhn, with the prefix of health applications in the US. */
export function isNpi(digits: string): boolean {
  return digits.length === 10 && isLuhn(`80840${digits}`);
}

/** NHS number: the last digit is eleven less the weighted sum modulo eleven. */
export function isNhs(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < 9; i++) sum += Number(digits[i]) * (10 - i);
  return digits.length === 10 && (11 - (sum % 11)) % 11 === Number(digits[9]);
}

/** DEA registration: two letters, six digits, and the sum of the odd and twice the even ones ends in the last. */
export function isDea(text: string): boolean {
  const [a, b, c, d, e, f, check] = [...text.slice(2)].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return (a + c + e + 2 * (b + d + f)) % 10 === check;
}

/** International bank account number (ISO 13616): 97 divides it with one left, its first four signs at its end. */
export function isIban(signs: string): boolean {
  let rest = 0;
  for (const sign of signs.slice(4) + signs.slice(0, 4)) {
    const value = Number.parseInt(sign, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Area 000, 666 and 9xx, group 00 and serial 0000 were never issued (SSA, before and after 2011). */
export function isSsn(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  const area = digits.slice(0, 3);
  return area !== '000' && area !== '666' && area < '900' && !/^\d{3}00|0000$/.test(digits);
}
