/**
 * Which workers of a group are there: each appends its name to a small stream three times per lease.
 *
 *   {orders}:members:g    7-0 worker w1 state here    8-0 worker w2 state here    9-0 worker w1 state left
 *                         └────────── of the last leaseMs ──► { w2 }
 *
 * The IDs are the backend's own times, so no worker's clock matters. The stream is cut and expires by itself.
 */
import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { timeOfId } from '../entry-id-order.ts'
import type { EntryId } from '../backend.ts'

/** Three of each of a thousand workers. */
const ENTRIES_MAX = 3000

export class Members {
  readonly #backend: Backend
  readonly #clock: Clock
  readonly #key: string
  readonly #me: string
  readonly #leaseMs: number
  /** The backend's time, and the monotonic moment when it came. */
  #told = { timeMs: 0, atMs: -Infinity }

  constructor(site: { backend: Backend; clock: Clock; key: string; me: string; leaseMs: number }) {
    this.#backend = site.backend
    this.#clock = site.clock
    this.#key = site.key
    this.#me = site.me
    this.#leaseMs = site.leaseMs
  }

  /** Says that this worker is there, or has left. */
  async announce(state: 'here' | 'left'): Promise<void> {
    const sinceMs = this.#told.timeMs - 3 * this.#leaseMs
    const trim = sinceMs > 0 ? { trim: { minId: `${sinceMs}-0` as EntryId } } : {}
    const options = { expireMs: 10 * this.#leaseMs, ...trim }
    const id = await this.#backend.add(this.#key, ['worker', this.#me, 'state', state], options)
    this.#told = { timeMs: timeOfId(id!), atMs: this.#clock.monotonicMs() }
  }

  async here(): Promise<Set<string>> {
    const nowMs = this.#told.timeMs + Math.max(0, this.#clock.monotonicMs() - this.#told.atMs)
    const from = `${Math.max(0, Math.floor(nowMs - this.#leaseMs))}-0`
    const here = new Set<string>()
    for (const { fields } of await this.#backend.range(this.#key, { from, count: ENTRIES_MAX })) {
      const [, worker, , state] = fields.map((field) => Buffer.from(field).toString())
      if (worker === undefined) continue
      if (state === 'here') here.add(worker)
      else here.delete(worker)
    }
    return here
  }
}
