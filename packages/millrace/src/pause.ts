/** Waiting that an AbortSignal ends early, and the growing, jittered waits between tries. */

/** Resolves after `ms`, or at once when `signal` is aborted; never rejects. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** 50 ms, 100 ms, … up to 2 s, each with up to half of it taken off, so that many clients do not return as one. */
export function backoffMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt, 10), 2000) * (0.5 + Math.random() / 2)
}
