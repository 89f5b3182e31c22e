/** What a worker tells about its work: events, one by one, and counts. */

import type { EntryId } from '../backend.ts'

export type DeadLetterReason =
  /** All attempts failed. */
  | 'failed'
  /** The handler said so, or `isFatal` did. */
  | 'fatal'
  /** It was delivered more often than `maxAttempts`: its workers did not live to tell. */
  | 'worker-died'
  /** Its fields are not what the stream's codec or schema expects. */
  | 'undecodable'

/** An `id` is that of the message: a retry's copy has the ID of the entry that was first added. */
export type WorkerEvent =
  /** So many entries were handled and acknowledged. Told once for a batch of acknowledgements. */
  | { readonly type: 'completed'; readonly count: number }
  /** With an `id` the handler threw (or the entry could not be decoded); else a request failed. */
  | { readonly type: 'error'; readonly error: unknown; readonly id?: EntryId }
  /** After this attempt it waits for the next one. */
  | {
      readonly type: 'retried'
      readonly id: EntryId
      readonly attempt: number
      readonly waitMs: number
      readonly error: unknown
    }
  | {
      readonly type: 'dead-lettered'
      readonly id: EntryId
      readonly reason: DeadLetterReason
      readonly attempts: number
      readonly error: unknown
    }
  /** The lease ended while the entry was in hand; its result is dropped. */
  | { readonly type: 'lost'; readonly id: EntryId }
  /** Entries of others that had been left, taken over. */
  | { readonly type: 'taken-over'; readonly count: number }
  /** Given back unfinished, so that others take them at once. */
  | { readonly type: 'handed-back'; readonly ids: readonly EntryId[] }
  /** Entries that were trimmed or deleted before they were acknowledged: lost, unless somebody meant it. */
  | { readonly type: 'deleted'; readonly ids: readonly EntryId[] }
  /** The group did not exist, or no longer. */
  | { readonly type: 'group-created' }
  /** Of an ordered stream: this worker alone runs the partition's entries from now on. */
  | { readonly type: 'partition-taken'; readonly partition: string }
  | { readonly type: 'partition-released'; readonly partition: string; readonly reason: PartitionReleaseReason }
  | DataLossSuspected

export type PartitionReleaseReason =
  /** Another worker is to have it: workers came or went. */
  | 'rebalanced'
  | 'stopped'
  /** Its lease could not be renewed in time, or is another's. */
  | 'lost'

/**
 * Where the group or its stream is not what it was. Entries that were pending in a group that is gone will not come again,
 * but for those that a worker has in hand; of a stream that went back, all above `streamLastId` are gone.
 */
export interface DataLossSuspected {
  readonly type: 'data-loss-suspected'
  readonly stream: string
  readonly reason: 'group-missing' | 'stream-missing' | 'stream-went-back'
  /** Up to here entries had been delivered to the group, as far as this worker knows. */
  readonly lastKnownId: EntryId
  /** Undefined: the stream was missing. */
  readonly streamLastId: EntryId | undefined
  /** The group goes on after this one. */
  readonly resumedAfter: EntryId
}

/** Since the worker began. `running` and `buffered` are of now. */
export interface WorkerCounts {
  readonly completed: number
  /** Attempts that threw. */
  readonly failed: number
  readonly retried: number
  readonly deadLettered: number
  readonly lost: number
  readonly deleted: number
  readonly takenOver: number
  readonly handedBack: number
  readonly errors: number
  readonly running: number
  readonly buffered: number
}

export class Counts {
  completed = 0
  failed = 0
  retried = 0
  deadLettered = 0
  lost = 0
  deleted = 0
  takenOver = 0
  handedBack = 0
  errors = 0

  note(event: WorkerEvent): void {
    switch (event.type) {
      case 'completed':
        this.completed += event.count
        return
      case 'error':
        if (event.id === undefined) this.errors++
        else this.failed++
        return
      case 'retried':
        this.retried++
        return
      case 'dead-lettered':
        this.deadLettered++
        return
      case 'lost':
        this.lost++
        return
      case 'taken-over':
        this.takenOver += event.count
        return
      case 'handed-back':
        this.handedBack += event.ids.length
        return
      case 'deleted':
        this.deleted += event.ids.length
        return
      case 'group-created':
      case 'partition-taken':
      case 'partition-released':
      case 'data-loss-suspected':
    }
  }
}
