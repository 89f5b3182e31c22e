/**
 * A background duty: a task that is repeated until it is stopped.
 *
 *   start() ──► run, wait, run, wait … ──stop()──► the run in progress ends ──► stopped
 */

import { type Clock, nodeClock } from './clock.ts'
import { pause } from './pause.ts'

export class Duty {
  readonly #stopping = new AbortController()
  readonly #clock: Clock
  readonly #ended: Promise<void>

  /** Runs `task` again and again, `waitMs()` apart. A task handles its own errors; one that throws ends the duty. */
  constructor(task: (signal: AbortSignal) => Promise<void>, waitMs: () => number, clock: Clock = nodeClock) {
    this.#clock = clock
    this.#ended = this.#run(task, waitMs)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#ended
  }

  async #run(task: (signal: AbortSignal) => Promise<void>, waitMs: () => number): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await pause(waitMs(), signal, this.#clock)
      if (!signal.aborted) await task(signal)
    }
  }
}
