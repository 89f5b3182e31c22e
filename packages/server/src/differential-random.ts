/**
 * Random choices that a seed repeats (mulberry32), for the differential suite. Prints nothing: the test prints its seed.
 */

export type Weighted<T> = readonly (readonly [weight: number, value: T])[]

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** From 0 up to, but not including, 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 up to, but not including, the limit. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  weighted<T>(from: Weighted<T>): T {
    let total = 0
    for (const [weight] of from) total += weight
    let left = this.fraction() * total
    for (const [weight, value] of from) {
      left -= weight
      if (left < 0) return value
    }
    return from.at(-1)![1]
  }

  shuffle<T>(from: readonly T[]): T[] {
    const shuffled = [...from]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const other = this.below(i + 1)
      const kept = shuffled[i]!
      shuffled[i] = shuffled[other]!
      shuffled[other] = kept
    }
    return shuffled
  }
}

/** The seed of this run: MILLRACE_SEED, else a new one. */
export function seedOfRun(): number {
  return Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
}
