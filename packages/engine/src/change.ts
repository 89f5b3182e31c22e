/**
 * A change is the one unit of mutation: what happened to the data, never what was asked for. A command checks its
 * arguments, decides, and makes changes; the database applies them.
 *
 *   command ──► Change ──► database ──► state
 *                              ├──────► journal
 *                              ├──────► blocked readers
 *                              └──────► live feed
 *
 * Each change is an exact effect: concrete IDs, concrete times, resulting counters. Applying the changes of a history to
 * an empty database gives the same data, down to delivery counts and idle times, whatever the clock or the options say
 * by then.
 *
 * Names (keys, groups, consumers) are byte strings held as latin1 text: binary-safe, and sorted by bytes.
 */
import type { StreamId } from './id.ts'
import type { IdList } from './id-list.ts'
import { IdCell, type NumberId } from './number-id.ts'
import { copyFields, type PackedFields } from './packed-fields.ts'
import type { IdempotencySettings } from './producers.ts'

export type Change =
  | KeyChange
  | EntryAdded
  /** All entries up to and including `through` are gone; `removed` of them had been there. */
  | { readonly kind: 'trimmed'; readonly key: string; readonly through: StreamId; readonly removed: number }
  /** A trim that looks at references took entries one by one; each of them was there. The highest deleted ID stays. */
  | { readonly kind: 'entries-trimmed'; readonly key: string; readonly ids: readonly StreamId[] }
  /** Entries were deleted one by one; each of them was there. */
  | { readonly kind: 'entries-deleted'; readonly key: string; readonly ids: readonly StreamId[] }
  | IdSet
  | GroupCreated
  | GroupSet
  | { readonly kind: 'group-destroyed'; readonly key: string; readonly group: string }
  | {
      readonly kind: 'consumer-created'
      readonly key: string
      readonly group: string
      readonly consumer: string
      readonly atMs: number
    }
  /** Its pending entries are gone with it. */
  | { readonly kind: 'consumer-deleted'; readonly key: string; readonly group: string; readonly consumer: string }
  | ConsumerSeen
  | Delivered
  | Claimed
  | Acknowledged
  /** No longer pending because the stream does not have the entries, or is about to lose them, unacknowledged. */
  | {
      readonly kind: 'pending-dropped'
      readonly key: string
      readonly group: string
      readonly ids: IdList
    }
  | Nacked
  /** How long and how many IDs of producers are remembered was set; a change of either forgets them all. */
  | { readonly kind: 'idempotency-set'; readonly key: string; readonly settings: IdempotencySettings }
  | IidRecorded
  /** A producer sent an entry again, and nothing was added. */
  | { readonly kind: 'iid-repeated'; readonly key: string }
  /** The IDs of producers whose entries have this time or an earlier one were forgotten. */
  | { readonly kind: 'iids-expired'; readonly key: string; readonly throughMs: bigint }
  /** A claim moved the group's position forward (LASTID). */
  | { readonly kind: 'group-advanced'; readonly key: string; readonly group: string; readonly lastId: StreamId }

/** A change to what a key holds, whatever its type. All others are about what is inside a stream. */
export type KeyChange =
  | StreamCreated
  | StringSet
  | KeyRestored
  /** The value and its expiry are now under `to`, in place of whatever was there; `key` is another one, and free. */
  | { readonly kind: 'key-renamed'; readonly key: string; readonly to: string }
  /** The key expires at `atMs`; undefined: no longer. */
  | { readonly kind: 'expiry-set'; readonly key: string; readonly atMs: number | undefined }
  | { readonly kind: 'key-removed'; readonly key: string; readonly reason: 'deleted' | 'expired' }
  /** All keys of the database are gone. */
  | { readonly kind: 'flushed' }

/** A change that concerns two databases, by their numbers (databases.ts). */
export type CrossChange =
  /** What was in one is now in the other. */
  | { readonly kind: 'databases-swapped'; readonly a: number; readonly b: number }
  /** The key, which was free in `to`, went there with its expiry. */
  | { readonly kind: 'key-moved'; readonly key: string; readonly from: number; readonly to: number }
  /** Under `toKey` of `to` (which may be `from`) is a copy with the same expiry, in place of whatever was there. */
  | {
      readonly kind: 'key-copied'
      readonly key: string
      readonly from: number
      readonly toKey: string
      readonly to: number
    }

/** The key holds this string now, in place of whatever was there. */
export interface StringSet {
  readonly kind: 'string-set'
  readonly key: string
  /** The caller's own bytes, to be copied by who keeps the change. */
  readonly value: Uint8Array
  /** When the key expires; undefined: not, whatever held before. */
  readonly expiresAtMs: number | undefined
}

/** The key holds what a payload of DUMP says, in place of whatever was there. */
export interface KeyRestored {
  readonly kind: 'key-restored'
  readonly key: string
  /** The caller's own bytes, to be copied by who keeps the change. They can be read: rdb/dump-reader.ts. */
  readonly payload: Uint8Array
  /** When the key expires; undefined: not, whatever held before. */
  readonly expiresAtMs: number | undefined
}

