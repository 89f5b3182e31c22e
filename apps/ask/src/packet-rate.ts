/**
 * How many packets one connection may send: a window of one second, one counter.
 *
 *   0 ─────── packetsMax ─────── 3 × packetsMax ──────►
 *   admitted  refused, with a reply                disconnected
 */

export type Verdict = 'admitted' | 'refused' | 'disconnect'

const windowMs = 1000
const disconnectFactor = 3

export class PacketRate {
  readonly #packetsMax: number
  #windowStartMs = 0
  #count = 0

  constructor(packetsMax: number) {
    this.#packetsMax = packetsMax
  }

  /** Counts one packet. */
  add(nowMs: number): Verdict {
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = nowMs
      this.#count = 0
    }
    this.#count++
    return this.verdict
  }

  /** The verdict on the packet counted last. */
  get verdict(): Verdict {
    if (this.#count <= this.#packetsMax) return 'admitted'
    return this.#count <= this.#packetsMax * disconnectFactor ? 'refused' : 'disconnect'
  }
}
