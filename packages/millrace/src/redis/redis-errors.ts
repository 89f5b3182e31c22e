/**
 * What Redis and the connection say, as StreamErrors. The only place that reads Redis's error texts.
 */

import { ReplyError } from 'ioredis'
import { StreamError, type StreamErrorCode } from '../errors.ts'

/** The start of Redis's error line, or a part of it, and the code it means. The first match counts. */
const CODES: readonly (readonly [RegExp, StreamErrorCode])[] = [
  [/^WRONGTYPE/, 'WRONG_TYPE'],
  [/^NOGROUP/, 'GROUP_NOT_FOUND'],
  [/^LASTID/, 'LAST_ID_MISMATCH'],
  [/^BUSYCONSUMER/, 'CONSUMER_BUSY'],
  [/^STEPARGUMENT/, 'BAD_ARGUMENT'],
  [/^OOM/, 'OUT_OF_MEMORY'],
  // Its disk or its replicas take nothing now: nothing was changed.
  [/^(MISCONF|NOREPLICAS)/, 'UNAVAILABLE'],
  [/exhausted the last possible ID/, 'IDS_EXHAUSTED'],
  [/equal or smaller than the target stream top item|must be greater than 0-0/, 'ID_TOO_SMALL'],
  [/requires the key to exist/, 'STREAM_NOT_FOUND'],
  [/Invalid stream ID|invalid (start|end) ID for the interval/, 'BAD_ID'],
]

/** The server cannot serve the command now and did not run it: worth another try within the caller's time. */
const TRANSIENT =
  /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|UNBLOCKED|BUSY |MOVED |ASK )|Too many Cluster redirections/

/** The server refuses this client as such; trying again will not help. */
const REFUSED = /^(WRONGPASS|NOAUTH|NOPERM)|invalid password|invalid username-password/i

export function isTransient(error: unknown): boolean {
  return error instanceof Error && TRANSIENT.test(error.message)
}

export function isRefused(error: unknown): boolean {
  return error instanceof Error && REFUSED.test(error.message)
}

/** Was it the server that answered with an error (and not the connection that broke)? */
export function isReply(error: unknown): error is Error {
  return error instanceof ReplyError
}

/** The StreamError for whatever a verb's command was rejected with. `what` names the verb and its stream. */
export function toStreamError(error: unknown, what: string): unknown {
  if (!isReply(error)) return error
  if (isTransient(error)) return new StreamError('UNAVAILABLE', `${what}: ${error.message}`, { cause: error })
  const code = CODES.find(([pattern]) => pattern.test(error.message))?.[1] ?? 'BACKEND_ERROR'
  return new StreamError(code, `${what}: ${sentence(code, error.message)}`, { cause: error })
}

function sentence(code: StreamErrorCode, line: string): string {
  if (code === 'LAST_ID_MISMATCH')
    return `the stream's last ID is ${line.slice('LASTID '.length)}, not the one expected`
  if (code === 'CONSUMER_BUSY') return 'the consumer still owns pending entries'
  if (line.startsWith('STEPARGUMENT ')) return line.slice('STEPARGUMENT '.length)
  return line
}
