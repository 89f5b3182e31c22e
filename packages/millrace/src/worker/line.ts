/**
 * One stream that a worker reads: what it holds of it, and how far it has seen it.
 *
 *   home       orders                     the stream whose siblings are used
 *   stream     orders  or  {orders}:retry:g
 */
import type { Backend, EntryId } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { isBelow } from './id-order.ts'
import { type Lease, Leases } from './lease.ts'

export interface LineSite {
  readonly backend: Backend
  readonly clock: Clock
  readonly stream: string
  readonly home: string
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
  /** A lease that turned out to be lost. */
  readonly onLost: (lease: Lease) => void
}

export class Line {
  readonly backend: Backend
  readonly clock: Clock
  readonly stream: string
  readonly home: string
  readonly group: string
  readonly consumer: string
  readonly leases: Leases
  readonly onLost: (lease: Lease) => void
  /** The newest entry that this worker was given as new. */
  seenId: EntryId | undefined = undefined
  /** Up to where the group had been given entries when it was last looked at; undefined: never looked at. */
  deliveredId: EntryId | undefined = undefined
  /** Its group could not be made, since the memory is full: it is not read, and made when there is room. */
  isWaiting = false
  /** How many entries the stream has had when it was last looked at. */
  entriesAdded: number | undefined = undefined

  constructor(site: LineSite) {
    this.backend = site.backend
    this.clock = site.clock
    this.stream = site.stream
    this.home = site.home
    this.group = site.group
    this.consumer = site.consumer
    this.leases = new Leases(site.leaseMs)
    this.onLost = site.onLost
  }

  get isRetry(): boolean {
    return this.stream !== this.home
  }

  /** The last ID that is known to have been delivered to the group; undefined before the group was first seen. */
  get knownId(): EntryId | undefined {
    const { seenId, deliveredId } = this
    if (seenId === undefined || deliveredId === undefined) return seenId ?? deliveredId
    return isBelow(seenId, deliveredId) ? deliveredId : seenId
  }

  /** What is known of the stream is of one that is no more. */
  restartAt(id: EntryId): void {
    this.seenId = undefined
    this.entriesAdded = undefined
    this.deliveredId = id
  }
}
