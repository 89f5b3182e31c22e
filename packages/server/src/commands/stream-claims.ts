/**
 * XCLAIM and XAUTOCLAIM.
 *
 *   XCLAIM key group consumer min-idle id … [IDLE ms] [TIME unix-ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]
 *   XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID]
 *
 * IDs of XCLAIM end at the first argument that is none; the options begin there. The consumer is created whether or not
 * it gets something.
 */
import {
  autoClaimPacked,
  claimPacked,
  deliveriesFromBigint,
  EntryView,
  IdCell,
  IdList,
  type ConsumerRef,
  type FoundEntries,
  type PackedClaim,
  type PackedClaimOptions,
} from '@millrace/engine'
import type { ReplyWriter, Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { bigintAt, idAt, integerAt, noGroup, readIdOrOther, shown, startAt } from './stream-arguments.ts'
import { encodeId } from './stream-encoder.ts'
import { tellFound, tellPieces } from './stream-long-replies.ts'
import { writeId } from './stream-replies.ts'

const SCAN_COUNT = 100
/** More than this many IDs of 16 bytes Redis refuses to collect. */
const SCAN_COUNT_MAX = 2n ** 59n - 1n
// The addresses of a process: what Redis would have to allocate for more fails.
const SCAN_COUNT_ALLOCATED_MAX = 2 ** 47 / 16

export function claimEntries(client: Client, request: Request): void {
  const { database, nowMs } = client
  const key = request.text(1)
  const group = request.text(2)
  if (client.streamToRead(key)?.group(group) === undefined) throw noGroup(key, group)
  const minIdleMs = minIdleAt(request, 'XCLAIM')
  const ids = new IdList()
  const id = new IdCell()
  let at = 5
  for (; at < request.count && readIdOrOther(request, at, id); at++) ids.add(id)
  const options = readClaimOptions(request, at, nowMs)
  const ref = { key, group, consumer: request.text(3) }
  tellNewConsumer(client, ref)
  const { entries } = claimPacked(database, ref, { ids, how: { minIdleMs, ...options } }, nowMs)
  tellPieces(client, entries.length, claimedPieces(client.reply, entries, options.justId === true))
}

type MoreClaimOptions = Omit<PackedClaimOptions['how'], 'minIdleMs'>

function readClaimOptions(request: Request, first: number, nowMs: number): MoreClaimOptions {
  let options: MoreClaimOptions = {}
  for (let at = first; at < request.count; at++) {
    const hasValue = at + 1 < request.count
    if (request.is(at, 'FORCE')) options = { ...options, force: true }
    else if (request.is(at, 'JUSTID')) options = { ...options, justId: true }
    else if (hasValue && request.is(at, 'IDLE')) {
      options = { ...options, timeMs: nowMs - integerAt(request, ++at, invalid('IDLE')) }
    } else if (hasValue && request.is(at, 'TIME')) {
      options = { ...options, timeMs: integerAt(request, ++at, invalid('TIME')) }
    } else if (hasValue && request.is(at, 'RETRYCOUNT')) {
      const count = bigintAt(request, ++at, invalid('RETRYCOUNT'))
      const { deliveries: _, ...others } = options
      // As Redis: a negative number is no number.
      options = count < 0n ? others : { ...others, deliveries: deliveriesFromBigint(count) }
    } else if (hasValue && request.is(at, 'LASTID')) options = { ...options, lastId: idAt(request, ++at) }
    else throw new ReplyError(`ERR Unrecognized XCLAIM option '${shown(request.text(at))}'`)
  }
  return options
}

function invalid(option: string): string {
  return `ERR Invalid ${option} option argument for XCLAIM`
}

export function autoClaimEntries(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const minIdleMs = minIdleAt(request, 'XAUTOCLAIM')
  const from = startAt(request, 5)
  const { count, justId } = readScanOptions(request)
  const key = request.text(1)
  const group = request.text(2)
  if (client.streamToRead(key)?.group(group) === undefined) throw noGroup(key, group)
  if (count > SCAN_COUNT_ALLOCATED_MAX) {
    throw new ReplyError('ERR Insufficient memory, failed allocating transient memory, COUNT too high.')
  }
  const ref = { key, group, consumer: request.text(3) }
  tellNewConsumer(client, ref)
  const { next, entries, deleted } = autoClaimPacked(database, ref, { minIdleMs, from, count, justId }, nowMs)
  reply.array(3)
  writeId(reply, next)
  tellPieces(client, entries.length + deleted.count, scannedPieces(reply, { entries, deleted }, justId))
}

function* scannedPieces(reply: ReplyWriter, { entries, deleted }: PackedClaim, justId: boolean): Generator<void> {
  yield* claimedPieces(reply, entries, justId)
  yield* idPieces(reply, deleted)
}

function readScanOptions(request: Request): { count: number; justId: boolean } {
  let count = SCAN_COUNT
  let justId = false
  for (let at = 6; at < request.count; at++) {
    if (at + 1 < request.count && request.is(at, 'COUNT')) {
      const wanted = request.bigint(++at)
      if (wanted === undefined || wanted <= 0n || wanted > SCAN_COUNT_MAX) {
        throw new ReplyError('ERR COUNT must be > 0')
      }
      count = Number(wanted)
    } else if (request.is(at, 'JUSTID')) justId = true
    else throw new ReplyError(lines.syntax)
  }
  return { count, justId }
}

function minIdleAt(request: Request, command: string): number {
  return Math.max(integerAt(request, 4, `ERR Invalid min-idle-time argument for ${command}`), 0)
}

function tellNewConsumer(client: Client, ref: ConsumerRef): void {
  const { database, nowMs, server, databaseIndex } = client
  if (database.find(ref.key, nowMs)?.group(ref.group)?.consumer(ref.consumer) !== undefined) return
  server.notify('t', 'xgroup-createconsumer', ref.key, databaseIndex)
}

function claimedPieces(reply: ReplyWriter, entries: FoundEntries, justId: boolean): Generator<void> {
  return justId ? idPieces(reply, entries.ids) : entryPieces(reply, entries)
}

function* entryPieces(reply: ReplyWriter, entries: FoundEntries): Generator<void> {
  const view = new EntryView()
  reply.array(entries.length)
  for (let i = 0; i < entries.length; i++) {
    tellFound(reply, entries, i, view)
    yield
  }
}

function* idPieces(reply: ReplyWriter, ids: IdList): Generator<void> {
  const id = new IdCell()
  reply.array(ids.count)
  for (let i = 0; i < ids.count; i++) {
    ids.read(i, id)
    encodeId(reply, id)
    yield
  }
}
