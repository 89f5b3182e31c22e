/**
 * XNACK.
 *
 *   XNACK key group <SILENT|FAIL|FATAL> IDS numids id … [RETRYCOUNT n] [FORCE]
 *
 * The options come behind the mode, in any order around the IDs.
 */
import { deliveriesFromBigint, negativeAcknowledge, type NackRequest, type StreamId } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { ReplyError } from '../error-lines.ts'
import { idsFrom, noGroup, shown } from './stream-arguments.ts'

export function nackEntries(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const key = request.text(1)
  const group = request.text(2)
  if (database.find(key, nowMs)?.group(group) === undefined) throw noGroup(key, group)
  reply.integer(negativeAcknowledge(database, { key, group }, readNack(request), nowMs))
}

function readNack(request: Request): NackRequest {
  const mode = modeAt(request, 3)
  let ids: StreamId[] | undefined
  let deliveries: number | undefined
  let force = false
  for (let at = 4; at < request.count;) {
    const left = request.count - at - 1
    if (request.is(at, 'FORCE')) {
      force = true
      at++
    } else if (left >= 1 && request.is(at, 'RETRYCOUNT')) {
      deliveries = retryCountAt(request, at + 1)
      at += 2
    } else if (left >= 1 && request.is(at, 'IDS') && ids === undefined) {
      const size = sizeAt(request, at + 1)
      ids = idsFrom(request, at + 2, at + 2 + size)
      at += 2 + size
    } else throw new ReplyError(`ERR Unrecognized XNACK option '${shown(request.text(at))}'`)
  }
  if (ids === undefined) throw new ReplyError('ERR syntax error, expected IDS keyword')
  return { mode, ids, force, ...(deliveries !== undefined && { deliveries }) }
}

function modeAt(request: Request, index: number): NackRequest['mode'] {
  if (request.is(index, 'SILENT')) return 'silent'
  if (request.is(index, 'FAIL')) return 'fail'
  if (request.is(index, 'FATAL')) return 'fatal'
  throw new ReplyError('ERR mode must be SILENT, FAIL, or FATAL')
}

function retryCountAt(request: Request, index: number): number {
  const count = request.bigint(index)
  if (count === undefined || count < 0n) throw new ReplyError('ERR Invalid RETRYCOUNT value, must be >= 0')
  return deliveriesFromBigint(count)
}

function sizeAt(request: Request, index: number): number {
  const size = request.integer(index)
  if (size === undefined || size <= 0) throw new ReplyError('ERR numids must be a positive integer')
  if (size > request.count - index - 1) throw new ReplyError("ERR number of IDs doesn't match numids")
  return size
}
