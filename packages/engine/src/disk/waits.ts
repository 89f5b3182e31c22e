/** Who waits for something to become so: asked again whenever anything has changed, and never for ever. */
import type { Env } from '../env.ts'
import { EngineError } from '../errors.ts'

export class Waits {
  readonly #env: Env
  #wakers: (() => void)[] = []

  constructor(env: Env) {
    this.#env = env
  }

  /** Something has changed. */
  wake(): void {
    for (const wake of this.#wakers.splice(0)) wake()
  }

  /** Resolves when `isSo` is; rejects with what it throws, and with `UNAVAILABLE` after the longest time. */
  async until(isSo: () => boolean, msMax: number): Promise<void> {
    let isLate = false
    const cancel = this.#env.setTimer(msMax, () => {
      isLate = true
      this.wake()
    })
    try {
      while (!isSo()) {
        if (isLate) throw new EngineError('UNAVAILABLE', `the disk took longer than ${msMax / 1000} s`)
        await new Promise<void>((resolve) => void this.#wakers.push(resolve))
      }
    } finally {
      cancel()
    }
  }
}
