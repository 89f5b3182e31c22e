/**
 * Looks after one stream, as one process of all that could: whoever holds the lease.
 *
 *   hold the lease? ──yes──► move what is due ──► once a minute: remove consumers that are gone ──► wait, at most a second
 *        │ no: wait, ask again
 *        └ an error is told, and it begins again after a moment
 */
import type { Backend } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import { LeaseKey } from './lease-key.ts'
import { Promoter } from './promoter.ts'
import { reap } from './reaper.ts'

const LEASE_MS = 10_000
/** How late an entry that came meanwhile may be noticed. */
const LOOK_MS_MAX = 500
const LOOK_MS_MIN = 10
const ASK_MS = 2000
const RETRY_MS = 500
const REAP_MS = 60_000

export class Caretaker {
  readonly #site: { readonly backend: Backend; readonly clock: Clock }
  readonly #stream: string
  readonly #onError: (error: unknown) => void
  readonly #lease: LeaseKey
  readonly #promoter: Promoter
  readonly #ended: Promise<void>
  #isStopping = false
  #wake: (() => void) | undefined
  #reapedAtMs = -Infinity

  /** Begins at once. `BAD_ARGUMENT`: no key could be kept beside the stream. */
  constructor(
    site: { readonly backend: Backend; readonly clock: Clock },
    stream: string,
    onError: (error: unknown) => void,
  ) {
    this.#site = site
    this.#stream = stream
    this.#onError = onError
    this.#lease = new LeaseKey(site, siblingKey(stream, 'lease:caretaker'), LEASE_MS)
    this.#promoter = new Promoter(site.backend, stream, { onError })
    this.#ended = this.#run()
  }

  /** Gives the lease back, so that another goes on at once. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#wake?.()
    await this.#ended
  }

  async #run(): Promise<void> {
    let wasOurs = false
    while (!this.#isStopping) {
      let waitMs: number
      try {
        const isOurs = await this.#lease.hold()
        if (isOurs && !wasOurs) this.#promoter.forget()
        wasOurs = isOurs
        waitMs = isOurs ? await this.#turn() : ASK_MS * (0.75 + this.#site.clock.random() / 2)
      } catch (error) {
        if (error instanceof StreamError && error.code === 'CLOSED') return
        this.#tell(error)
        wasOurs = false
        waitMs = RETRY_MS
      }
      if (!this.#isStopping) await this.#pause(waitMs)
    }
    try {
      await this.#lease.release()
    } catch (error) {
      // It ends by itself.
      if (!(error instanceof StreamError && error.code === 'CLOSED')) this.#tell(error)
    }
  }

  async #turn(): Promise<number> {
    const { clock, backend } = this.#site
    const next = await this.#promoter.run(() => (this.#lease.isOurs ? this.#lease.backendMs() : 0))
    if (clock.monotonicMs() - this.#reapedAtMs >= REAP_MS) {
      this.#reapedAtMs = clock.monotonicMs()
      await reap(backend, this.#stream)
    }
    const untilMs = next === undefined ? LOOK_MS_MAX : next - this.#lease.backendMs()
    return Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, untilMs))
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#site.clock.setBackgroundTimer(ms, resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
    this.#wake = undefined
  }

  #tell(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // A listener's own mistake must not stop the work; there is nobody else to tell.
    }
  }
}
