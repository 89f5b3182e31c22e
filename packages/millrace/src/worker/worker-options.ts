/** What a worker can be told, with the defaults and limits. */

import { BLOCK_MS_MAX, checkInteger, checkName } from '../arguments.ts'
import type { EntryId } from '../backend.ts'
import { type RetryOptions, type RetryPolicy, retryPolicy } from './backoff.ts'
import type { RateLimitOptions } from './rate-limit.ts'
import type { BatchOptions } from './runner.ts'
import type { WorkerEvent } from './worker-event.ts'

export interface WorkerOptions {
  /** The consumer's name in the group; no two running workers may share one. Default: host, process and a random part. */
  readonly consumer?: string
  /** Handlers at once; of batches, batches. Default 16; of batches 1. */
  readonly concurrency?: number
  /** How long an entry may go without a renewal before others take it over. Default 30,000; the same in all workers of a group. */
  readonly leaseMs?: number
  /** How often to look for what others left. Default 5,000. */
  readonly sweepMs?: number
  /** How long one read waits at the server. Default 5,000. */
  readonly blockMs?: number
  /** Where a group that does not exist begins. Default `0-0`, the beginning. */
  readonly from?: EntryId | '$'
  /** What becomes of entries whose handler failed. Default: 5 attempts, 1 s × 2 up to 5 min with full jitter, then a dead letter. */
  readonly retry?: RetryOptions
  /** At most so many entries begun in so long. Default: no limit. */
  readonly rateLimit?: RateLimitOptions
  readonly onEvent?: (event: WorkerEvent) => void
}

export interface StopOptions {
  /** How long running handlers may go on. Default 10,000. */
  readonly graceMs?: number
}

export interface Settings {
  readonly hasOwnName: boolean
  readonly concurrency: number
  readonly leaseMs: number
  readonly sweepMs: number
  readonly blockMs: number
  readonly from: EntryId | '$'
  readonly retry: RetryPolicy
  readonly rateLimit: RateLimitOptions | undefined
  readonly onEvent: ((event: WorkerEvent) => void) | undefined
}

/** With the jitter of a sweep still what a timer can count: beyond that it would fire at once. */
/** All of a batch is acknowledged at once. */
const BATCH_MAX = 1000
const WAIT_MS_MAX = 2 ** 30

/** `BAD_ARGUMENT` for what is out of range. */
export function batchOptions({ size = 100, waitMs = 50 }: BatchOptions): Required<BatchOptions> {
  checkInteger('size', size, 1, BATCH_MAX)
  checkInteger('waitMs', waitMs, 0, BLOCK_MS_MAX)
  return { size, waitMs }
}

/** `BAD_ARGUMENT` for what is out of range. */
export function settings(options: WorkerOptions, kind: 'one' | 'batch', retryWait?: 'worker'): Settings {
  const { concurrency = kind === 'one' ? 16 : 1, leaseMs = 30_000, sweepMs = 5000, blockMs = 5000 } = options
  const { from = '0-0' as EntryId, consumer, rateLimit, onEvent } = options
  checkInteger('concurrency', concurrency, 1)
  checkInteger('leaseMs', leaseMs, 1, WAIT_MS_MAX)
  checkInteger('sweepMs', sweepMs, 1, WAIT_MS_MAX)
  checkInteger('blockMs', blockMs, 1, BLOCK_MS_MAX)
  if (consumer !== undefined) checkName('consumer', consumer)
  const chosen = retryPolicy(options.retry)
  const retry = retryWait === undefined ? chosen : { ...chosen, wait: retryWait }
  return {
    hasOwnName: consumer !== undefined,
    concurrency,
    leaseMs,
    sweepMs,
    blockMs,
    from,
    retry,
    rateLimit,
    onEvent,
  }
}
