/**
 * Waiting for a condition that has no event of its own, with a deadline. Tests never sleep.
 */

export interface WaitOptions {
  /** How long to wait before giving up. Default 10,000. */
  readonly timeoutMs?: number
  /** What is being waited for, as it should stand in the error: "the worker to take over". */
  readonly what: string
}

const POLL_MS = 10

/** Resolves the first value of `predicate` that is neither false nor undefined; rejects at the deadline. */
export async function waitFor<T>(
  predicate: () => Promise<T | false | undefined> | T | false | undefined,
  options: WaitOptions,
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const deadline = Date.now() + timeoutMs
  let lastError: unknown
  for (;;) {
    try {
      const value = await predicate()
      if (value !== false && value !== undefined) return value
      lastError = undefined
    } catch (error) {
      // An error is "not yet", until the deadline: then it is the reason.
      lastError = error
    }
    if (Date.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${options.what}, in vain`, { cause: lastError })
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
