/** Runs what has the same key one after the other, and different keys side by side. */
import { RelayError } from './relay-error.ts'

export class Lanes {
  readonly #waitingMax: number
  readonly #lanes = new Map<string, { end: Promise<unknown>; waiting: number }>()

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax
  }

  async run<T>(key: string, step: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? { end: Promise.resolve(), waiting: 0 }
    if (lane.waiting >= this.#waitingMax) {
      throw new RelayError('TOO_MANY_QUESTIONS', `More than ${this.#waitingMax} questions at once`, {
        retryAfterMs: 1000,
      })
    }
    this.#lanes.set(key, lane)
    lane.waiting++
    const result = lane.end.then(step)
    lane.end = result.catch(() => undefined) // The failure is its caller's; the next in the lane starts all the same.
    try {
      return await result
    } finally {
      lane.waiting--
      if (lane.waiting === 0) this.#lanes.delete(key)
    }
  }
}
