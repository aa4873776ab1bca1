/** Microseconds since the Unix epoch, UTC. A safe integer until the year 2255. */
export type Clock = () => number;

/**
 * The host's wall clock. It may step back; whoever needs order keeps the largest value seen (a chain's
 * `recorded_at` never runs backwards).
 */
export const systemClock: Clock = () => Date.now() * 1000;
