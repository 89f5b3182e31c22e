/**
 * Acknowledgements, coalesced: one settle for up to 64 entries or for what came within 3 ms.
 *
 * A settle is checked against the owner and may be repeated, so a lost reply is answered by settling again; what
 * is missing from the second answer was acknowledged by the first.
 */

import type { Backend, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { backoffMs, pause } from '../pause.ts'

const BATCH_MAX = 64
const WAIT_MS = 3

export interface AcknowledgerSite {
  readonly backend: Backend
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly onError: (error: unknown) => void
}

interface Waiting {
  readonly id: EntryId
  readonly done: (isAcknowledged: boolean) => void
}

export class Acknowledger {
  readonly #site: AcknowledgerSite
  readonly #giveUp = new AbortController()
  readonly #flushes = new Set<Promise<void>>()
  #waiting: Waiting[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(site: AcknowledgerSite) {
    this.#site = site
  }

  /** Resolves true when it was acknowledged, false when another consumer owns it now or the worker gave up. */
  async acknowledge(id: EntryId): Promise<boolean> {
    return await new Promise((done) => {
      this.#waiting.push({ id, done })
      if (this.#waiting.length >= BATCH_MAX) this.#flush()
      else this.#timer ??= setTimeout(() => this.#flush(), WAIT_MS)
    })
  }

  /** Sends what is waiting; resolves when everything is answered, or after `graceMs`, whatever is left unanswered. */
  async stop(graceMs: number): Promise<void> {
    this.#flush()
    const timer = setTimeout(() => this.#giveUp.abort(), graceMs)
    await Promise.all(this.#flushes)
    clearTimeout(timer)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length === 0) return
    const batch = this.#waiting
    this.#waiting = []
    const flush = this.#settle(batch)
    this.#flushes.add(flush)
    void flush.finally(() => this.#flushes.delete(flush))
  }

  async #settle(batch: readonly Waiting[]): Promise<void> {
    const { backend, stream, group, consumer, onError } = this.#site
    const ids = batch.map((waiting) => waiting.id)
    let isRepeated = false
    for (let failures = 0; ; failures++) {
      try {
        const settled = new Set(await backend.settle(stream, group, consumer, ids))
        for (const waiting of batch) waiting.done(isRepeated || settled.has(waiting.id))
        return
      } catch (error) {
        onError(error)
        const code = error instanceof StreamError ? error.code : undefined
        const isPassing = code === 'UNAVAILABLE' || code === 'OUTCOME_UNKNOWN'
        if (code === 'OUTCOME_UNKNOWN') isRepeated = true
        if (isPassing) await pause(backoffMs(failures), this.#giveUp.signal)
        if (isPassing && !this.#giveUp.signal.aborted) continue
        for (const waiting of batch) waiting.done(false)
        return
      }
    }
  }
}
