/**
 * Slows the guessing of passwords: whoever has failed waits before the next attempt is looked at, longer each time.
 *
 *   address      failures   next attempt is looked at
 *   10.0.0.7        1         100 ms after the last one
 *   10.0.0.8        4         800 ms after the last one        … 2 s at most
 *
 * The wait is the address's, not the connection's: attempts over many connections stand in one line. A right password
 * waits as well, else the quick answer would tell it. An address that has been quiet for a minute begins anew, and so does
 * the one that was quiet longest when too many are known.
 */

const DELAY_MS_MIN = 100
const DELAY_MS_MAX = 2000
const FORGOTTEN_MS = 60_000
const ADDRESSES_MAX = 10_000

interface Guesser {
  failures: number
  nextMs: number
  lastMs: number
}

export class Guesses {
  /** In the order of the last attempt: the first was quiet longest. */
  readonly #byAddress = new Map<string, Guesser>()

  /** How many addresses have failed lately. */
  get size(): number {
    return this.#byAddress.size
  }

  /** How long this attempt has to wait before it is looked at. Takes its place in the line. */
  delayMs(address: string, nowMs: number): number {
    const guesser = this.#find(address, nowMs)
    if (guesser === undefined) return 0
    const atMs = Math.max(guesser.nextMs, nowMs)
    guesser.nextMs = atMs + delayAfter(guesser.failures)
    return atMs - nowMs
  }

  /** An attempt was wrong. */
  failed(address: string, nowMs: number): void {
    const guesser = this.#find(address, nowMs) ?? { failures: 0, nextMs: nowMs, lastMs: nowMs }
    guesser.failures++
    guesser.lastMs = nowMs
    guesser.nextMs = Math.max(guesser.nextMs, nowMs + delayAfter(guesser.failures))
    this.#byAddress.delete(address)
    this.#byAddress.set(address, guesser)
    if (this.#byAddress.size > ADDRESSES_MAX) this.#byAddress.delete(this.#byAddress.keys().next().value!)
  }

  #find(address: string, nowMs: number): Guesser | undefined {
    const guesser = this.#byAddress.get(address)
    if (guesser === undefined || nowMs - guesser.lastMs < FORGOTTEN_MS || guesser.nextMs > nowMs) return guesser
    this.#byAddress.delete(address)
    return undefined
  }
}

function delayAfter(failures: number): number {
  return Math.min(DELAY_MS_MIN * 2 ** Math.min(failures - 1, 10), DELAY_MS_MAX)
}
