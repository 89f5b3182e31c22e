/** Waiting that an AbortSignal ends early, and the growing, jittered waits between tries. */

import { type Clock, nodeClock } from './clock.ts'

/** Resolves after `ms`, or at once when `signal` is aborted; never rejects. */
export async function pause(ms: number, signal?: AbortSignal, clock: Clock = nodeClock): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.setTimer(ms, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** 50 ms, 100 ms, … up to 2 s, each with up to half of it taken off, so that many clients do not return as one. */
export function backoffMs(attempt: number, clock: Clock = nodeClock): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), 2000) * (0.5 + clock.random() / 2)
}
