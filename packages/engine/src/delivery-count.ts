/**
 * How often an entry has been delivered: a signed 64-bit number in Redis, a plain number here. Real counts are small and
 * exact; XNACK FATAL sets 2^63 - 1, which a number cannot hold, so the few counts right below it are written in code:
 *
 *   0, 1, 2, … 2^53          themselves
 *   2^63                     2^63 - 1, the highest
 *   2^63 - 1024 · k          2^63 - 1 - k           (numbers near 2^63 are 1,024 apart)
 */

/** Stands for 2^63 - 1: what XNACK FATAL sets, and where counting stops. */
export const DELIVERIES_MAX = 2 ** 63

const CODED_MIN = 2 ** 62
const CODED_STEP = 1024
const INT64_MAX = 2n ** 63n - 1n

/** One delivery more; the highest count stays. */
export function oneMore(count: number): number {
  return count < CODED_MIN ? count + 1 : Math.min(count + CODED_STEP, DELIVERIES_MAX)
}

/** One delivery fewer, not below 0. */
export function oneLess(count: number): number {
  return count < CODED_MIN ? Math.max(count - 1, 0) : count - CODED_STEP
}

/** Whether the number is a count: a whole number of 0 and more, or one of the coded ones. */
export function isDeliveryCount(count: number): boolean {
  return (Number.isInteger(count) && count >= 0 && count <= 2 ** 53) || (count > CODED_MIN && count <= DELIVERIES_MAX)
}

/** The count as it is told to a client. */
export function deliveriesToBigint(count: number): bigint {
  return count < CODED_MIN ? BigInt(count) : INT64_MAX - (BigInt(DELIVERIES_MAX) - BigInt(count)) / BigInt(CODED_STEP)
}

/** The count that a client gave, from 0 to 2^63 - 1; between 2^53 and the last 2^50 it is rounded. */
export function deliveriesFromBigint(count: bigint): number {
  const fromMax = INT64_MAX - count
  return fromMax < 2n ** 50n ? DELIVERIES_MAX - Number(fromMax) * CODED_STEP : Math.min(Number(count), 2 ** 53)
}
