/**
 * XREAD and XREADGROUP.
 *
 *   arguments ──► positions, one after the other: type, group, ID ──► read ──► entries
 *                                                                      └────► nothing: null, or wait and read again
 *
 * A wait reads again with the same positions whenever one of its keys is ready; a group that has vanished, or a key of
 * another type, ends it with that error. The group's consumer is created even when nothing is there to be read.
 */
import {
  compareIds,
  createConsumer,
  ID_MAX,
  ID_ZERO,
  nextClaimableMs,
  parseId,
  read,
  readGroup,
  type DeliveredEntry,
  type FixedReadFrom,
  type MeasuredEntry,
  type ReadGroupFrom,
  type ReadLimits,
  type StreamEntries,
  type StreamEntry,
  type StreamId,
  type StreamPosition,
} from '@millrace/engine'
import type { ReplyWriter, Request } from '@millrace/protocol'
import { block } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command, KeySpec } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { noGroup } from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'
import { readArguments, type ReadArguments } from './stream-read-arguments.ts'
import { writeDeliveries, writeFields, writeId } from './stream-replies.ts'

const keysOf = (startFrom: number): readonly KeySpec[] => [
  {
    access: 'RO',
    uses: ['access'],
    begin: { keyword: 'STREAMS', startFrom },
    find: { lastKey: -1, keyStep: 1, limit: 2 },
  },
]

export const streamReadCommands: readonly Command[] = [
  {
    name: 'xread',
    summary: 'Tells the entries of streams above an ID of each, and can wait for some.',
    since: '5.0.0',
    complexity:
      'For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.',
    group: 'stream',
    arity: -4,
    flags: ['readonly', 'blocking', 'movablekeys'],
    categories: ['stream'],
    keys: keysOf(1),
    arguments: streamDocs.xread,
    run(client, request) {
      const args = readArguments(request, false)
      const positions = positionsOf(client, request, args)
      if (!tellRead(client, positions, args)) waitOrNull(client, positions, args)
    },
  },
  {
    name: 'xreadgroup',
    summary: 'Delivers new entries of streams to a consumer of a group, or tells it what it has pending; can wait.',
    since: '5.0.0',
    complexity:
      'For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.',
    group: 'stream',
    arity: -7,
    flags: ['write', 'blocking', 'movablekeys'],
    categories: ['stream'],
    keys: keysOf(4),
    arguments: streamDocs.xreadgroup,
    run(client, request) {
      const args = readArguments(request, true)
      const positions = groupPositionsOf(client, request, args)
      if (!tellGroupRead(client, positions, args)) waitOrNullGroup(client, positions, args)
    },
  },
]

function positionsOf(client: Client, request: Request, args: ReadArguments): StreamPosition<FixedReadFrom>[] {
  const positions: StreamPosition<FixedReadFrom>[] = []
  for (let i = 0; i < args.streams; i++) {
    const key = request.text(args.keysAt + i)
    const stream = client.database.find(key, client.nowMs)
    const id = request.text(args.keysAt + args.streams + i)
    if (id === '$') positions.push({ key, from: stream?.lastId ?? ID_ZERO })
    else if (id === '+') positions.push({ key, from: '+' })
    else if (id === '>') throw new ReplyError(newOnlyInGroups)
    else positions.push({ key, from: parseId(id) })
  }
  return positions
}

function groupPositionsOf(client: Client, request: Request, args: ReadArguments): StreamPosition<ReadGroupFrom>[] {
  const positions: StreamPosition<ReadGroupFrom>[] = []
  for (let i = 0; i < args.streams; i++) {
    const key = request.text(args.keysAt + i)
    requireReadableGroup(client, key, args.group!)
    const id = request.text(args.keysAt + args.streams + i)
    if (id === '$' || id === '+') throw new ReplyError(meaningless(id))
    positions.push({ key, from: id === '>' ? '>' : historyOrNew(parseId(id)) })
  }
  return positions
}

// As Redis, which holds `>` as the highest ID there is.
function historyOrNew(id: StreamId): ReadGroupFrom {
  return compareIds(id, ID_MAX) === 0 ? '>' : id
}

const newOnlyInGroups =
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.'

function meaningless(id: string): string {
  return (
    `ERR The ${id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by ` +
    `specifying a proper ID, or use the > ID to get new messages. The ${id} ID would just return an empty result set.`
  )
}

function requireReadableGroup(client: Client, key: string, group: string): void {
  const stream = client.database.find(key, client.nowMs)
  if (stream?.group(group) === undefined) throw noGroup(key, group, ' in XREADGROUP with GROUP option')
}

/** Writes what there is to read; false when there is nothing. */
function tellRead(client: Client, positions: readonly StreamPosition<FixedReadFrom>[], args: ReadArguments): boolean {
  const found = read(client.database, positions, limitsOf(args), client.nowMs)
  if (found.length === 0) return false
  writeStreams(client.reply, found)
  return true
}

