/**
 * XINFO: what a stream, its groups and their consumers are like, as maps (flat arrays in RESP2).
 *
 *   XINFO STREAM key [FULL [COUNT n]]      XINFO GROUPS key      XINFO CONSUMERS key group
 */
import {
  consumerInfos,
  fullGroups,
  groupInfos,
  ID_MAX,
  IdCell,
  radixTreeNodes,
  streamInfo,
  type FullGroupInfo,
  type NumberId,
  type PendingPicture,
  type StreamEntry,
  type StreamInfo,
} from '@millrace/engine'
import type { ReplyWriter, Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { integerAt, shown } from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'
import { encodeId } from './stream-encoder.ts'
import { FrozenRange, LONG_REPLY_MIN, tellPieces } from './stream-long-replies.ts'
import { writeDeliveries, writeEntry, writeHelp, writeId } from './stream-replies.ts'

const subcommands: readonly Command[] = [
  {
    name: 'xinfo|consumers',
    summary: 'Tells the consumers of a group.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 4,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(2, 'RO', 'access'),
    tips: ['nondeterministic_output'],
    arguments: streamDocs.group,
    run: tellConsumers,
  },
  {
    name: 'xinfo|groups',
    summary: 'Tells the consumer groups of a stream.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 3,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(2, 'RO', 'access'),
    arguments: streamDocs.infoGroups,
    run: tellGroups,
  },
  {
    name: 'xinfo|stream',
    summary: 'Tells what a stream is like; with FULL also its entries, groups, consumers and what they have pending.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: -3,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(2, 'RO', 'access'),
    arguments: streamDocs.infoStream,
    differs:
      'radix-tree-nodes is counted as Redis has them up to 10,000 radix-tree-keys; of more it is one more than these.',
    run: tellStream,
  },
  {
    name: 'xinfo|help',
    summary: 'Tells the subcommands.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 2,
    flags: ['loading', 'stale'],
    categories: ['stream'],
    keys: [],
    run(client) {
      writeHelp(client.reply, help)
    },
  },
]

export const streamInfoCommands: readonly Command[] = [
  {
    name: 'xinfo',
    summary: 'A container for stream introspection commands',
    since: '5.0.0',
    complexity: 'Depends on subcommand.',
    group: 'stream',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands,
  },
]

const help = [
  'XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
  'HELP',
  '    Prints this help.',
]

const FULL_COUNT = 10

function tellConsumers(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const key = request.text(2)
  const group = request.text(3)
  client.streamToRead(key)
  if (database.require(key, nowMs).group(group) === undefined) {
    throw new ReplyError(`NOGROUP No such consumer group '${shown(group)}' for key name '${shown(key)}'`)
  }
  const consumers = consumerInfos(database, { key, group }, nowMs)
  reply.array(consumers.length)
  for (const { name, pendingCount, idleMs, inactiveMs } of consumers) {
    reply.map(4)
    pair(reply, 'name').bulkText(name)
    pair(reply, 'pending').integer(pendingCount)
    pair(reply, 'idle').integer(idleMs)
    pair(reply, 'inactive').integer(inactiveMs ?? -1)
  }
}

function tellGroups(client: Client, request: Request): void {
  const { reply } = client
  client.streamToRead(request.text(2))
  const groups = groupInfos(client.database, request.text(2), client.nowMs)
  reply.array(groups.length)
  for (const group of groups) {
    reply.map(6)
    pair(reply, 'name').bulkText(group.name)
    pair(reply, 'consumers').integer(group.consumerCount)
    pair(reply, 'pending').integer(group.pendingCount)
    writeId(pair(reply, 'last-delivered-id'), group.lastId)
    numberOrNull(pair(reply, 'entries-read'), group.entriesRead)
    numberOrNull(pair(reply, 'lag'), group.lag)
  }
}

function tellStream(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const key = request.text(2)
  client.streamToRead(key)
  database.require(key, nowMs)
  if (request.count === 3) {
    const info = streamInfo(database, key, nowMs)
    reply.map(16)
    writeHead(reply, info, radixNodesOf(client, key, info))
    pair(reply, 'groups').integer(info.groupCount)
    writeEntryOrNull(pair(reply, 'first-entry'), info.firstEntry)
    writeEntryOrNull(pair(reply, 'last-entry'), info.lastEntry)
    return
  }
  tellFull(client, key, fullCount(request))
}

/** All of it as it is now, with COUNT 0 every entry and what is pending: in steps when that is much. */
function tellFull(client: Client, key: string, count: number): void {
  const { database, nowMs, reply } = client
  const info = streamInfo(database, key, nowMs)
  const groups = fullGroups(database, key, count, nowMs)
  const range = new FrozenRange(database.require(key, nowMs), { from: ZERO, to: LAST, isBackward: false }, count)
  const pictures = groups.flatMap(({ pending, consumers }) => [pending, ...consumers.map((each) => each.pending)])
  let told = range.count
  for (const { length } of pictures) told += length
  if (told > LONG_REPLY_MIN) {
    const kept: Parameters<PendingPicture['keep']>[0] = new Map()
    for (const picture of pictures) picture.keep(kept)
  }
  reply.map(15)
  writeHead(reply, info, radixNodesOf(client, key, info))
  tellPieces(client, told, fullPieces(reply, range, groups))
}

const ZERO: NumberId = new IdCell()
const LAST: NumberId = IdCell.of(ID_MAX)

function* fullPieces(
  reply: ReplyWriter,
  range: FrozenRange,
  groups: readonly FullGroupInfo<PendingPicture>[],
): Generator<void> {
  pair(reply, 'entries').array(range.count)
  while (range.tell(reply)) yield
  pair(reply, 'groups').array(groups.length)
  for (const group of groups) yield* groupPieces(reply, group)
}

function fullCount(request: Request): number {
  const isWellFormed = (request.count === 4 || (request.count === 6 && request.is(4, 'COUNT'))) && request.is(3, 'FULL')
  if (!isWellFormed) {
    const name = shown(request.text(1)).slice(0, 128)
    throw new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XINFO HELP.`)
  }
  const count = request.count === 4 ? FULL_COUNT : integerAt(request, 5)
  if (count < 0) return FULL_COUNT
  return count === 0 ? Infinity : count
}

// Counting them looks at every logical node, about 1 µs each: of more than these nobody is made to wait for it.
const RADIX_NODES_EXACT_MAX = 10_000

function radixNodesOf(client: Client, key: string, info: StreamInfo): number {
  if (info.nodeCount > RADIX_NODES_EXACT_MAX) return info.nodeCount + 1
  return radixTreeNodes(client.database, key, client.nowMs)
}

/** The thirteen pairs that both forms begin with. */
function writeHead(reply: ReplyWriter, info: StreamInfo, radixNodes: number): void {
  const { idempotency } = info
  pair(reply, 'length').integer(info.length)
  pair(reply, 'radix-tree-keys').integer(info.nodeCount)
  pair(reply, 'radix-tree-nodes').integer(radixNodes)
  writeId(pair(reply, 'last-generated-id'), info.lastId)
  writeId(pair(reply, 'max-deleted-entry-id'), info.maxDeletedId)
  pair(reply, 'entries-added').integer(info.entriesAdded)
  writeId(pair(reply, 'recorded-first-entry-id'), info.firstId)
  pair(reply, 'idmp-duration').integer(idempotency.durationS)
  pair(reply, 'idmp-maxsize').integer(idempotency.sizeMax)
  pair(reply, 'pids-tracked').integer(idempotency.producersTracked)
  pair(reply, 'iids-tracked').integer(idempotency.iidsTracked)
  pair(reply, 'iids-added').integer(idempotency.iidsAdded)
  pair(reply, 'iids-duplicates').integer(idempotency.iidsDuplicates)
}

function* groupPieces(reply: ReplyWriter, group: FullGroupInfo<PendingPicture>): Generator<void> {
  reply.map(8)
  pair(reply, 'name').bulkText(group.name)
  writeId(pair(reply, 'last-delivered-id'), group.lastId)
  numberOrNull(pair(reply, 'entries-read'), group.entriesRead)
  numberOrNull(pair(reply, 'lag'), group.lag)
  pair(reply, 'pel-count').integer(group.pendingCount)
  pair(reply, 'nacked-count').integer(group.nackedCount)
  yield* pendingPieces(pair(reply, 'pending'), group.pending, true)
  pair(reply, 'consumers').array(group.consumers.length)
  for (const consumer of group.consumers) {
    reply.map(5)
    pair(reply, 'name').bulkText(consumer.name)
    pair(reply, 'seen-time').integer(consumer.seenMs)
    pair(reply, 'active-time').integer(consumer.activeMs ?? -1)
    pair(reply, 'pel-count').integer(consumer.pendingCount)
    yield* pendingPieces(pair(reply, 'pending'), consumer.pending, false)
  }
}

function* pendingPieces(reply: ReplyWriter, picture: PendingPicture, withConsumer: boolean): Generator<void> {
  reply.array(picture.length)
  while (picture.next()) {
    reply.array(withConsumer ? 4 : 3)
    encodeId(reply, picture.id)
    if (withConsumer) reply.bulkText(picture.consumer)
    reply.integer(picture.deliveredAtMs)
    writeDeliveries(reply, picture.deliveries)
    yield
  }
}

/** Begins a pair of a map: the value is written next. */
function pair(reply: ReplyWriter, name: string): ReplyWriter {
  reply.bulkText(name)
  return reply
}

function numberOrNull(reply: ReplyWriter, value: number | undefined): void {
  if (value === undefined) reply.null()
  else reply.integer(value)
}

function writeEntryOrNull(reply: ReplyWriter, entry: StreamEntry | undefined): void {
  if (entry === undefined) reply.null()
  else writeEntry(reply, entry)
}
