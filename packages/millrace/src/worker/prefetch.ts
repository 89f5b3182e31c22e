/**
 * How many entries a worker holds for its handlers: as many as it finishes in 100 ms, at least as many as it runs at once and
 * (unless that is more) at most 1,000. A worker with slow handlers so leaves to others what they could begin at once.
 *
 *   finished since the last look ÷ time since then × 100 ms, at most four times what it was
 */
import type { Clock } from '../clock.ts'

const AHEAD_MS = 100
const AHEAD_MAX = 1000
const LOOK_MS = 20
const GROWTH_MAX = 4

export class Prefetch {
  readonly #clock: Clock
  readonly #min: number
  readonly #max: number
  #target: number
  #finished = 0
  #sinceMs: number

  constructor(clock: Clock, min: number) {
    this.#clock = clock
    this.#min = min
    this.#max = Math.max(min, AHEAD_MAX)
    this.#target = min
    this.#sinceMs = clock.monotonicMs()
  }

  /** As last looked at. */
  get target(): number {
    return this.#target
  }

  /** Hot. */
  finished(count: number): void {
    this.#finished += count
  }

  /** Before a read. */
  look(): void {
    const nowMs = this.#clock.monotonicMs()
    const elapsedMs = nowMs - this.#sinceMs
    // A burst is seen before the time is over.
    if (elapsedMs < LOOK_MS && !(this.#finished > 4 * this.#target && elapsedMs >= 1)) return
    const wanted = Math.ceil((this.#finished / elapsedMs) * AHEAD_MS)
    this.#target = Math.max(this.#min, Math.min(wanted, this.#max, this.#target * GROWTH_MAX))
    this.#finished = 0
    this.#sinceMs = nowMs
  }
}
