/**
 * Counts another delivery of an entry that this worker has already: whoever takes it over goes on counting. XCLAIM to oneself,
 * if it is still ours.
 */
import type { Clock } from '../clock.ts'
import { backoffMs, pause } from '../pause.ts'
import type { Lease } from './lease.ts'
import { isPassing } from './take-step.ts'
import type { WorkerEvent } from './worker-event.ts'

export interface CountSite {
  readonly clock: Clock
  readonly onEvent: (event: WorkerEvent) => void
  /** Ends the repetitions. */
  readonly giveUp: AbortSignal
}

/** False: it is not ours any more, or this worker gave up. Rejects with what no repetition can mend. */
export async function countDelivery(lease: Lease, { clock, onEvent, giveUp }: CountSite): Promise<boolean> {
  const { backend, stream, group, consumer, leases } = lease.line
  for (let failures = 0; !lease.isLost && !giveUp.aborted; failures++) {
    try {
      const sentAtMs = clock.monotonicMs()
      const claim = { minIdleMs: 0, ids: [lease.copyId], ifOwner: consumer }
      const [entry] = (await backend.claim(stream, group, consumer, claim)).entries
      if (entry === undefined) {
        if (leases.end(lease, new Error(`The lease of ${lease.copyId} was lost`)))
          onEvent({ type: 'lost', id: lease.id })
        return false
      }
      lease.deliveries = entry.deliveries
      leases.renew(lease, sentAtMs)
      return true
    } catch (error) {
      if (!isPassing(error)) throw error
      onEvent({ type: 'error', error })
      await pause(backoffMs(failures, clock), giveUp, clock)
    }
  }
  return false
}
