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
  compareNumberIds,
  createConsumer,
  deliverPacked,
  EntryCursor,
  ID_MAX,
  IdCell,
  nextClaimableMs,
  readGroupPacked,
  requireGroup,
  type NumberId,
  type ReadGroupFrom,
  type ReadLimits,
  type StreamId,
  type StreamPosition,
} from '@millrace/engine'
import { Request, type ReplyWriter } from '@millrace/protocol'
import { block } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command, KeySpec } from '../command.ts'
import { deniedLine } from '../dispatch.ts'
import { ReplyError } from '../error-lines.ts'
import { idAt, noGroup, readId, signAt } from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'
import { encodeEntries, endArray } from './stream-encoder.ts'
import { FrozenList, FrozenRange, LONG_REPLY_MIN, LongReply, type LongPart } from './stream-long-replies.ts'
import { nameAt } from './stream-names.ts'
import { readArguments, type ReadArguments } from './stream-read-arguments.ts'
import { replySize, ReplyBudget } from './stream-read-budget.ts'

const cursor = new EntryCursor()
const ZERO: NumberId = new IdCell()
const LAST: NumberId = IdCell.of(ID_MAX)

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
    differs: 'A key that is looked for counts and is told (keymiss) once; in 7.0 twice, since it is looked up twice.',
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
    differs: 'A key that is looked for counts and is told (keymiss) once; in 7.0 twice, since it is looked up twice.',
    run(client, request) {
      const args = readArguments(request, true)
      const positions = groupPositionsOf(client, request, args)
      if (!tellGroupRead(client, positions, args)) waitOrNullGroup(client, positions, args)
    },
  },
]

type GroupPosition = StreamPosition<ReadGroupFrom>

/** Where a read of one stream begins: above an ID, or at its last entry. */
interface Position {
  readonly key: string
  readonly after: NumberId
  readonly isLast: boolean
}

function positionsOf(client: Client, request: Request, args: ReadArguments): Position[] {
  const positions: Position[] = []
  for (let i = 0; i < args.streams; i++) {
    const key = nameAt(request, args.keysAt + i)
    const stream = client.streamToRead(key)
    const at = args.keysAt + args.streams + i
    const after = new IdCell()
    const sign = signAt(request, at)
    if (sign === GREATER) throw new ReplyError(newOnlyInGroups)
    if (sign === DOLLAR) after.copy(stream?.last ?? after)
    else if (sign !== PLUS) readId(request, at, after)
    positions.push({ key, after, isLast: sign === PLUS })
  }
  return positions
}

const DOLLAR = 0x24
const PLUS = 0x2b
const GREATER = 0x3e

function groupPositionsOf(client: Client, request: Request, args: ReadArguments): GroupPosition[] {
  const positions: GroupPosition[] = []
  for (let i = 0; i < args.streams; i++) {
    const key = nameAt(request, args.keysAt + i)
    if (client.streamToRead(key)?.group(args.group!) === undefined) throw noReadableGroup(key, args.group!)
    const at = args.keysAt + args.streams + i
    const sign = signAt(request, at)
    if (sign === DOLLAR || sign === PLUS) throw new ReplyError(meaningless(sign === PLUS ? '+' : '$'))
    positions.push({ key, from: sign === GREATER ? '>' : historyOrNew(idAt(request, at)) })
  }
  return positions
}

// As Redis, which holds `>` as the highest ID there is.
function historyOrNew(id: StreamId): ReadGroupFrom {
  return compareIds(id, ID_MAX) === 0 ? '>' : id
}

const newOnlyInGroups =
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.'

function meaningless(id: '+' | '$'): string {
  return (
    `ERR The ${id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by ` +
    `specifying a proper ID, or use the > ID to get new messages. The ${id} ID would just return an empty result set.`
  )
}

function requireReadableGroup(client: Client, key: string, group: string): void {
  const stream = client.database.find(key, client.nowMs)
  if (stream?.group(group) === undefined) throw noReadableGroup(key, group)
}

function noReadableGroup(key: string, group: string): ReplyError {
  return noGroup(key, group, ' in XREADGROUP with GROUP option')
}

