/**
 * Times to live as arguments: `EX 10`, `PXAT 1700000000000`, `EXPIRE key 10`. All become the millisecond from which on the
 * key is gone.
 *
 *            relative      absolute
 *   seconds  EX EXPIRE     EXAT EXPIREAT
 *   ms       PX PEXPIRE    PXAT PEXPIREAT
 *
 * Any time that 64 bits hold is taken. From 2^53 ms on, the year 287396, it becomes the nearest number there is, no later than
 * the last one.
 */
import type { Request } from '@millrace/protocol'
import { lines, ReplyError } from './error-lines.ts'

export interface ExpiryUnit {
  readonly isSeconds: boolean
  readonly isAbsolute: boolean
}

export const expiryOptions: readonly (readonly [word: string, unit: ExpiryUnit])[] = [
  ['EX', { isSeconds: true, isAbsolute: false }],
  ['PX', { isSeconds: false, isAbsolute: false }],
  ['EXAT', { isSeconds: true, isAbsolute: true }],
  ['PXAT', { isSeconds: false, isAbsolute: true }],
]

export interface ExpiryArgument {
  readonly request: Request
  /** Of the number. */
  readonly index: number
  readonly unit: ExpiryUnit
  /** Of the command, for its error line. */
  readonly command: string
}

const INT64_MAX = 2n ** 63n - 1n
const SECONDS_MAX = INT64_MAX / 1000n
/** The largest number below 2^63. */
const MOMENT_MAX = 2 ** 63 - 1024

/** A time from 1 on, as SET and GETEX want it. */
export function positiveExpiry(argument: ExpiryArgument, nowMs: number): number {
  const value = numberOf(argument)
  if (value <= 0n) throw invalidExpiry(argument)
  return absoluteMs(argument, value, nowMs)
}

/** Any time: one that has passed is a time too, and given as one that has passed. */
export function anyExpiry(argument: ExpiryArgument, nowMs: number): number {
  return absoluteMs(argument, numberOf(argument), nowMs)
}

/** RESTORE's: 0 is none; what would be beyond 64 bits has passed. */
export function expiryOrNone(argument: Omit<ExpiryArgument, 'command'>, nowMs: number): number | undefined {
  const value = numberOf(argument)
  if (value < 0n) throw new ReplyError('ERR Invalid TTL value, must be >= 0')
  if (value === 0n) return undefined
  const atMs = value + (argument.unit.isAbsolute ? 0n : BigInt(nowMs))
  // As Redis, whose sum has become negative.
  return atMs > INT64_MAX ? 0 : Math.min(Number(atMs), MOMENT_MAX)
}

function numberOf({ request, index }: Omit<ExpiryArgument, 'command'>): bigint {
  const value = request.bigint(index)
  if (value === undefined) throw new ReplyError(lines.notInteger)
  return value
}

function absoluteMs(argument: ExpiryArgument, value: bigint, nowMs: number): number {
  const { isSeconds, isAbsolute } = argument.unit
  if (isSeconds && (value > SECONDS_MAX || value < -SECONDS_MAX)) throw invalidExpiry(argument)
  const atMs = (isSeconds ? value * 1000n : value) + (isAbsolute ? 0n : BigInt(nowMs))
  if (atMs > INT64_MAX) throw invalidExpiry(argument)
  return Math.min(Number(atMs < 0n ? 0n : atMs), MOMENT_MAX)
}

function invalidExpiry({ command }: ExpiryArgument): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${command}' command`)
}
