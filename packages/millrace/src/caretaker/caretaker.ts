/**
 * Looks after one stream for all processes: whoever has the lease does it, the others wait to take it over.
 *
 *   waiting ──{stream}:lease:caretaker taken──► promote (as it falls due) · trim (5 s) · reap, look for pins (1 min) ──┐
 *      ▲                                            └──────────────── every 500 ms, or earlier when something is due ──┘
 *      └──────────────── lease lost, error ◄─────────────────────────────────────────────────────────────────────────
 *
 * The lease only saves work: each duty is safe when two do it at once. Time is the backend's, asked for with each renewal;
 * between those only the difference of this process's clock is added.
 */
import type { Backend, Step, StepResult } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { backoffMs } from '../pause.ts'
import type { Retention } from '../retention.ts'
import { siblingKey } from '../sibling-key.ts'
import { Promoter } from './promoter.ts'
import { reap } from './reaper.ts'
import { Trimmer } from './trimmer.ts'

/** All in milliseconds. */
export interface CareOptions {
  /** How often new delayed entries are looked for. Default 500. */
  readonly lookMs?: number
  /** How often a stream is trimmed. Default 5,000. */
  readonly trimMs?: number
  /** How often dead consumers and groups that hold up the trimming are looked for. Default 60,000. */
  readonly reapMs?: number
  /** A consumer that owns nothing is removed after being idle for longer. Default 600,000. */
  readonly consumerIdleMs?: number
  /** A group is named when its oldest unfinished entry is older. Default 3,600,000. */
  readonly pinnedAfterMs?: number
}

export interface CaretakerSite {
  readonly backend: Backend
  readonly clock: Clock
  readonly owner: string
  readonly care: CareOptions
  readonly tell: (event: CareEvent) => void
}

const LEASE_MS = 3000
const RENEW_MS = 1000

export class Caretaker {
  /** What the stream keeps; read before each trim. */
  retention: Retention = 'acked'
  readonly #site: CaretakerSite
  readonly #stream: string
  readonly #lease: string
  readonly #promoter: Promoter
  readonly #trimmer: Trimmer
  #running: Promise<void> | undefined
  #cancelTimer: (() => void) | undefined
  #isStopped = false
  #hasLease = false
  #failures = 0
  /** The backend's time, and the monotonic moment when it came: it is at least that much later now. */
  #told = { timeMs: 0, atMs: -Infinity }
  #trimmedMs = -Infinity
  #reapedMs = -Infinity

  /** Begins at once. */
  constructor(site: CaretakerSite, stream: string) {
    this.#site = site
    this.#stream = stream
    this.#lease = siblingKey(stream, 'lease:caretaker')
    this.#promoter = new Promoter(site.backend, stream, (error) => this.#failed(error))
    this.#trimmer = new Trimmer(site.backend, stream, site.tell)
    this.#schedule(0)
  }

  get isFull(): boolean {
    return this.#trimmer.isFull
  }

  /** Ends the duties and gives the lease back. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelTimer?.()
    await this.#running
    if (!this.#hasLease) return
    this.#hasLease = false
    const mine = { kind: 'value', key: this.#lease, oneOf: [this.#site.owner] } as const
    // Where it cannot be given back it ends by itself.
    await this.#site.backend.step({ if: [mine], do: [{ kind: 'remove', key: this.#lease }] }).catch(() => undefined)
  }

  #schedule(afterMs: number): void {
    if (this.#isStopped) return
    this.#cancelTimer = this.#site.clock.setBackgroundTimer(Math.max(0, Math.ceil(afterMs)), () => {
      this.#running = this.#turn()
    })
  }

  async #turn(): Promise<void> {
    let waitMs = RENEW_MS
    try {
      await this.#renew()
      if (this.#hasLease && !this.#isStopped) {
        // First what makes room: with a full memory nothing can be promoted.
        await this.#trimAndReap()
        await this.#promoter.run(this.#now())
        const { lookMs = 500 } = this.#site.care
        waitMs = Math.min(lookMs, Math.max(0, this.#promoter.earliestMs - this.#now()))
      } else if (!this.#isStopped) await this.#lookAtBudget()
      this.#failures = 0
    } catch (error) {
      if (error instanceof StreamError && error.code === 'CLOSED') {
        this.#isStopped = true
        return
      }
      if (this.#failures === 0) this.#failed(error)
      // The wait is at most a second, since what is due is not to be late when the line returns.
      waitMs = Math.min(RENEW_MS, backoffMs(this.#failures++, this.#site.clock))
      this.#told = { ...this.#told, atMs: -Infinity }
    }
    this.#schedule(waitMs)
  }

  async #renew(): Promise<void> {
    const { clock, owner } = this.#site
    if (clock.monotonicMs() - this.#told.atMs < RENEW_MS) return
    const { isTaken, ...rest } = await this.#takeLease({
      if: [{ kind: 'value', key: this.#lease, oneOf: [undefined, owner] }],
      do: [{ kind: 'time' }, { kind: 'set', key: this.#lease, value: owner, expireMs: LEASE_MS }],
    })
    this.#hasLease = isTaken
    if ('results' in rest) this.#told = { timeMs: Number(rest.results[0]), atMs: clock.monotonicMs() }
  }

  /** A full memory refuses the lease as well. Then all of them do what makes room: nobody else would, and two do no harm. */
  async #takeLease(step: Step): Promise<StepResult> {
    const { backend } = this.#site
    try {
      return await backend.step(step)
    } catch (error) {
      if (!(error instanceof StreamError && error.code === 'OUT_OF_MEMORY')) throw error
      return await backend.step({ do: [{ kind: 'time' }] })
    }
  }

  async #trimAndReap(): Promise<void> {
    const { backend, clock, care, tell } = this.#site
    const { trimMs = 5000, reapMs = 60_000, consumerIdleMs = 600_000, pinnedAfterMs = 3_600_000 } = care
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#trimmedMs >= trimMs) {
      this.#trimmedMs = nowMs
      await this.#promoter.look()
      await this.#trimmer.run(this.retention, this.#now())
    }
    if (nowMs - this.#reapedMs < reapMs) return
    this.#reapedMs = nowMs
    await reap(backend, this.#stream, consumerIdleMs, tell)
    if (this.retention !== 'none') await this.#trimmer.findPinned(pinnedAfterMs, this.#now())
  }

  async #lookAtBudget(): Promise<void> {
    const nowMs = this.#site.clock.monotonicMs()
    if (nowMs - this.#trimmedMs < (this.#site.care.trimMs ?? 5000)) return
    this.#trimmedMs = nowMs
    await this.#trimmer.lookAtBudget(this.retention)
  }

  /** The backend's clock, or a little before. */
  #now(): number {
    return this.#told.timeMs + (this.#site.clock.monotonicMs() - this.#told.atMs)
  }

  #failed(error: unknown): void {
    this.#site.tell({ type: 'care-failed', stream: this.#stream, error })
  }
}
