/**
 * RFC 3339 in UTC with a fixed number of decimals, so that equal instants are equal bytes and text sorts as
 * time.
 */

/** @param microseconds since the Unix epoch. Six decimals. */
export function fromMicroseconds(microseconds: number): string {
  const seconds = Math.floor(microseconds / 1e6);
  return `${toTheSecond(seconds)}.${String(microseconds - seconds * 1e6).padStart(6, '0')}Z`;
}

/** @param nanoseconds since the Unix epoch, any unsigned 64-bit value (up to the year 2554). Nine decimals. */
export function fromNanoseconds(nanoseconds: bigint): string {
  const seconds = nanoseconds / 1_000_000_000n;
  const rest = Number(nanoseconds - seconds * 1_000_000_000n);
  return `${toTheSecond(Number(seconds))}.${String(rest).padStart(9, '0')}Z`;
}

/**
 * What happens close together is told in the same second: of a few, the text is kept at hand. A prime number of them,
 * so that the same second of another day has another place: a draft asks for tomorrow's beside each of today's.
 */
const AT_HAND = 17;
const known = Array.from({ length: AT_HAND }, () => ({ seconds: Number.NaN, text: '' }));

function toTheSecond(seconds: number): string {
  // A time before 1970 has no place of its own, and shares the first.
  const place = known[seconds % AT_HAND] ?? known[0]!;
  if (place.seconds !== seconds) {
    place.text = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
    place.seconds = seconds;
  }
  return place.text;
}
