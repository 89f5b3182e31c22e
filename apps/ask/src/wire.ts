/**
 * Errors as they leave the server (docs/wire.md), whatever carries them.
 *
 *   thrown anywhere ──► toWireError ──► { code, message, … } ──► acknowledgement, event or HTTP status
 *
 * What is not on the list of known failures is `INTERNAL`: its message tells a stranger nothing, and the log has
 * the cause under the same `reference`.
 */
import { randomBytes } from 'node:crypto'
import { RelayError } from '@millrace/relay'
import { StreamError } from 'millrace'
import type { Log } from './logs.ts'

export type WireErrorCode =
  | 'BAD_REQUEST'
  | 'NOT_FOUND'
  | 'ORIGIN_REFUSED'
  | 'TOO_LARGE'
  | 'TOO_MANY_QUESTIONS'
  | 'TOO_MANY_AT_ONCE'
  | 'TOO_MANY_FOLLOWS'
  | 'TOO_MANY_PACKETS'
  | 'TOO_MANY_CONNECTIONS'
  | 'UNAVAILABLE'
  | 'INTERNAL'

export interface WireError {
  readonly code: WireErrorCode
  readonly message: string
  readonly retryAfterMs?: number
  readonly reference?: string
}

/** A failure that we word ourselves: it reaches the client as it is. */
export class WireFailure extends Error {
  readonly code: WireErrorCode
  readonly retryAfterMs: number | undefined

  constructor(code: WireErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'WireFailure'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

const httpStatuses: Readonly<Record<WireErrorCode, number>> = {
  BAD_REQUEST: 400,
  NOT_FOUND: 404,
  ORIGIN_REFUSED: 403,
  TOO_LARGE: 413,
  TOO_MANY_QUESTIONS: 429,
  TOO_MANY_AT_ONCE: 429,
  TOO_MANY_FOLLOWS: 429,
  TOO_MANY_PACKETS: 429,
  TOO_MANY_CONNECTIONS: 429,
  UNAVAILABLE: 503,
  INTERNAL: 500,
}

export function httpStatusOf(code: WireErrorCode): number {
  return httpStatuses[code]
}

/** The error as a client sees it. Only what is nobody's known fault is logged here. */
export function toWireError(error: unknown, log: Log): WireError {
  if (error instanceof WireFailure) return wireError(error.code, error.message, error.retryAfterMs)
  if (error instanceof RelayError) return relayError(error)
  if (error instanceof StreamError && unavailableCodes.has(error.code)) {
    log.warn({ code: error.code }, 'the streams cannot be reached')
    return wireError('UNAVAILABLE', 'The streams cannot be reached at the moment; try again shortly.', 1000)
  }
  const reference = randomBytes(6).toString('hex')
  log.error({ err: error, reference }, 'a call failed')
  return { code: 'INTERNAL', message: 'This is a mistake of the server.', reference }
}

const unavailableCodes: ReadonlySet<string> = new Set(['UNAVAILABLE', 'OUTCOME_UNKNOWN', 'CLOSED', 'OUT_OF_MEMORY'])

function relayError(error: RelayError): WireError {
  if (error.code === 'CLOSED') return stoppingError()
  if (error.code === 'NOT_FOUND') return wireError('NOT_FOUND', 'There is no such answer, or it has expired.')
  return wireError(error.code, error.message, error.retryAfterMs)
}

export function stoppingError(): WireError {
  return wireError('UNAVAILABLE', 'This server is stopping; connect again.', 1000)
}

export function wireError(code: WireErrorCode, message: string, retryAfterMs?: number): WireError {
  return retryAfterMs === undefined ? { code, message } : { code, message, retryAfterMs }
}
