/**
 * The arguments of XREAD and XREADGROUP, which share their options:
 *
 *   [GROUP group consumer] [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms] [CLAIM min-idle] [NOACK] STREAMS key … id …
 *
 * They come in any order before STREAMS, the last of the same name counts. What only XREADGROUP has is refused by name.
 */
import type { Request } from '@millrace/protocol'
import { lines, ReplyError } from '../error-lines.ts'
import { integerAt } from './stream-arguments.ts'
import { nameAt } from './stream-names.ts'

export interface ReadArguments {
  /** Undefined: XREAD. */
  group: string | undefined
  consumer: string
  /** Of each stream; Infinity is no limit. */
  count: number
  /** Over all streams. */
  countTotal: number | undefined
  bytesMax: number | undefined
  /** Undefined: does not wait. 0: for ever. */
  blockMs: number | undefined
  claimMinIdleMs: number | undefined
  noAck: boolean
  /** Where the keys begin, and how many there are; as many IDs follow. */
  keysAt: number
  streams: number
}

export function readArguments(request: Request, isGroupRead: boolean): ReadArguments {
  const args: ReadArguments = {
    group: undefined,
    consumer: '',
    count: Infinity,
    countTotal: undefined,
    bytesMax: undefined,
    blockMs: undefined,
    claimMinIdleMs: undefined,
    noAck: false,
    keysAt: 0,
    streams: 0,
  }
  for (let at = 1; at < request.count && args.keysAt === 0;) at = readOption(request, at, args, isGroupRead)
  if (args.keysAt === 0) throw new ReplyError(lines.syntax)
  if (isGroupRead && args.group === undefined) throw new ReplyError('ERR Missing GROUP option for XREADGROUP')
  if (args.countTotal !== undefined && args.count !== Infinity && args.countTotal < args.count) {
    throw new ReplyError('ERR MAXCOUNT must be greater than or equal to COUNT')
  }
  return args
}

/** Returns where the next option is. */
function readOption(request: Request, at: number, args: ReadArguments, isGroupRead: boolean): number {
  const left = request.count - at - 1
  if (left >= 1) {
    if (request.is(at, 'STREAMS')) return readStreams(request, at + 1, args, isGroupRead)
    if (request.is(at, 'COUNT')) return readCount(request, at + 1, args)
    if (request.is(at, 'BLOCK')) return readBlock(request, at + 1, args)
    if (request.is(at, 'MAXCOUNT') || request.is(at, 'MAXSIZE')) return readTotal(request, at, args)
    if (request.is(at, 'CLAIM')) return readClaim(request, at + 1, args, isGroupRead)
  }
  if (left >= 2 && request.is(at, 'GROUP')) {
    if (!isGroupRead) throw groupReadOnly('GROUP')
    args.group = nameAt(request, at + 1)
    args.consumer = nameAt(request, at + 2)
    return at + 3
  }
  if (!request.is(at, 'NOACK')) throw new ReplyError(lines.syntax)
  if (!isGroupRead) throw groupReadOnly('NOACK')
  args.noAck = true
  return at + 1
}

function readStreams(request: Request, at: number, args: ReadArguments, isGroupRead: boolean): number {
  const left = request.count - at
  if (left % 2 === 1) {
    const [name, ids] = isGroupRead ? ['xreadgroup', "an ID or '>'"] : ['xread', "an ID, '+', or '$'"]
    throw new ReplyError(`ERR Unbalanced '${name}' list of streams: for each stream key ${ids} must be specified.`)
  }
  args.keysAt = at
  args.streams = left / 2
  return at
}

function readCount(request: Request, at: number, args: ReadArguments): number {
  const count = integerAt(request, at)
  args.count = count <= 0 || count > Number.MAX_SAFE_INTEGER ? Infinity : count
  return at + 1
}

function readBlock(request: Request, at: number, args: ReadArguments): number {
  const blockMs = integerAt(request, at, 'ERR timeout is not an integer or out of range')
  if (blockMs < 0) throw new ReplyError('ERR timeout is negative')
  args.blockMs = blockMs
  return at + 1
}

function readTotal(request: Request, at: number, args: ReadArguments): number {
  const name = request.is(at, 'MAXCOUNT') ? 'MAXCOUNT' : 'MAXSIZE'
  const value = request.integer(at + 1)
  if (value === undefined || value <= 0) throw new ReplyError(`ERR ${name} must be a positive integer`)
  const limit = value > Number.MAX_SAFE_INTEGER ? Infinity : value
  if (name === 'MAXCOUNT') args.countTotal = limit
  else args.bytesMax = limit
  return at + 2
}

function readClaim(request: Request, at: number, args: ReadArguments, isGroupRead: boolean): number {
  if (!isGroupRead) throw groupReadOnly('CLAIM')
  const minIdleMs = integerAt(request, at, 'ERR min-idle-time is not an integer or out of range')
  if (minIdleMs < 0) throw new ReplyError('ERR min-idle-time must be a positive integer')
  args.claimMinIdleMs = minIdleMs
  return at + 1
}

function groupReadOnly(option: string): ReplyError {
  return new ReplyError(`ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`)
}
