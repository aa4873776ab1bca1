/**
 * RFC 3339 in UTC with a fixed number of decimals, so that equal instants are equal bytes and text sorts as
 * time.
 */

/** @param microseconds since the Unix epoch. Six decimals. */
export function fromMicroseconds(microseconds: number): string {
  const milliseconds = Math.floor(microseconds / 1000);
  const rest = microseconds - milliseconds * 1000;
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

/** @param nanoseconds since the Unix epoch, any unsigned 64-bit value (up to the year 2554). Nine decimals. */
export function fromNanoseconds(nanoseconds: bigint): string {
  const milliseconds = Number(nanoseconds / 1_000_000n);
  const rest = Number(nanoseconds % 1_000_000n);
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(6, '0')}Z`;
}
