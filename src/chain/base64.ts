/**
 * The bytes of standard base64 (RFC 4648 section 4) in its one canonical form; undefined for the URL alphabet,
 * missing or needless padding, pad bits other than zero, and white space.
 */
export function bytesOfBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
