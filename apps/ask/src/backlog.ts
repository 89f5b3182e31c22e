/**
 * Taking a question, unless too many wait already. Sessions cost nothing, so what each may ask bounds nothing in all.
 *
 *   take ──► how many wait? (looked up at most once a second) ──► relay.ask ──► { answer, created }
 *                └──► over the limit: UNAVAILABLE
 */
import type { AskRequest, Relay } from '@millrace/relay'
import type { Log } from './logs.ts'
import { WireFailure } from './wire.ts'

const lookMs = 1000
const retryAfterMs = 5000

export class Backlog {
  readonly #relay: Relay
  readonly #waitingMax: number
  readonly #log: Log
  #waiting: Promise<number> | undefined
  #lookedAtMs = 0

  constructor(relay: Relay, waitingMax: number, log: Log) {
    this.#relay = relay
    this.#waitingMax = waitingMax
    this.#log = log
  }

  /** Rejects with `UNAVAILABLE` when too many wait, or as the relay does. */
  async take(owner: string, request: AskRequest): Promise<{ readonly answer: string; readonly created: boolean }> {
    if ((await this.#look()) >= this.#waitingMax) {
      throw new WireFailure('UNAVAILABLE', 'Too many questions wait for an answer; try again shortly.', {
        retryAfterMs,
      })
    }
    const taken = await this.#relay.ask(owner, request)
    this.#log.info(taken, 'a question was taken')
    return taken
  }

  #look(): Promise<number> {
    const nowMs = performance.now()
    if (this.#waiting !== undefined && nowMs - this.#lookedAtMs < lookMs) return this.#waiting
    this.#lookedAtMs = nowMs
    this.#waiting = this.#relay.inspectQuestions().then(({ length, group }) => group?.lag ?? length)
    // Whoever takes a question sees the failure; the next one looks again.
    this.#waiting.catch(() => (this.#waiting = undefined))
    return this.#waiting
  }
}
