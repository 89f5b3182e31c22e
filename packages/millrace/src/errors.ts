/**
 * One error class for what the world does to us (a peer, a disk, a caller's argument).
 * Our own broken invariants are `assert`s and are never caught.
 *
 * Every code is a heading in docs/errors.md: when it happens and what to do.
 */

export type StreamErrorCode =
  /** An argument is not what the call expects; nothing was sent or changed. */
  | 'BAD_ARGUMENT'
  /** A string that is not `<ms>-<seq>` with two unsigned 64-bit decimals. */
  | 'BAD_ID'
  /** An explicit ID that is not above the stream's last ID. */
  | 'ID_TOO_SMALL'
  /** `ifLastId` did not match: somebody else appended, or the stream went back in time. */
  | 'LAST_ID_MISMATCH'
  /** A value is not what the stream's schema says: the message names the path. Nothing was added. */
  | 'INVALID_ENTRY'
  /** An entry is larger than the stream's limit. Nothing was added. */
  | 'ENTRY_TOO_LARGE'
  /** Too many adds wait already (`maxWaiting`): the producer is faster than its backend. Nothing was added. */
  | 'OVERLOADED'
  /** The backend cannot do what was asked for, whatever is tried. Nothing was changed. */
  | 'UNSUPPORTED'
  /** Another run of this effect is on its way. Nothing was run. */
  | 'IN_PROGRESS'
  /** A lease was lost before what it covered could be finished: another may have taken over. */
  | 'LEASE_LOST'
  /** The entry was added but not kept as asked for in time: it may be lost with the server. */
  | 'NOT_DURABLE'
  /** The stream has used the highest possible ID. */
  | 'IDS_EXHAUSTED'
  /** The stream does not exist. */
  | 'STREAM_NOT_FOUND'
  /** The consumer group (or its stream) does not exist. */
  | 'GROUP_NOT_FOUND'
  /** The key holds another type than a stream. */
  | 'WRONG_TYPE'
  /** A consumer still owns pending entries, so it was not deleted. */
  | 'CONSUMER_BUSY'
  /** Another process, or this one already, has the directory open. */
  | 'LOCKED'
  /** Data in a directory that had been safe are damaged or missing: the message names the file and the place. */
  | 'CORRUPT'
  /** A newer version wrote the directory, in a format that this one does not know. */
  | 'NEWER_FORMAT'
  /** The backend refuses writes because its memory is full. */
  | 'OUT_OF_MEMORY'
  /** The connection was lost before the reply came, or the disk did not take the change: it may or may not have happened. */
  | 'OUTCOME_UNKNOWN'
  /** The backend could not be reached in time, or its disk takes nothing now; the call did not happen. */
  | 'UNAVAILABLE'
  /** The backend was closed. */
  | 'CLOSED'
  /** The server answered with an error that has no code of its own here; see `cause`. */
  | 'BACKEND_ERROR'

export class StreamError extends Error {
  readonly code: StreamErrorCode

  constructor(code: StreamErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StreamError'
    this.code = code
  }
}
