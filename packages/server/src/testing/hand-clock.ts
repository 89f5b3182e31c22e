/** A world for tests whose clock moves by hand, and whose timers fire when it has moved past them. */
import { nodeEnv, type CancelTimer, type Env } from '@millrace/engine'

interface Timer {
  readonly atMs: number
  readonly fire: () => void
}

export class HandClock implements Env {
  #nowMs = 1_700_000_000_000
  readonly #timers = new Set<Timer>()
  /** How far each look at the clock moves it. */
  stepMs = 0

  nowMs(): number {
    this.#nowMs += this.stepMs
    return this.#nowMs
  }

  setTimer(afterMs: number, fire: () => void): CancelTimer {
    const timer = { atMs: this.#nowMs + afterMs, fire }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  setBackgroundTimer(afterMs: number, fire: () => void): CancelTimer {
    return this.setTimer(afterMs, fire)
  }

  readonly fs = nodeEnv.fs
  random(): number {
    return 0.5
  }

  /** Moves the clock; timers fire in their order, each at its time, those that they set as well. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer
      if (next === undefined || next.atMs > endMs) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fire()
    }
    this.#nowMs = endMs
  }
}
