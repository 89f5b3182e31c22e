/**
 * Renews the leases of everything a worker holds, three times per lease, and finds out which ones are lost.
 *
 * XCLAIM … JUSTID to oneself resets the idle time without raising the delivery count. It is checked against the
 * owner, else a stale worker would steal its old entries back.
 */

import type { Backend } from './backend.ts'
import { Duty } from './duty.ts'
import type { Leases } from './lease.ts'
import type { WorkerEvent } from './worker.ts'

export interface HeartbeatSite {
  readonly backend: Backend
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly leases: Leases
  readonly leaseMs: number
  readonly onEvent: (event: WorkerEvent) => void
}

export class Heartbeat {
  readonly #site: HeartbeatSite
  readonly #duty: Duty

  constructor(site: HeartbeatSite) {
    this.#site = site
    this.#duty = new Duty(
      async () => await this.#beat(),
      () => site.leaseMs / 3,
    )
  }

  async stop(): Promise<void> {
    await this.#duty.stop()
  }

  async #beat(): Promise<void> {
    const { backend, stream, group, consumer, leases, onEvent } = this.#site
    const ids = leases.ids()
    if (ids.length === 0) return
    const sentAtMs = performance.now()
    try {
      const claim = { minIdleMs: 0, ids, ifOwner: consumer, justId: true }
      const { entries, deleted } = await backend.claim(stream, group, consumer, claim)
      // A deleted entry is nobody's any more: its handler may as well finish.
      for (const id of deleted) leases.gone(id)
      const ours = new Set([...entries.map((entry) => entry.id), ...deleted])
      for (const id of ids) {
        if (ours.has(id)) leases.renew(id, sentAtMs)
        else this.#lose(id, 'another consumer owns it now')
      }
      if (deleted.length > 0) onEvent({ type: 'deleted', ids: deleted })
    } catch (error) {
      onEvent({ type: 'error', error })
    }
    for (const id of leases.expired(performance.now())) this.#lose(id, 'it could not be renewed in time')
  }

  #lose(id: Parameters<Leases['lose']>[0], why: string): void {
    if (this.#site.leases.lose(id, new Error(`The lease of ${id} was lost: ${why}`))) {
      this.#site.onEvent({ type: 'lost', id })
    }
  }
}
