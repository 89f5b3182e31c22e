/**
 * Time and chance as the toolkit sees them. Production is `nodeClock`; a test passes one that it moves by hand (fake-clock.ts).
 *
 * Nothing above the backends calls Date.now, performance.now, setTimeout or Math.random: all of it comes from here. Times of
 * the backend (IDs, idle times) are never compared with `nowMs()`: whose clock it was decides.
 */

export interface Clock {
  /** Milliseconds since 1970, whole. May jump. */
  nowMs(): number
  /** Milliseconds that only grow, also while the process is stopped. For how long something took, and for leases. */
  monotonicMs(): number
  /** Calls `fire` once, not before `afterMs` have passed. Returns what cancels it; cancelling twice or too late does nothing. */
  setTimer(afterMs: number, fire: () => void): () => void
  /** As `setTimer`, but does not keep the process alive. */
  setBackgroundTimer(afterMs: number, fire: () => void): () => void
  /** From 0 (included) to 1 (excluded). */
  random(): number
}

/** Above 2^31-1 setTimeout fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(afterMs, fire) {
    const timer = setTimeout(fire, Math.min(afterMs, TIMER_MS_MAX))
    return () => clearTimeout(timer)
  },
  setBackgroundTimer(afterMs, fire) {
    const timer = setTimeout(fire, Math.min(afterMs, TIMER_MS_MAX)).unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random(),
}
