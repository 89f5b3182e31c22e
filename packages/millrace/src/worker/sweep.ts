/**
 * Takes over what was delivered and then left: by a worker that died, by a handler that failed, by a reply that
 * was lost. Such an entry has been idle for longer than its lease.
 */

import type { Backend, ClaimedEntry, EntryId } from '../backend.ts'
import { Duty } from '../duty.ts'
import type { WorkerEvent } from './worker.ts'

export interface SweepSite {
  readonly backend: Backend
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
  readonly sweepMs: number
  /** How many entries the worker can take now. */
  readonly free: () => number
  readonly take: (entry: ClaimedEntry, sentAtMs: number) => void
  readonly onEvent: (event: WorkerEvent) => void
}

export class Sweep {
  readonly #site: SweepSite
  readonly #duty: Duty

  constructor(site: SweepSite) {
    this.#site = site
    this.#duty = new Duty(
      async (signal) => await this.#run(signal),
      // Jitter, so that the workers of a group do not all sweep at once.
      () => site.sweepMs * (0.75 + Math.random() / 2),
    )
  }

  async stop(): Promise<void> {
    await this.#duty.stop()
  }

  /** One pass over the pending list, ended early when the worker is full. */
  async #run(signal: AbortSignal): Promise<void> {
    const { backend, stream, group, consumer, leaseMs, free, take, onEvent } = this.#site
    let from = '0-0' as EntryId
    try {
      do {
        const count = free()
        if (count <= 0) return
        const sentAtMs = performance.now()
        const found = await backend.claim(stream, group, consumer, { minIdleMs: leaseMs, from, count })
        if (found.deleted.length > 0) onEvent({ type: 'deleted', ids: found.deleted })
        for (const entry of found.entries) take(entry, sentAtMs)
        from = found.next
      } while (from !== '0-0' && !signal.aborted)
    } catch (error) {
      // The next pass tries again.
      onEvent({ type: 'error', error })
    }
  }
}
