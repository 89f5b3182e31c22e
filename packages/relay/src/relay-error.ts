/**
 * What the relay's calls reject with when the caller can do something about it.
 * What the store does (unreachable, out of memory) stays millrace's `StreamError`.
 */

/** `NOT_FOUND` covers missing, expired and somebody else's. */
export type RelayErrorCode = 'NOT_FOUND' | 'BAD_REQUEST' | 'TOO_MANY_QUESTIONS' | 'TOO_MANY_AT_ONCE' | 'CLOSED'

export class RelayError extends Error {
  readonly code: RelayErrorCode
  /** With `TOO_MANY_QUESTIONS`: when to try again. */
  readonly retryAfterMs: number | undefined

  constructor(code: RelayErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'RelayError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

/** One text for missing, expired and not yours, so that nobody learns which. */
export function notFound(): RelayError {
  return new RelayError('NOT_FOUND', 'There is no such answer, or it has expired')
}

export function closedError(): RelayError {
  return new RelayError('CLOSED', 'The relay is closing')
}