/** Hot: writes what there is to read; false when there is nothing. */
function tellRead(client: Client, positions: readonly Position[], args: ReadArguments): boolean {
  if ((args.count > LONG_REPLY_MIN || positions.length > 1 || isLimited(args)) && isLong(client, positions, args)) {
    return tellParts(client, partsOf(client, positions, args))
  }
  const { database, nowMs, reply } = client
  const header = beginStreams(reply, positions.length)
  let found = 0
  for (let i = 0; i < positions.length; i++) {
    const { key, after, isLast } = positions[i]!
    const stream = database.find(key, nowMs)
    if (stream === undefined || stream.length === 0) continue
    if (isLast) cursor.backward(stream, ZERO, LAST, 1)
    else if (compareNumberIds(stream.last, after) <= 0) continue
    else cursor.after(stream, after, args.count)
    const mark = reply.length
    writeKey(reply, key)
    if (encodeEntries(reply, cursor, Math.min(args.count, stream.length)) > 0) found++
    else reply.rewind(mark)
  }
  cursor.close()
  return endStreams(reply, header, positions.length, found)
}

function isLimited(args: ReadArguments): boolean {
  return args.countTotal !== undefined || args.bytesMax !== undefined
}

/** Whether there may be so much to tell that it is told in steps, or limits over all streams to keep. */
function isLong(client: Client, positions: readonly Position[], args: ReadArguments): boolean {
  if (isLimited(args)) return true
  let entries = 0
  for (let i = 0; i < positions.length; i++) {
    const { key, after, isLast } = positions[i]!
    const stream = client.database.find(key, client.nowMs)
    if (stream === undefined || isLast || compareNumberIds(stream.last, after) <= 0) continue
    entries += Math.min(args.count, stream.length)
  }
  return entries > LONG_REPLY_MIN
}

function partsOf(client: Client, positions: readonly Position[], args: ReadArguments): LongPart[] {
  const parts: LongPart[] = []
  const budget = new ReplyBudget(args)
  for (const { key, after, isLast } of positions) {
    if (budget.isSpent) break
    const stream = client.database.find(key, client.nowMs)
    if (stream === undefined) continue
    const from = IdCell.copyOf(isLast ? ZERO : after)
    if (!isLast && !from.increment()) continue
    const range = new FrozenRange(stream, { from, to: LAST, isBackward: isLast }, isLast ? 1 : budget.countMax)
    budget.take(key, range)
    if (range.count > 0) parts.push({ key, range })
  }
  return parts
}

function tellGroupRead(client: Client, positions: readonly GroupPosition[], args: ReadArguments): boolean {
  if (client.server.keyspaceEvents.isOn) tellNewConsumers(client, positions, args)
  return isPlain(positions, args) ? tellNew(client, positions, args) : tellWithPending(client, positions, args)
}

function isPlain(positions: readonly GroupPosition[], args: ReadArguments): boolean {
  if (args.claimMinIdleMs !== undefined) return false
  for (let i = 0; i < positions.length; i++) if (positions[i]!.from !== '>') return false
  return true
}

/** Hot: new entries alone. */
function tellNew(client: Client, positions: readonly GroupPosition[], args: ReadArguments): boolean {
  const isOfMany = args.count > LONG_REPLY_MIN || positions.length > 1
  if ((isOfMany || isLimited(args)) && isLongDelivery(client, positions, args)) {
    return tellParts(client, deliveredParts(client, positions, args))
  }
  const { database, nowMs, reply } = client
  const header = beginStreams(reply, positions.length)
  let found = 0
  for (let i = 0; i < positions.length; i++) {
    const { key } = positions[i]!
    const { consumer, count, noAck } = args
    const delivered = deliverPacked(database, { key, group: args.group!, consumer, count, noAck }, nowMs, cursor)
    if (delivered === 0) continue
    writeKey(reply, key)
    encodeEntries(reply, cursor, delivered)
    found++
  }
  cursor.close()
  return endStreams(reply, header, positions.length, found)
}

function isLongDelivery(client: Client, positions: readonly GroupPosition[], args: ReadArguments): boolean {
  if (isLimited(args)) return true
  let entries = 0
  for (let i = 0; i < positions.length; i++) {
    const stream = client.database.find(positions[i]!.key, client.nowMs)
    entries += Math.min(args.count, stream?.length ?? 0)
  }
  return entries > LONG_REPLY_MIN
}

