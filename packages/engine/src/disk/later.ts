/** Things that are done after a while. */
import type { CancelTimer, Env } from '../env.ts'

/** Something that is done once, however often it is asked for meanwhile. */
export class Later {
  readonly #env: Env
  readonly #ms: number
  readonly #fire: () => void
  #cancel: CancelTimer | undefined = undefined
  #isEnded = false

  constructor(env: Env, ms: number, fire: () => void) {
    this.#env = env
    this.#ms = ms
    this.#fire = fire
  }

  ask(): void {
    if (this.#cancel !== undefined || this.#isEnded) return
    this.#cancel = this.#env.setBackgroundTimer(this.#ms, () => {
      this.#cancel = undefined
      this.#fire()
    })
  }

  /** It is not done any more. */
  end(): void {
    this.#isEnded = true
    this.#cancel?.()
  }
}

export function pause(env: Env, ms: number): Promise<void> {
  return new Promise((resolve) => void env.setBackgroundTimer(ms, resolve))
}
