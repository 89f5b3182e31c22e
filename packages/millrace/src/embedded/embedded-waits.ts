/**
 * Blocked reads of the embedded backend: the engine's `Waiters` (who waits, in which order) with promises, signals and
 * timers around them.
 *
 *   waiting ──entries──► resolved   ──deadline──► resolved, empty   ──signal, error, close──► rejected
 */

import { type Database, type Env, type Wait, Waiters } from '@millrace/engine'
import type { ReadResult } from '../backend.ts'
import { toStreamError } from './embedded-errors.ts'
import { StreamError } from '../errors.ts'

export interface BlockedReading<E> {
  readonly keys: readonly string[]
  readonly isGroupRead: boolean
  /** The read itself, without waiting. */
  readonly read: (nowMs: number) => ReadResult<E>
  readonly signal: AbortSignal | undefined
  readonly blockMs: number
}

// Expired streams vanish for every verb at once; only those that nobody asks for wait for the sweep.
const SWEEP_MS_MIN = 50
const SWEEP_KEYS_MAX = 1000

export class EmbeddedWaits {
  readonly #database: Database
  readonly #env: Env
  readonly #waiters: Waiters
  readonly #rejections = new Map<Wait, (reason: unknown) => void>()
  #deadline: Timer | undefined
  #sweep: Timer | undefined
  /** The clock when it was last looked at. */
  #lookedMs: number
  /** How far deadlines are ahead of the clock, which has been set back so far. */
  #aheadMs = 0

  constructor(database: Database, env: Env) {
    this.#database = database
    this.#env = env
    this.#lookedMs = env.nowMs()
    this.#waiters = new Waiters(database)
  }

  /** Waits until the read finds something; the caller has just tried. */
  wait<E>(reading: BlockedReading<E>): Promise<ReadResult<E>> {
    return new Promise((resolve, reject) => {
      const { signal } = reading
      const onAbort = (): void => this.#end(wait, signal?.reason)
      const finish = (tell: () => void): void => {
        signal?.removeEventListener('abort', onAbort)
        this.#rejections.delete(wait)
        tell()
      }
      const wait: Wait = {
        keys: reading.keys,
        isGroupRead: reading.isGroupRead,
        deadlineMs: this.#steadyMs() + reading.blockMs,
        timedOut: () => finish(() => resolve(new Map())),
        attempt: (nowMs) => {
          try {
            const found = reading.read(nowMs)
            if (found.size > 0) finish(() => resolve(found))
            return found.size > 0
          } catch (error) {
            finish(() => reject(toStreamError(error, 'STREAM_NOT_FOUND')))
            return true
          }
        },
      }
      this.#rejections.set(wait, (reason) => finish(() => reject(reason)))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.add(wait)
      this.#setTimers()
    })
  }

  /** After each verb: serves whom it concerns. */
  settle(nowMs: number): void {
    // Hot: most verbs find nobody waiting and nothing that expires.
    if (this.#waiters.size > 0) this.#waiters.serve(nowMs)
    else if (this.#deadline === undefined && this.#database.expiringKeyCount === 0) return
    this.#setTimers()
  }

  close(): void {
    this.#deadline?.cancel()
    this.#sweep?.cancel()
    for (const wait of this.#waiters.close()) {
      this.#rejections.get(wait)?.(new StreamError('CLOSED', 'The embedded backend was closed while a read waited'))
    }
  }

  #end(wait: Wait, reason: unknown): void {
    if (!this.#waiters.cancel(wait)) return
    this.#rejections.get(wait)?.(reason)
    this.#setTimers()
  }

  #setTimers(): void {
    const deadlineMs = this.#waiters.nextDeadlineMs(this.#lookedMs)
    if (this.#deadline?.atMs !== deadlineMs) {
      this.#deadline?.cancel()
      this.#deadline = deadlineMs === undefined ? undefined : this.#deadlineTimer(deadlineMs)
    }
    const expiryMs = this.#database.nextExpiryMs()
    // Expiries mostly move away (each append may renew one): a timer that is too early is left to find nothing.
    if (expiryMs === undefined || (this.#sweep !== undefined && this.#sweep.atMs <= expiryMs)) return
    this.#sweep?.cancel()
    this.#sweep = this.#sweepTimer(expiryMs)
  }

  #deadlineTimer(atMs: number): Timer {
    const cancel = this.#env.setTimer(atMs - this.#steadyMs(), () => {
      this.#deadline = undefined
      // The timer has counted the wait; a clock that was set back meanwhile does not make it, or those after it, longer.
      const missingMs = atMs - this.#steadyMs()
      this.#aheadMs += Math.max(missingMs, 0)
      this.#waiters.expire(this.#steadyMs())
      this.#setTimers()
    })
    return { atMs, cancel }
  }

  /** The time that waits are measured in: the clock's, but it stands where the clock goes back. */
  #steadyMs(): number {
    const nowMs = this.#env.nowMs()
    this.#aheadMs += Math.max(this.#lookedMs - nowMs, 0)
    this.#lookedMs = nowMs
    return nowMs + this.#aheadMs
  }

  #sweepTimer(atMs: number): Timer {
    const cancel = this.#env.setBackgroundTimer(Math.max(atMs - this.#env.nowMs(), SWEEP_MS_MIN), () => {
      this.#sweep = undefined
      const nowMs = this.#env.nowMs()
      this.#database.sweep(nowMs, SWEEP_KEYS_MAX)
      this.settle(nowMs)
    })
    return { atMs, cancel }
  }
}

interface Timer {
  readonly atMs: number
  readonly cancel: () => void
}
