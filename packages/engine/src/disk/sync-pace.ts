/**
 * Whether a sync is waited for where it is asked for, or in a thread while other work goes on. A thread costs two changes of
 * context, some 0.1 ms: more than a fast disk takes, and nothing beside a slow one.
 *
 *   fast, 0.2 ms   │ write │ sync │ answer │          in place: nobody else could have done much meanwhile
 *   slow, 5 ms     │ write │ … work … │ answer │      in a thread
 *
 * What syncs take is told by the clock in whole milliseconds, of which a moving average is kept: rounding evens out. A disk
 * that becomes slow stops the process for one sync, and is looked at again after some dozens in the thread.
 */

const IN_PLACE_MS_MAX = 1
const WEIGHT = 1 / 16
/** A single sync counts for no more, whatever the clock says. */
const MS_MAX = 100
const IN_THREAD_MAX = 64

export class SyncPace {
  readonly #isAllowed: boolean
  #averageMs = 0
  #inThread = 0

  /** `isAllowed`: nothing else needs the process but who waits for the disk. */
  constructor(isAllowed: boolean) {
    this.#isAllowed = isAllowed
  }

  get isInPlace(): boolean {
    return this.#isAllowed && this.#averageMs <= IN_PLACE_MS_MAX
  }

  /** A sync has taken so long. */
  note(ms: number): void {
    this.#averageMs += (Math.min(Math.max(ms, 0), MS_MAX) - this.#averageMs) * WEIGHT
    if (this.isInPlace || ++this.#inThread < IN_THREAD_MAX) return
    this.#inThread = 0
    this.#averageMs = IN_PLACE_MS_MAX
  }
}
