/**
 * What brings entries into a worker. The default reads new ones (worker-reader.ts) and takes over what others left (sweep.ts);
 * an ordered stream's reads the partitions that the worker has leases of.
 *
 *   Intake ──take──► WorkQueue ──► handler
 *     └── room? ◄── worker
 */
import type { Backend, ClaimedEntry, DeliveredEntry, EntryId } from '../backend.ts'
import type { Clock } from '../clock.ts'
import type { Lease } from './lease.ts'
import type { Line } from './line.ts'
import type { WorkerEvent } from './worker-event.ts'

export interface IntakeSite {
  readonly backend: Backend
  readonly clock: Clock
  readonly group: string
  readonly consumer: string
  readonly leaseMs: number
  readonly sweepMs: number
  readonly blockMs: number
  readonly from: EntryId | '$'
  readonly onEvent: (event: WorkerEvent) => void
  /** The streams that are read now. */
  readonly lines: () => readonly Line[]
  /** Begins to hold entries of a stream. `home` is the stream whose siblings are used: itself, but for a retry stream. */
  readonly openLine: (stream: string, home: string) => Line
  /**
   * Gives a stream up: what is held of it is dropped, its handlers' signals abort. It stays pending, under this
   * consumer. Resolves when acknowledgements on their way are answered, after 2 s at the latest.
   */
  readonly closeLine: (line: Line, reason: Error) => Promise<void>
  /** How many entries the worker wants now; 0: none. */
  readonly room: () => number
  /** Resolves when there may be room again, or when the signal aborts. */
  readonly untilRoom: (signal: AbortSignal) => Promise<void>
  /** Entries delivered by a request sent at `sentAtMs` (monotonic). They are to be held from now on, and are not yet. */
  readonly take: (line: Line, entries: readonly (DeliveredEntry | ClaimedEntry)[], sentAtMs: number) => void
  /** Keeps one handler's place free, and resolves when there is one; false: the signal aborted. Then call `start` or `freePlace`. */
  readonly untilPlace: (signal: AbortSignal) => Promise<boolean>
  /** Runs a lease in the place that was kept, past the queue. */
  readonly start: (lease: Lease) => void
  readonly freePlace: () => void
  /** The queue has something to run, or there is room. */
  readonly wake: () => void
}

export interface Intake {
  /** Reads on or not. What was read is taken. */
  pause(isPaused: boolean): void
  /** No more is taken after it resolves. */
  stop(): Promise<void>
  /** The worker has ended: nothing is in hand any more. Never rejects. */
  leave?(): Promise<void>
}
