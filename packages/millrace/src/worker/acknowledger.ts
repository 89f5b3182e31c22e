/**
 * Acknowledgements of one line in batches: one settle on its way at a time, the next takes what came meanwhile, at most 1,000.
 *
 *   done, done, done ──► settle ──answer──► released
 *   done, done ──────────► waiting ──► settle …
 *
 * A settle is checked against the owner and may be repeated, so a lost reply is answered by settling again; what
 * is missing from the second answer was acknowledged by the first.
 */
import type { EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { backoffMs, pause } from '../pause.ts'
import type { Lease } from './lease.ts'
import type { Line } from './line.ts'
import { isPassing } from './take-step.ts'
import type { WorkerEvent } from './worker-event.ts'

const BATCH_MAX = 1000

export interface AcknowledgerSite {
  readonly line: Line
  readonly onEvent: (event: WorkerEvent) => void
  /** Called after each batch: there may be room again. */
  readonly onSettled: () => void
}

export class Acknowledger {
  readonly #site: AcknowledgerSite
  readonly #giveUp = new AbortController()
  #waiting: Lease[] = []
  #isSending = false
  #isScheduled = false
  /** Who waits for the last answer: whoever closes the line, and whoever stops the worker. */
  readonly #idle: (() => void)[] = []

  constructor(site: AcknowledgerSite) {
    this.#site = site
  }

  /** Hot. It is sent by the next `flush`, or once this turn's promises have run. */
  acknowledge(lease: Lease): void {
    lease.isSettling = true
    this.#waiting.push(lease)
    if (this.#isScheduled || this.#isSending) return
    this.#isScheduled = true
    queueMicrotask(this.#scheduled)
  }

  /** Sends what is waiting, unless something is on its way: then it follows. */
  flush(): void {
    if (!this.#isSending && this.#waiting.length > 0) void this.#send()
  }

  /** Sends what is waiting; resolves when everything is answered, or after `graceMs`, whatever is left unanswered. */
  async stop(graceMs: number): Promise<void> {
    this.flush()
    if (!this.#isSending) return
    const { clock } = this.#site.line
    const cancel = clock.setTimer(graceMs, () => this.#giveUp.abort())
    await new Promise<void>((resolve) => this.#idle.push(resolve))
    cancel()
  }

  readonly #scheduled = (): void => {
    this.#isScheduled = false
    this.flush()
  }

  async #send(): Promise<void> {
    this.#isSending = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.length <= BATCH_MAX ? this.#waiting : this.#waiting.slice(0, BATCH_MAX)
      this.#waiting = this.#waiting.length <= BATCH_MAX ? [] : this.#waiting.slice(BATCH_MAX)
      this.#release(batch, await this.#settle(batch))
      this.#site.onSettled()
    }
    this.#isSending = false
    for (const idle of this.#idle.splice(0)) idle()
  }

  /** Which were acknowledged; `true`: all of them. Never rejects. */
  async #settle(batch: readonly Lease[]): Promise<ReadonlySet<EntryId> | true> {
    const { backend, stream, group, consumer, clock } = this.#site.line
    const ids: EntryId[] = []
    for (let i = 0; i < batch.length; i++) ids.push(batch[i]!.copyId)
    let isRepeated = false
    for (let failures = 0; ; failures++) {
      try {
        const settled = await backend.settle(stream, group, consumer, ids)
        return isRepeated || settled.length === ids.length ? true : new Set(settled)
      } catch (error) {
        if (error instanceof StreamError && error.code === 'OUTCOME_UNKNOWN') isRepeated = true
        if (isGroupMissing(error)) {
          // The reader makes the group again and tells what that means: here is nothing left to acknowledge.
          for (const lease of batch) lease.isGone = true
          return new Set()
        }
        this.#site.onEvent({ type: 'error', error })
        if (!isPassing(error)) return new Set()
        await pause(backoffMs(failures, clock), this.#giveUp.signal, clock)
        if (this.#giveUp.signal.aborted) return new Set()
      }
    }
  }

  #release(batch: readonly Lease[], settled: ReadonlySet<EntryId> | true): void {
    const { line, onEvent } = this.#site
    let count = batch.length
    for (let i = 0; i < batch.length; i++) {
      const lease = batch[i]!
      if (settled !== true && !settled.has(lease.copyId)) {
        // Its entry or its group is gone: it was handled all the same.
        if (!lease.isGone) {
          count--
          onEvent({ type: 'lost', id: lease.id })
        }
      }
      line.leases.release(lease)
    }
    if (count > 0) onEvent({ type: 'completed', count })
  }
}

function isGroupMissing(error: unknown): boolean {
  return error instanceof StreamError && error.code === 'GROUP_NOT_FOUND'
}
