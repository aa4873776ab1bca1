/** A text, and what of it must not be found in anything made of it. */
export interface Kind {
  name: string;
  text: string;
  gone: string[];
}

/** By default, all of it must go. */
export function kind(name: string, text: string, ...gone: string[]): Kind {
  return { name, text, gone: gone.length > 0 ? gone : [text] };
}

/** Stands for the random part of keys: these are put together here, so that no scanner takes them for a leak. */
export const filler = (length: number) => 'aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0xL'.repeat(12).slice(0, length);
export const hex = (length: number) => '9f86d081884c7d659a2feaa0c55ad015'.repeat(8).slice(0, length);
export const upper = (length: number) => 'Q7W3E9R2T5Y8U1I4'.repeat(8).slice(0, length);
export const base64 = (text: string) => Buffer.from(text).toString('base64');
export const pem = (label: string, lines = 3) =>
  [`-----BEGIN ${label}-----`, ...Array<string>(lines).fill(filler(64)), `-----END ${label}-----`].join('\n');
