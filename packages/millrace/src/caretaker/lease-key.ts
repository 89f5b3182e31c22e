/**
 * A duty that one process at a time has, told by a string with its owner that ends by the backend's own clock.
 *
 *   nobody ──take──► ours for leaseMs ──renewed──► … ──release──► nobody
 *                      └─ not renewed in time: not ours any more, by this side's clock before the backend's
 */
import { randomBytes } from 'node:crypto'
import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'

export class LeaseKey {
  readonly #site: { readonly backend: Backend; readonly clock: Clock }
  readonly #key: string
  readonly #leaseMs: number
  readonly #owner = randomBytes(12).toString('hex')
  /** By the monotonic clock. */
  #untilMs = 0
  /** What the backend's clock said, and when that had come. */
  #told: { readonly timeMs: number; readonly atMs: number } | undefined

  constructor(site: { readonly backend: Backend; readonly clock: Clock }, key: string, leaseMs: number) {
    this.#site = site
    this.#key = key
    this.#leaseMs = leaseMs
  }

  get isOurs(): boolean {
    return this.#site.clock.monotonicMs() < this.#untilMs
  }

  /** Takes or renews it, when less than two thirds of it are left. Resolves whether it is ours. */
  async hold(): Promise<boolean> {
    const { backend, clock } = this.#site
    const sentAtMs = clock.monotonicMs()
    if (this.#untilMs - sentAtMs > (this.#leaseMs * 2) / 3) return true
    const result = await backend.step({
      if: [{ kind: 'value', key: this.#key, oneOf: [undefined, this.#owner] }],
      do: [{ kind: 'time' }, { kind: 'set', key: this.#key, value: this.#owner, expireMs: this.#leaseMs }],
    })
    this.#untilMs = result.isTaken ? sentAtMs + this.#leaseMs : 0
    if (result.isTaken) this.#told = { timeMs: Number(result.results[0]), atMs: clock.monotonicMs() }
    return result.isTaken
  }

  /** The backend's time, or a moment earlier: never later. */
  backendMs(): number {
    if (this.#told === undefined) return 0
    return this.#told.timeMs + Math.floor(this.#site.clock.monotonicMs() - this.#told.atMs)
  }

  async release(): Promise<void> {
    if (!this.isOurs) return
    this.#untilMs = 0
    await this.#site.backend.step({
      if: [{ kind: 'value', key: this.#key, oneOf: [this.#owner] }],
      do: [{ kind: 'remove', key: this.#key }],
    })
  }
}
