/**
 * How long a failed entry waits before its next attempt: exponential, with full jitter.
 *
 *   attempt   1      2      3      4   …         waits are drawn from 0 up to these, so that what failed
 *   at most   1 s    2 s    4 s    8 s … 300 s   together does not come back together
 */
import { BLOCK_MS_MAX, checkInteger } from '../arguments.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'

export interface RetryOptions {
  /** Attempts in all, the first included; then the entry goes to the dead letters. Default 5; `Infinity`: never. */
  readonly maxAttempts?: number
  /** The longest wait after the first attempt, in milliseconds. Default 1,000. */
  readonly initialMs?: number
  /** By how much it grows with each attempt. Default 2; at least 1. */
  readonly factor?: number
  /** The longest wait of all, in milliseconds. Default 300,000. */
  readonly maxMs?: number
  /** Is it of no use to try again after this error? Then the entry goes to the dead letters at once. Default: never. */
  readonly isFatal?: (error: unknown) => boolean
  /**
   * Where an entry waits for its next attempt. `delayed` (default): in the stream of delayed entries, at nobody's cost.
   * `worker`: in its worker, its lease renewed, so that its place is kept. `pending`: in the group's pending list until its
   * lease ends; the times above do not matter then.
   */
  readonly wait?: 'delayed' | 'worker' | 'pending'
}

export type RetryPolicy = Required<RetryOptions>

const WAITS = ['delayed', 'worker', 'pending']

/** `BAD_ARGUMENT` for what is out of range. */
export function retryPolicy(options: RetryOptions = {}): RetryPolicy {
  const { maxAttempts = 5, initialMs = 1000, factor = 2, maxMs = 300_000 } = options
  const { isFatal = () => false, wait = 'delayed' } = options
  if (maxAttempts !== Infinity) checkInteger('retry.maxAttempts', maxAttempts, 1)
  checkInteger('retry.initialMs', initialMs, 0, BLOCK_MS_MAX)
  checkInteger('retry.maxMs', maxMs, 0, BLOCK_MS_MAX)
  if (typeof factor !== 'number' || !(factor >= 1) || factor > 1000) {
    throw new StreamError('BAD_ARGUMENT', `Expected retry.factor to be a number from 1 to 1000, got ${String(factor)}`)
  }
  if (typeof isFatal !== 'function') {
    throw new StreamError('BAD_ARGUMENT', `Expected retry.isFatal to be a function, got a ${typeof isFatal}`)
  }
  if (!WAITS.includes(wait)) {
    throw new StreamError('BAD_ARGUMENT', `Expected retry.wait to be one of ${WAITS.join(', ')}, got '${String(wait)}'`)
  }
  return { maxAttempts, initialMs, factor, maxMs, isFatal, wait }
}

/** After the attempt of this number, from 1. Whole milliseconds. */
export function waitAfter(attempt: number, policy: RetryPolicy, clock: Pick<Clock, 'random'>): number {
  const longest = Math.min(policy.initialMs * policy.factor ** (attempt - 1), policy.maxMs)
  return Math.floor(clock.random() * longest)
}
