/** The engine's errors as the toolkit's. What is none of the engine's is our own mistake and passes as it is. */

import { EngineError, type EngineErrorCode } from '@millrace/engine'
import { StreamError, type StreamErrorCode } from '../errors.ts'

const codes: Record<EngineErrorCode, StreamErrorCode> = {
  BAD_ARGUMENT: 'BAD_ARGUMENT',
  BAD_ID: 'BAD_ID',
  ID_ZERO: 'ID_TOO_SMALL',
  ID_TOO_SMALL: 'ID_TOO_SMALL',
  IDS_EXHAUSTED: 'IDS_EXHAUSTED',
  LAST_ID_MISMATCH: 'LAST_ID_MISMATCH',
  ENTRY_TOO_LARGE: 'BAD_ARGUMENT',
  NO_SUCH_KEY: 'STREAM_NOT_FOUND',
  NO_SUCH_ENTRY: 'BAD_ARGUMENT',
  IID_TAKEN: 'BAD_ARGUMENT',
  WRONG_TYPE: 'WRONG_TYPE',
  NO_GROUP: 'GROUP_NOT_FOUND',
  GROUP_EXISTS: 'BACKEND_ERROR',
  CONSUMER_BUSY: 'CONSUMER_BUSY',
  SET_ID_BELOW_LAST_ENTRY: 'ID_TOO_SMALL',
  SET_ID_BELOW_MAX_DELETED: 'ID_TOO_SMALL',
  SET_ID_BELOW_LENGTH: 'BAD_ARGUMENT',
  LOCKED: 'LOCKED',
  CORRUPT: 'CORRUPT',
  NEWER_FORMAT: 'NEWER_FORMAT',
  UNAVAILABLE: 'UNAVAILABLE',
}

/** `missingKey`: what a missing key means for the verb: the stream, or the group that it would hold. */
export function toStreamError(error: unknown, missingKey: 'STREAM_NOT_FOUND' | 'GROUP_NOT_FOUND'): unknown {
  if (!(error instanceof EngineError)) return error
  const code = error.code === 'NO_SUCH_KEY' ? missingKey : codes[error.code]
  return new StreamError(code, error.message, { cause: error })
}
