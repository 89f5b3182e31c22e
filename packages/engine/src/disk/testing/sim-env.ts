/** A world in memory: simulated files, a clock that moves by hand, randomness from a seed. */
import type { CancelTimer, Env } from '../../env.ts'
import { Seeded } from '../../seeded.ts'
import type { SimFs } from './sim-fs.ts'

/** More rounds of microtasks than any chain of waits here is long. */
const ROUNDS = 60

export class SimEnv implements Env {
  readonly fs: SimFs
  #nowMs = 1_700_000_000_000
  readonly #random: Seeded
  #timers: { readonly atMs: number; readonly fire: () => void }[] = []

  constructor(fs: SimFs, seed: number) {
    this.fs = fs
    this.#random = new Seeded(seed)
  }

  nowMs(): number {
    return this.#nowMs
  }

  setTimer(afterMs: number, fire: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + afterMs, fire }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  setBackgroundTimer(afterMs: number, fire: () => void): CancelTimer {
    return this.setTimer(afterMs, fire)
  }

  random(): number {
    return this.#random.below(2 ** 32) / 2 ** 32
  }

  /** Moves the clock, fires what is due, the earliest first, and lets what waits go on. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    for (;;) {
      await settled()
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).toSorted((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((other) => other !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.fire()
    }
    this.#nowMs = untilMs
  }
}

/** Resolves when whatever waits for microtasks only has gone on as far as it can. */
export async function settled(): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) await undefined
}
