/** What there is in a text to look closer at. Most of what is looked for needs one of these. */
export const NOT_ASCII = 1;
export const DIGIT = 2;
/** May stand between a name and its value. */
export const SIGN = 4;
/** Begins what is escaped: `%`, `&` and the backslash. */
export const ESCAPE = 8;
export const AT = 16;
/** So many letters, digits and signs of base64 in a row as the shortest token has. */
export const LONG_RUN = 32;
const IN_RUN = 64;

/** Base64 of a social security number is one. */
export const LONG_RUN_LENGTH = 15;

const TRAITS = new Uint8Array(128);
const mark = (signs: string, trait: number) => {
  for (const sign of signs) TRAITS[sign.charCodeAt(0)]! |= trait;
};
mark('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_', IN_RUN);
mark('0123456789', DIGIT);
mark(':=<-["\'', SIGN);
mark('%&\\', ESCAPE);
mark('@', AT);

/** All at once: of clean text, this is most of what redaction costs. */
export function traitsOf(text: string): number {
  let found = 0;
  let run = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const traits = code < 128 ? TRAITS[code]! : NOT_ASCII;
    found |= traits;
    if ((traits & IN_RUN) === 0) run = 0;
    else if (++run === LONG_RUN_LENGTH) found |= LONG_RUN;
  }
  return found;
}

/** Whether what stands at a place may be in a token or in base64. */
export function isInRun(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code < 128 && (TRAITS[code]! & IN_RUN) !== 0;
}