/** The delivery is one step; what it has delivered can be told in several. */
function deliveredParts(client: Client, positions: readonly GroupPosition[], args: ReadArguments): LongPart[] {
  const { database, nowMs } = client
  const { consumer, noAck } = args
  const group = args.group!
  const parts: LongPart[] = []
  const budget = new ReplyBudget(args)
  for (const { key } of positions) {
    if (budget.isSpent) break
    const stream = database.find(key, nowMs)
    const from = IdCell.copyOf(requireGroup(stream, { key, group }).last)
    const countMax = from.increment() ? budget.countMax : 0
    const range = new FrozenRange(stream!, { from, to: LAST, isBackward: false }, countMax)
    budget.take(key, range)
    // Also with nothing there: the consumer has been seen then.
    deliverPacked(database, { key, group, consumer, count: range.count || 1, noAck }, nowMs, cursor)
    if (range.count > 0) parts.push({ key, range })
  }
  cursor.close()
  return parts
}

/** With history, or CLAIM. */
function tellWithPending(client: Client, positions: readonly GroupPosition[], args: ReadArguments): boolean {
  const { noAck, claimMinIdleMs, consumer } = args
  const claiming = claimMinIdleMs === undefined ? {} : { claimMinIdleMs }
  const query = { ...limitsOf(args), group: args.group!, consumer, positions, noAck, ...claiming }
  const parts = readGroupPacked(client.database, query, client.nowMs)
  return tellParts(
    client,
    parts.map(({ key, found }) => ({ key, range: new FrozenList(found) })),
  )
}

/** Creates the reader in every group that it has not been in, and tells so. */
function tellNewConsumers(client: Client, positions: readonly GroupPosition[], args: ReadArguments): void {
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

function waitOrNull(client: Client, positions: readonly Position[], args: ReadArguments): void {
  if (args.blockMs === undefined || client.isExecuting) return client.reply.nullArray()
  const keys = positions.map(({ key }) => key)
  block(client, {
    keys,
    isGroupRead: false,
    blockMs: args.blockMs,
    attempt() {
      requireStillAllowed(client, keys, args)
      const readable = positions.filter(({ key }) => isStillReadable(client, key))
      return readable.length > 0 && tellRead(client, readable, args)
    },
  })
}

/** As Redis from 7.2 on: what was taken from a user while its client waited, it is refused then. */
function requireStillAllowed(client: Client, keys: readonly string[], { group, consumer }: ReadArguments): void {
  if (client.user.isUnrestricted) return
  const words = group === undefined ? ['xread'] : ['xreadgroup', 'GROUP', group, consumer]
  const request = Request.of([...words, 'STREAMS', ...keys, ...keys.map(() => '0')])
  const line = deniedLine(client, client.server.commands.entryOf(request)!, request)
  if (line !== undefined) throw new ReplyError(line)
}

/** As Redis: a reader without a group waits on when one of its keys gets another type. */
function isStillReadable(client: Client, key: string): boolean {
  const value = client.database.value(key, client.nowMs)
  return value === undefined || value.type === 'stream'
}

function waitOrNullGroup(client: Client, positions: readonly GroupPosition[], args: ReadArguments): void {
  if (args.blockMs === undefined || client.isExecuting) return client.reply.nullArray()
  const group = args.group!
  const { claimMinIdleMs } = args
  const keys = positions.map(({ key }) => key)
  block(client, {
    keys,
    isGroupRead: true,
    blockMs: args.blockMs,
    attempt() {
      requireStillAllowed(client, keys, args)
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
  positions: readonly GroupPosition[],
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
    ...(bytesMax !== undefined && { size: replySize(bytesMax) }),
  }
}

/** Begins a map of keys to entries, in RESP2 an array of pairs; returns where its header is. */
function beginStreams(reply: ReplyWriter, guess: number): number {
  const header = reply.length
  if (reply.protocol === 3) reply.map(guess)
  else reply.array(guess)
  return header
}

/** Says how many streams there were; with none takes all back and returns false. */
function endStreams(reply: ReplyWriter, header: number, guess: number, found: number): boolean {
  if (found === 0) reply.rewind(header)
  else endArray(reply, header, guess, found)
  return found > 0
}

function writeKey(reply: ReplyWriter, key: string): void {
  if (reply.protocol === 2) reply.array(2)
  reply.bulkText(key)
}

/** Tells streams, in steps when that is much; false when there are none. */
function tellParts(client: Client, parts: readonly LongPart[]): boolean {
  if (parts.length === 0) return false
  beginStreams(client.reply, parts.length)
  const source = new LongReply(parts)
  let entries = 0
  for (const { range } of parts) entries += range.count
  if (entries > LONG_REPLY_MIN) client.stream(source)
  else source.next(client.reply, Infinity)
  return true
}
