/**
 * At most so many entries begun in so long.
 *
 *   worker   a token bucket by the clock: full at first, `max` tokens each `perMs`
 *   group    a number beside the stream, counted up by all workers of the group, that expires `perMs` after the first of a
 *            window took some: each worker takes a few at a time, and asks again a tenth of a window after it got none
 */
import { BLOCK_MS_MAX, checkInteger } from '../arguments.ts'
import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'

export interface RateLimitOptions {
  /** So many entries … */
  readonly max: number
  /** … in so many milliseconds. */
  readonly perMs: number
  /**
   * `worker` (default): each worker on its own. `group`: all workers of the group together, counted at the backend; around
   * the end of a window up to twice `max` can come close together.
   */
  readonly scope?: 'worker' | 'group'
}

export interface RateLimitSite {
  readonly backend: Backend
  readonly clock: Clock
  readonly stream: string
  readonly group: string
  /** There are tokens again. */
  readonly onReady: () => void
  readonly onError: (error: unknown) => void
}

export class RateLimit {
  readonly #site: RateLimitSite
  readonly #options: Required<RateLimitOptions>
  #tokens: number
  #filledMs: number
  /** Cancels the wait for tokens; undefined: none is under way. */
  #cancel: (() => void) | undefined
  #isAsking = false
  #isStopped = false

  constructor(options: RateLimitOptions, site: RateLimitSite) {
    const { max, perMs, scope = 'worker' } = options
    checkInteger('rateLimit.max', max, 1)
    checkInteger('rateLimit.perMs', perMs, 1, BLOCK_MS_MAX)
    if (scope !== 'worker' && scope !== 'group') {
      throw new StreamError('BAD_ARGUMENT', `Expected rateLimit.scope to be worker or group, got '${String(scope)}'`)
    }
    this.#site = site
    this.#options = { max, perMs, scope }
    this.#tokens = scope === 'worker' ? max : 0
    this.#filledMs = site.clock.monotonicMs()
  }

  /** Takes a token for one entry; false: `onReady` will be called when there are some. */
  take(): boolean {
    if (this.#isStopped) return false
    if (this.#options.scope === 'worker') this.#fill()
    else if (this.#site.clock.monotonicMs() - this.#filledMs >= this.#options.perMs) this.#tokens = 0
    if (this.#tokens >= 1) {
      this.#tokens--
      return true
    }
    if (this.#options.scope === 'group') void this.#ask()
    else this.#waitFor(((1 - this.#tokens) * this.#options.perMs) / this.#options.max)
    return false
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #fill(): void {
    const { max, perMs } = this.#options
    const nowMs = this.#site.clock.monotonicMs()
    this.#tokens = Math.min(max, this.#tokens + ((nowMs - this.#filledMs) * max) / perMs)
    this.#filledMs = nowMs
  }

  async #ask(): Promise<void> {
    if (this.#isAsking || this.#cancel !== undefined) return
    this.#isAsking = true
    const { backend, clock, stream, group, onReady, onError } = this.#site
    const { max, perMs } = this.#options
    const wanted = Math.ceil(max / 10)
    const askedMs = clock.monotonicMs()
    let granted = 0
    try {
      const key = siblingKey(stream, `rate:${group}`)
      const step = await backend.step({ do: [{ kind: 'increment', key, by: wanted, expireMs: perMs }] })
      if (step.isTaken) granted = Math.max(0, wanted - Math.max(0, Number(step.results[0]) - max))
    } catch (error) {
      onError(error)
    }
    this.#isAsking = false
    if (this.#isStopped) return
    this.#tokens = granted
    this.#filledMs = askedMs
    if (granted > 0) onReady()
    else this.#waitFor(perMs / 10)
  }

  #waitFor(ms: number): void {
    this.#cancel ??= this.#site.clock.setTimer(Math.max(1, Math.ceil(ms)), () => {
      this.#cancel = undefined
      this.#site.onReady()
    })
  }
}
