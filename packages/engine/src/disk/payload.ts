/**
 * A payload is changes as bytes: what the journal writes between two commits, and reads again.
 *
 *   │ version │ change │ change │ … │                nothing refers to another payload, so each can be read alone
 *
 *   change    [database] op …                        ops: see `OP`; the parts behind each: change-writer.ts
 *   database  op `database`, number                  only where it is another one than that of the change before (first: 0)
 *
 *   integer   LEB128, up to 2^53 - 1                 1 byte below 128, 8 at most
 *   number    0 = undefined, 1 and 8 bytes of a float, n = a whole number: n - 2 is its distance from a base, doubled, and
 *             one less than doubled where the distance is below 0. The base of a time is the time before, else 0
 *   text      0 and the text, which gets the next number; n = the text that has number n - 1
 *   a text    integer: characters doubled, plus 1 where they take two bytes each (none of ours do, but nothing is lost)
 *   names     n below `NAME_SLOTS` = the names in that slot; else they follow (how many, then length and bytes of each) and
 *             are put into slot n - `NAME_SLOTS`
 *   bytes     length, then themselves
 *
 *   id        │ mode 3 bits │ distance 5 bits │       31 = more follows as an integer
 *     above     the ms of the ID before, and its seq + 1 + distance
 *     same      the ms of the ID before, and the distance is the seq
 *     later     its ms + 1 + distance, then the seq
 *     earlier   its ms - 1 - distance, then the seq
 *     wide      ms and seq, 8 bytes each; the ID before stays what it was (first: 0-0)
 *
 * Entries of one stream follow each other, so that their IDs, times and names take a byte each.
 */

/** Stands at the beginning of a payload. Another one is refused. */
export const PAYLOAD_VERSION = 1

/** How many sets of names are known at a time. */
export const NAME_SLOTS = 8

export const ID_ABOVE = 0
export const ID_SAME_MS = 1
export const ID_LATER = 2
export const ID_EARLIER = 3
export const ID_WIDE = 4
export const ID_DISTANCE_BITS = 5
/** The distance does not fit: what is missing follows. */
export const ID_DISTANCE_MORE = 31

export const NUMBER_UNDEFINED = 0
export const NUMBER_FLOAT = 1
/** What a distance is stored above. */
export const NUMBER_DISTANCE = 2

/** What a change begins with. Numbers are never given to another kind. */
export const OP = {
  database: 0,
  entryAdded: 1,
  entryAddedInNewNode: 2,
  delivered: 3,
  deliveredDone: 4,
  acknowledged: 5,
  claimed: 6,
  pendingDropped: 7,
  consumerSeen: 8,
  trimmed: 9,
  entriesTrimmed: 10,
  entriesDeleted: 11,
  idSet: 12,
  groupCreated: 13,
  groupSet: 14,
  groupAdvanced: 15,
  groupDestroyed: 16,
  consumerCreated: 17,
  consumerDeleted: 18,
  nacked: 19,
  idempotencySet: 20,
  iidRecorded: 21,
  iidRepeated: 22,
  iidsExpired: 23,
  streamCreated: 24,
  stringSet: 25,
  keyRenamed: 26,
  expirySet: 27,
  keyDeleted: 28,
  keyExpired: 29,
  flushed: 30,
  databasesSwapped: 31,
  keyMoved: 32,
  keyCopied: 33,
  keyRestored: 34,
} as const

/** Bytes are not a payload that this program reads. Whoever read them from a file knows its name and makes the error of it. */
export class PayloadError extends Error {
  /** `newer`: of a version that this program does not know. */
  readonly reason: 'malformed' | 'newer'
  /** Where in the bytes. */
  readonly offset: number

  constructor(reason: 'malformed' | 'newer', offset: number, message: string) {
    super(`${message}, at offset ${offset}`)
    this.name = 'PayloadError'
    this.reason = reason
    this.offset = offset
  }
}
