/**
 * Sends alerts to a URL, each as JSON in a POST of its own, in their order.
 *
 *   alert ──► waiting (at most 1,000, then the oldest goes) ──POST──► 2xx: the next
 *                                                              └─► else: again after 1, 2, 4, 8 s, then it is dropped and told
 */
import type { Clock } from '../clock.ts'
import { pause } from '../pause.ts'
import type { Alert } from './alerts.ts'

export interface WebhookOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** How long one request may take, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number
}

const WAITING_MAX = 1000
const TRIES = 5

export class Webhook {
  readonly #options: WebhookOptions
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #stopping = new AbortController()
  readonly #waiting: Alert[] = []
  #sending: Promise<void> | undefined

  constructor(options: WebhookOptions, clock: Clock, onError: (error: unknown) => void) {
    this.#options = options
    this.#clock = clock
    this.#onError = onError
  }

  send(alert: Alert): void {
    if (this.#waiting.length === WAITING_MAX) {
      this.#waiting.shift()
      this.#onError(new Error(`${WAITING_MAX} alerts wait for ${this.#options.url}: the oldest was dropped`))
    }
    this.#waiting.push(alert)
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined))
  }

  /** What is on its way is given up. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#sending
  }

  /** Never rejects. */
  async #sendAll(): Promise<void> {
    const { signal } = this.#stopping
    for (let alert = this.#waiting.shift(); alert !== undefined && !signal.aborted; alert = this.#waiting.shift()) {
      for (let tries = 1; !signal.aborted; tries++) {
        const failure = await this.#post(alert)
        if (failure === undefined) break
        if (tries === TRIES) {
          this.#onError(new Error(`An alert did not reach ${this.#options.url} in ${TRIES} tries`, { cause: failure }))
          break
        }
        await pause(1000 * 2 ** (tries - 1), signal, this.#clock)
      }
    }
  }

  /** What went wrong; undefined: nothing. */
  async #post(alert: Alert): Promise<unknown> {
    const { url, headers, timeoutMs = 5000 } = this.#options
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(alert),
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stopping.signal]),
      })
      await response.body?.cancel()
      return response.ok ? undefined : new Error(`${url} answered with ${response.status}`)
    } catch (error) {
      return error
    }
  }
}
