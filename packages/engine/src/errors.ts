/**
 * What a caller can get wrong, or the state of the data forbids: one class, one closed list of codes.
 * Our own broken invariants are `assert`s and nobody catches them.
 *
 * The engine cannot know how an error is told to people or to a Redis client: whoever is above it makes
 * its own error, or its own error line, from the code.
 */

export type EngineErrorCode =
  /** An argument is not what the call expects. */
  | 'BAD_ARGUMENT'
  /** Text that is no entry ID, or an interval bound that leaves no ID. */
  | 'BAD_ID'
  /** An explicit ID of 0-0. */
  | 'ID_ZERO'
  /** An explicit ID that is not above the stream's last ID. */
  | 'ID_TOO_SMALL'
  /** The stream's last ID is the highest there is. */
  | 'IDS_EXHAUSTED'
  /** `ifLastId` is not the stream's last ID. */
  | 'LAST_ID_MISMATCH'
  /** Field names and values of one entry exceed 1 GiB together. */
  | 'ENTRY_TOO_LARGE'
  /** The key does not exist. */
  | 'NO_SUCH_KEY'
  /** The key holds something else than a stream. */
  | 'WRONG_TYPE'
  /** The stream does not have the entry. */
  | 'NO_SUCH_ENTRY'
  /** The producer has given its ID to another entry. */
  | 'IID_TAKEN'
  /** The group, or its key, does not exist. */
  | 'NO_GROUP'
  /** A group of that name is there already. */
  | 'GROUP_EXISTS'
  /** The consumer owns pending entries. */
  | 'CONSUMER_BUSY'
  /** XSETID below the last entry that is in the stream. */
  | 'SET_ID_BELOW_LAST_ENTRY'
  /** XSETID below the given, or the current, highest deleted ID. */
  | 'SET_ID_BELOW_MAX_DELETED'
  /** XSETID with fewer entries added than there are in the stream. */
  | 'SET_ID_BELOW_LENGTH'
  /** Another process, or this one already, has the directory open. */
  | 'LOCKED'
  /** A file of the data is damaged, or missing: the message names it, and where. Nothing was changed. */
  | 'CORRUPT'
  /** A file was written by a newer version, or with a feature that this one does not know. */
  | 'NEWER_FORMAT'
  /** The disk does not take writes, or does not give what was stored: the message says why. */
  | 'UNAVAILABLE'

export class EngineError extends Error {
  readonly code: EngineErrorCode

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EngineError'
    this.code = code
  }
}
