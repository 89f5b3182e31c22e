/**
 * What becomes of an entry whose handler did not simply succeed: one owner-checked step each.
 *
 *   ackWith ─────────────────────────────► effects and acknowledgement
 *   retryAfter, thrown, attempts left ───► retry.ts            thrown, none left ──► dead-letter.ts (failed)
 *   fail, isFatal ───────────────────────► dead-letter.ts (fatal)
 *   refused: another has it now ─────────► lost, nothing was done
 */
import type { Step } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { type RetryPolicy, waitAfter } from './backoff.ts'
import { countDelivery } from './count-delivery.ts'
import { deadLetterStep } from './dead-letter.ts'
import type { Lease } from './lease.ts'
import { AckWith, Failed, type Outcome, RetryAfter } from './outcome.ts'
import { concluding, retryStep } from './retry.ts'
import { takeStep } from './take-step.ts'
import type { DeadLetterReason, WorkerEvent } from './worker-event.ts'

export interface TransitionsSite {
  readonly clock: Clock
  readonly policy: RetryPolicy
  readonly onEvent: (event: WorkerEvent) => void
  /** A lease is to run again, after it has waited in the worker. */
  readonly again: (lease: Lease) => void
  /** A lease has ended, in whatever way. */
  readonly onDone: (lease: Lease) => void
}

export class Transitions {
  readonly #site: TransitionsSite
  readonly #giveUp = new AbortController()
  readonly #underWay = new Set<Promise<void>>()

  constructor(site: TransitionsSite) {
    this.#site = site
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** No more repetitions. */
  giveUp(): void {
    this.#giveUp.abort()
  }

  /** The handler returned or threw this. */
  conclude(lease: Lease, outcome: Outcome): void {
    if (outcome instanceof AckWith) this.#start(lease, async () => await this.#acknowledgeWith(lease, outcome))
    else this.failed(lease, outcome)
  }

  /** The handler threw. */
  failed(lease: Lease, error: unknown): void {
    if (lease.isLost) return this.#site.onDone(lease)
    if (error instanceof AckWith) return this.conclude(lease, error)
    const { policy, clock, onEvent } = this.#site
    if (!(error instanceof RetryAfter || error instanceof Failed)) onEvent({ type: 'error', error, id: lease.id })
    if (error instanceof Failed || isFatal(error, policy)) return this.deadLetter(lease, 'fatal', error)
    if (lease.attempt >= policy.maxAttempts) return this.deadLetter(lease, 'failed', error)
    const waitMs = error instanceof RetryAfter ? error.afterMs : waitAfter(lease.attempt, policy, clock)
    const cause = error instanceof RetryAfter && error.cause !== undefined ? error.cause : error
    if (policy.wait === 'delayed') this.#start(lease, async () => await this.#retry(lease, waitMs, cause))
    else if (policy.wait === 'worker') this.#waitHere(lease, waitMs, cause)
    else this.#end(lease)
  }

  deadLetter(lease: Lease, reason: DeadLetterReason, error: unknown): void {
    this.#start(lease, async () => {
      const step = (): Step => deadLetterStep(lease, reason, error, lease.lastConsumer)
      if (await this.#take(lease, step)) {
        this.#site.onEvent({ type: 'dead-lettered', id: lease.id, reason, attempts: lease.attempt, error })
      }
    })
  }

  async #acknowledgeWith(lease: Lease, { actions }: AckWith): Promise<void> {
    // Without its place in the group nothing tells a repetition apart: rather no effect than two.
    const step = (): Step => concluding({ ...placeOf(lease), isGone: false }, actions)
    try {
      if (await this.#take(lease, step)) this.#site.onEvent({ type: 'completed', count: 1 })
    } catch (error) {
      // The actions themselves are at fault: as if the handler had thrown.
      if (lease.place === -1) throw error
      this.failed(lease, error)
      return
    }
  }

  async #retry(lease: Lease, waitMs: number, error: unknown): Promise<void> {
    const { attempt, id } = lease
    if (!(await this.#take(lease, () => retryStep(lease, waitMs)))) return
    this.#site.onEvent({ type: 'retried', id, attempt, waitMs, error })
  }

  /** Takes the step and releases the lease; false: it was lost, or this worker gave up. */
  async #take(lease: Lease, step: () => Step): Promise<boolean> {
    const { clock, onEvent } = this.#site
    const { backend, leases } = lease.line
    const onError = (error: unknown): void => onEvent({ type: 'error', error })
    const site = { backend, clock, onError, giveUp: this.#giveUp.signal }
    lease.isConcluding = true
    const outcome = await takeStep(site, step, () => !lease.isLost).finally(() => (lease.isConcluding = false))
    if (outcome === 'refused' && leases.end(lease, new Error(`The lease of ${lease.copyId} was lost`))) {
      onEvent({ type: 'lost', id: lease.id })
    }
    if (outcome === 'taken') this.#end(lease)
    else this.#site.onDone(lease)
    return outcome === 'taken'
  }

  #end(lease: Lease): void {
    lease.line.leases.release(lease)
    this.#site.onDone(lease)
  }

  /** Its lease stays, and so does its place in the order of its key. */
  #waitHere(lease: Lease, waitMs: number, error: unknown): void {
    const { clock, onEvent, onDone } = this.#site
    onEvent({ type: 'retried', id: lease.id, attempt: lease.attempt, waitMs, error })
    const { onEnd } = lease
    const cancel = clock.setTimer(waitMs, () => {
      lease.onEnd = onEnd
      this.#start(lease, async () => await this.#countAgain(lease))
    })
    lease.onEnd = () => {
      cancel()
      onEnd?.()
      onDone(lease)
    }
  }

  /** The next attempt is a delivery like any other: whoever takes the entry over goes on counting. */
  async #countAgain(lease: Lease): Promise<void> {
    const { clock, onEvent, again, onDone } = this.#site
    if (await countDelivery(lease, { clock, onEvent, giveUp: this.#giveUp.signal })) again(lease)
    else onDone(lease)
  }

  /** Nothing is left unlooked at: what no repetition can mend leaves the entry pending, and others find it. */
  #start(lease: Lease, transition: () => Promise<void>): void {
    const underWay = transition()
      .catch((error: unknown) => {
        this.#site.onEvent({ type: 'error', error })
        if (lease.place === -1) this.#site.onDone(lease)
        else this.#end(lease)
      })
      .finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }
}

function placeOf(lease: Lease): Pick<Lease, 'line' | 'copyId'> {
  return { line: lease.line, copyId: lease.copyId }
}

function isFatal(error: unknown, policy: RetryPolicy): boolean {
  try {
    return policy.isFatal(error)
  } catch {
    // A mistake in the caller's own judgement must not cost the entry its attempts.
    return false
  }
}