/** The key was free; now there is an empty stream. */
export interface StreamCreated {
  readonly kind: 'stream-created'
  readonly key: string
  /** Absent: 100 seconds, 100 IDs. */
  readonly idempotency?: IdempotencySettings
}

/** A producer's own ID of an entry is remembered from now on (XADD IDMP). */
export interface IidRecorded {
  readonly kind: 'iid-recorded'
  readonly key: string
  readonly producer: string
  readonly iid: string
  readonly id: StreamId
}

/**
 * The hot changes are carried in the form in which they are made: IDs in numbers (`toStreamId` makes the exact pair),
 * fields where the caller has them, IDs in columns. They hold during the commit only: whoever keeps a change copies it
 * (`copyChange`).
 */
export interface EntryAdded {
  readonly kind: 'entry-added'
  readonly key: string
  readonly id: NumberId
  readonly fields: PackedFields
  /** The entry begins a new logical node (nodes.ts), by the limits that held when it was added. */
  readonly startsNode: boolean
}

/** Entries are done: each of them was pending. */
export interface Acknowledged {
  readonly kind: 'acknowledged'
  readonly key: string
  readonly group: string
  readonly ids: IdList
}

/** XSETID: the stream's counters were set. */
export interface IdSet {
  readonly kind: 'id-set'
  readonly key: string
  readonly lastId: StreamId
  readonly entriesAdded: number
  readonly maxDeletedId: StreamId
}

export interface GroupCreated {
  readonly kind: 'group-created'
  readonly key: string
  readonly group: string
  readonly lastId: StreamId
  readonly entriesRead: number | undefined
}

export interface GroupSet {
  readonly kind: 'group-set'
  readonly key: string
  readonly group: string
  readonly lastId: StreamId
  readonly entriesRead: number | undefined
}

/** A consumer tried to read or claim. */
export interface ConsumerSeen {
  readonly kind: 'consumer-seen'
  readonly key: string
  readonly group: string
  readonly consumer: string
  readonly seenMs: number
  /** When it last got something, as it is after this change; undefined: never. */
  readonly activeMs: number | undefined
}

/**
 * New entries went to a consumer, which exists: the first `count` of those that are there above the group's position
 * before. Replaying a history meets the same entries.
 */
export interface Delivered {
  readonly kind: 'delivered'
  readonly key: string
  readonly group: string
  readonly consumer: string
  readonly count: number
  /** Also their delivery time, and the time at which the consumer was seen. */
  readonly atMs: number
  /** False with NOACK: nothing became pending, and the consumer did not become active. */
  readonly pending: boolean
  /** The last of them: the group's position afterwards. */
  readonly lastId: NumberId
  readonly entriesRead: number | undefined
}

/**
 * Entries are now pending for a consumer, which exists, whoever had them before: XCLAIM, XAUTOCLAIM, or the consumer
 * reading its own history.
 */
export interface Claimed {
  readonly kind: 'claimed'
  readonly key: string
  readonly group: string
  readonly consumer: string
  /** In any order; where one comes twice, its last count holds. */
  readonly ids: IdList
  /** Their delivery time now. */
  readonly atMs: number
  /** How often each has been delivered now. */
  readonly counts: Float64Array
}

/** XNACK: entries are pending for nobody now; those that were not pending before are. */
export interface Nacked {
  readonly kind: 'nacked'
  readonly key: string
  readonly group: string
  /** In the order in which they went to the end of the zone; one can come twice. */
  readonly ids: readonly StreamId[]
  /** How often each has been delivered, as it is told now. */
  readonly counts: readonly number[]
}

/** The same change, to be kept: it shares nothing that somebody will write to. */
export function copyChange(change: Change): Change
export function copyChange(change: Change | CrossChange): Change | CrossChange
export function copyChange(change: Change | CrossChange): Change | CrossChange {
  if (change.kind === 'entry-added') {
    return { ...change, id: IdCell.copyOf(change.id), fields: copyFields(change.fields) }
  }
  // Not `slice`: a Buffer's shares its bytes.
  if (change.kind === 'string-set') return { ...change, value: new Uint8Array(change.value) }
  if (change.kind === 'key-restored') return { ...change, payload: new Uint8Array(change.payload) }
  if (change.kind === 'delivered') return { ...change, lastId: IdCell.copyOf(change.lastId) }
  if (change.kind === 'claimed') return { ...change, ids: change.ids.copy(), counts: change.counts.slice() }
  if (change.kind === 'acknowledged' || change.kind === 'pending-dropped') return { ...change, ids: change.ids.copy() }
  return change
}

export function unreachable(value: never): never {
  throw new TypeError(`A case is missing for ${JSON.stringify(value)}`)
}