function tellGroupRead(
  client: Client,
  positions: readonly StreamPosition<ReadGroupFrom>[],
  args: ReadArguments,
): boolean {
  const { database, nowMs } = client
  const { noAck, claimMinIdleMs } = args
  const group = args.group!
  ensureConsumers(client, positions, args)
  const query = {
    ...limitsOf(args),
    group,
    consumer: args.consumer,
    positions,
    noAck,
    ...(claimMinIdleMs !== undefined && { claimMinIdleMs }),
  }
  const found = readGroup(database, query, nowMs)
  if (found.length === 0) return false
  writeStreams(client.reply, found)
  return true
}

/** Creates the reader in every group that it has not been in, and tells so. */
function ensureConsumers(
  client: Client,
  positions: readonly StreamPosition<ReadGroupFrom>[],
  args: ReadArguments,
): void {
  const { consumer } = args
  const group = args.group!
  for (let i = 0; i < positions.length; i++) {
    const { key } = positions[i]!
    const found = client.database.find(key, client.nowMs)?.group(group)
    if (found?.consumer(consumer) !== undefined) continue
    createConsumer(client.database, { key, group, consumer }, client.nowMs)
    client.server.notify('t', 'xgroup-createconsumer', key, client.databaseIndex)
  }
}

function waitOrNull(client: Client, positions: readonly StreamPosition<FixedReadFrom>[], args: ReadArguments): void {
  if (args.blockMs === undefined || client.isExecuting) return client.reply.nullArray()
  block(client, {
    keys: positions.map(({ key }) => key),
    isGroupRead: false,
    blockMs: args.blockMs,
    attempt() {
      const readable = positions.filter(({ key }) => isStillReadable(client, key))
      return readable.length > 0 && tellRead(client, readable, args)
    },
  })
}

/** As Redis: a reader without a group waits on when one of its keys gets another type. */
function isStillReadable(client: Client, key: string): boolean {
  const value = client.database.value(key, client.nowMs)
  return value === undefined || value.type === 'stream'
}

function waitOrNullGroup(
  client: Client,
  positions: readonly StreamPosition<ReadGroupFrom>[],
  args: ReadArguments,
): void {
  if (args.blockMs === undefined || client.isExecuting) return client.reply.nullArray()
  const group = args.group!
  const { claimMinIdleMs } = args
  block(client, {
    keys: positions.map(({ key }) => key),
    isGroupRead: true,
    blockMs: args.blockMs,
    attempt() {
      for (const { key } of positions) requireReadableGroup(client, key, group)
      return tellGroupRead(client, positions, args)
    },
    ...(claimMinIdleMs !== undefined && {
      claimableMs: (nowMs: number) => earliestClaim(client, positions, { group, minIdleMs: claimMinIdleMs, nowMs }),
    }),
  })
}

/** When the first of the pending entries becomes old enough to be claimed. */
function earliestClaim(
  client: Client,
  positions: readonly StreamPosition<ReadGroupFrom>[],
  claim: { readonly group: string; readonly minIdleMs: number; readonly nowMs: number },
): number | undefined {
  let earliest: number | undefined
  for (const { key } of positions) {
    if (client.database.value(key, claim.nowMs)?.type !== 'stream') continue
    const atMs = nextClaimableMs(client.database, { key, group: claim.group }, claim.minIdleMs, claim.nowMs)
    if (atMs !== undefined && (earliest === undefined || atMs < earliest)) earliest = atMs
  }
  return earliest
}

function limitsOf(args: ReadArguments): ReadLimits {
  const { count, countTotal, bytesMax } = args
  return {
    count,
    ...(countTotal !== undefined && { countTotal }),
    ...(bytesMax !== undefined && { size: { bytesMax, measure } }),
  }
}

/** What a key or an entry adds to the reply, in bytes. */
function measure(what: string | MeasuredEntry): number {
  if (typeof what === 'string') return bulkBytes(what.length) + 8
  let bytes = 8 + bulkBytes(`${what.id.ms}-${what.id.seq}`.length)
  if (what.fields === undefined) return bytes + 5
  bytes += 3 + String(what.fields.length).length
  for (let i = 0; i < what.fields.length; i++) bytes += bulkBytes(what.fields[i]!.length)
  return bytes
}

function bulkBytes(length: number): number {
  return length + String(length).length + 5
}

function writeStreams(reply: ReplyWriter, found: readonly StreamEntries<DeliveredEntry | StreamEntry>[]): void {
  if (reply.protocol === 3) reply.map(found.length)
  else reply.array(found.length)
  for (let i = 0; i < found.length; i++) {
    const { key, entries } = found[i]!
    if (reply.protocol === 2) reply.array(2)
    reply.bulkText(key)
    reply.array(entries.length)
    for (let j = 0; j < entries.length; j++) writeDelivered(reply, entries[j]!)
  }
}

function writeDelivered(reply: ReplyWriter, entry: DeliveredEntry): void {
  const { id, fields, idleMs, deliveriesBefore } = entry
  reply.array(idleMs === undefined ? 2 : 4)
  writeId(reply, id)
  if (fields === undefined) reply.nullArray()
  else writeFields(reply, fields)
  if (idleMs === undefined) return
  reply.integer(idleMs)
  writeDeliveries(reply, deliveriesBefore ?? 0)
}
