/**
 * Renews the leases of everything a worker holds, also of what is only buffered, three times per lease, and finds out which
 * ones are lost. Their time is looked at on its own: a renewal that waits for a dead line must not keep an expired lease alive.
 *
 * XCLAIM … JUSTID to oneself resets the idle time without raising the delivery count. It is checked against the
 * owner, else a stale worker would steal its old entries back.
 */
import type { Clock } from '../clock.ts'
import { Duty } from '../duty.ts'
import { StreamError } from '../errors.ts'
import type { Lease } from './lease.ts'
import type { Line } from './line.ts'
import type { WorkerEvent } from './worker-event.ts'

/** How late the end of a lease may be noticed, at most. */
const EXPIRY_MS_MAX = 1000
/** So many are renewed by one request. */
const BATCH_MAX = 1000

export interface HeartbeatSite {
  readonly clock: Clock
  readonly lines: () => readonly Line[]
  readonly leaseMs: number
  readonly onEvent: (event: WorkerEvent) => void
}

export class Heartbeat {
  readonly #site: HeartbeatSite
  readonly #beats: Duty
  readonly #expiry: Duty
  /** When the renewal under way was sent; undefined: none is. */
  #sentAtMs: number | undefined

  constructor(site: HeartbeatSite) {
    this.#site = site
    this.#beats = new Duty(
      async () => await this.#beat(),
      () => site.leaseMs / 3,
      site.clock,
    )
    this.#expiry = new Duty(
      async () => {
        if (this.#hasWaited()) this.#loseExpired()
      },
      () => Math.min(site.leaseMs / 10, EXPIRY_MS_MAX),
      site.clock,
    )
  }

  async stop(): Promise<void> {
    await Promise.all([this.#beats.stop(), this.#expiry.stop()])
  }

  async #beat(): Promise<void> {
    this.#sentAtMs = this.#site.clock.monotonicMs()
    await Promise.all(this.#site.lines().map((line) => this.#renewAll(line)))
    this.#sentAtMs = undefined
    this.#loseExpired()
  }

  async #renewAll(line: Line): Promise<void> {
    const held = line.leases.all()
    for (let i = 0; i < held.length; i += BATCH_MAX) await this.#renew(line, held.slice(i, i + BATCH_MAX))
  }

  async #renew(line: Line, held: readonly Lease[]): Promise<void> {
    const { onEvent, clock } = this.#site
    const { backend, stream, group, consumer, leases } = line
    const sentAtMs = clock.monotonicMs()
    try {
      const ids = held.map((lease) => lease.copyId)
      const claim = { minIdleMs: 0, ids, ifOwner: consumer, justId: true }
      const { entries, deleted } = await backend.claim(stream, group, consumer, claim)
      const ours = new Set(entries.map((entry) => entry.id))
      const gone = new Set(deleted)
      for (const lease of held) {
        // A deleted entry is nobody's any more: its handler may as well finish.
        if (gone.has(lease.copyId)) lease.isGone = true
        if (ours.has(lease.copyId) || lease.isGone) leases.renew(lease, sentAtMs)
        else if (!lease.isConcluding) this.#lose(lease, 'another consumer owns it now')
      }
      if (deleted.length > 0) onEvent({ type: 'deleted', ids: deleted })
    } catch (error) {
      // Without its group the entry is nobody's: the reader makes the group again, and says so.
      if (!(error instanceof StreamError && error.code === 'GROUP_NOT_FOUND')) onEvent({ type: 'error', error })
    }
  }

  /** After this process was held up, a renewal that has only just been sent may still be in time. */
  #hasWaited(): boolean {
    const { clock, leaseMs } = this.#site
    return this.#sentAtMs !== undefined && clock.monotonicMs() - this.#sentAtMs >= leaseMs / 3
  }

  #loseExpired(): void {
    const nowMs = this.#site.clock.monotonicMs()
    for (const line of this.#site.lines()) {
      for (const lease of line.leases.all()) {
        if (lease.expiresAtMs <= nowMs) this.#lose(lease, 'it could not be renewed in time')
      }
    }
  }

  #lose(lease: Lease, why: string): void {
    const reason = new Error(`The lease of ${lease.copyId} was lost: ${why}`)
    if (lease.line.leases.lose(lease, reason)) this.#site.onEvent({ type: 'lost', id: lease.id })
  }
}
