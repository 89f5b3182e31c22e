/** Commands about pending entries: XACK, XACKDEL, XNACK, XPENDING, XCLAIM, XAUTOCLAIM. */
import {
  acknowledgeAndDelete,
  acknowledgePacked,
  IdCell,
  IdList,
  pendingPicture,
  pendingSummary,
  type PendingPicture,
} from '@millrace/engine'
import type { ReplyWriter, Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { endAt, integerAt, noGroup, readId, readIdBlock, startAt, toCount } from './stream-arguments.ts'
import { autoClaimEntries, claimEntries } from './stream-claims.ts'
import { streamDocs } from './stream-docs.ts'
import { encodeId } from './stream-encoder.ts'
import { LONG_REPLY_MIN, tellPieces } from './stream-long-replies.ts'
import { nackEntries } from './stream-nack.ts'
import { nameAt } from './stream-names.ts'
import { writeDeliveries, writeId, writeOutcomes } from './stream-replies.ts'

// The IDs of one XACK, in columns that are used again unless it had very many.
const IDS_KEPT_MAX = 65_536
let ids = new IdList()
const id = new IdCell()

export const streamPendingCommands: readonly Command[] = [
  {
    name: 'xack',
    summary: 'Acknowledges entries: they are pending no longer. Tells how many were.',
    since: '5.0.0',
    complexity: 'O(1) for each message ID processed.',
    group: 'stream',
    arity: -4,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: streamDocs.xack,
    run: acknowledgeIds,
  },
  {
    name: 'xackdel',
    summary: 'Acknowledges entries and deletes them, with or without regard to other groups that refer to them.',
    since: '8.2.0',
    complexity: 'O(1) for each message ID processed.',
    group: 'stream',
    arity: -6,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update', 'delete'),
    arguments: streamDocs.xackdel,
    run: acknowledgeAndDeleteIds,
  },
  {
    name: 'xnack',
    summary: 'Gives pending entries back to their group, for whoever claims next. Tells how many.',
    since: '8.8.0',
    complexity: 'O(1) for each message ID processed.',
    group: 'stream',
    arity: -7,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: streamDocs.xnack,
    run: nackEntries,
  },
  {
    name: 'xpending',
    summary: 'Tells what is pending in a group: a summary, or the entries with their consumers.',
    since: '5.0.0',
    complexity:
      'O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.',
    group: 'stream',
    arity: -3,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(1, 'RO', 'access'),
    tips: ['nondeterministic_output'],
    arguments: streamDocs.xpending,
    run: tellPending,
  },
  {
    name: 'xclaim',
    summary: 'Makes entries pending for a consumer, as if they had been delivered to it.',
    since: '5.0.0',
    complexity: 'O(log N) with N being the number of messages in the PEL of the consumer group.',
    group: 'stream',
    arity: -6,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    tips: ['nondeterministic_output'],
    arguments: streamDocs.xclaim,
    run: claimEntries,
  },
  {
    name: 'xautoclaim',
    summary: 'Makes entries that have been pending for long enough pending for a consumer, some at a time.',
    since: '6.2.0',
    complexity: 'O(1) if COUNT is small.',
    group: 'stream',
    arity: -6,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'delete'),
    tips: ['nondeterministic_output'],
    arguments: streamDocs.xautoclaim,
    run: autoClaimEntries,
  },
]

/** Hot. */
function acknowledgeIds(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const key = nameAt(request, 1)
  const group = nameAt(request, 2)
  // As Redis: without the group no ID is looked at, not even a bad one.
  if (client.streamToRead(key)?.group(group) === undefined) return reply.integer(0)
  if (ids.ms.length > IDS_KEPT_MAX) ids = new IdList()
  ids.clear()
  for (let i = 3; i < request.count; i++) {
    readId(request, i, id)
    ids.add(id)
  }
  reply.integer(acknowledgePacked(database, { key, group }, ids, nowMs))
}

function acknowledgeAndDeleteIds(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const key = request.text(1)
  const ref = { key, group: request.text(2) }
  const lengthBefore = database.find(key, nowMs)?.length ?? 0
  const outcomes = acknowledgeAndDelete(database, ref, readIdBlock(request, 3), nowMs)
  if ((database.find(key, nowMs)?.length ?? 0) < lengthBefore) server.notify('t', 'xdel', key, databaseIndex)
  writeOutcomes(reply, outcomes)
}

function tellPending(client: Client, request: Request): void {
  if (request.count === 3) return tellSummary(client, request)
  if (request.count < 6 || request.count > 9) throw new ReplyError(lines.syntax)
  let at = 3
  let minIdleMs = 0
  if (request.is(3, 'IDLE')) {
    minIdleMs = integerAt(request, 4)
    if (request.count < 8) throw new ReplyError(lines.syntax)
    at = 5
  }
  const count = toCount(Math.max(integerAt(request, at + 2), 0))
  const from = startAt(request, at)
  const to = endAt(request, at + 1)
  const named = at + 3 < request.count ? { consumer: request.text(at + 3) } : {}
  const ref = requireRef(client, request)
  const picture = pendingPicture(client.database, ref, { from, to, count, minIdleMs, ...named }, client.nowMs)
  if (picture.length > LONG_REPLY_MIN) picture.keep()
  tellPieces(client, picture.length, rangePieces(client.reply, picture, client.nowMs))
}

function* rangePieces(reply: ReplyWriter, picture: PendingPicture, nowMs: number): Generator<void> {
  reply.array(picture.length)
  while (picture.next()) {
    reply.array(4)
    encodeId(reply, picture.id)
    reply.bulkText(picture.consumer)
    reply.integer(picture.idleMs(nowMs))
    writeDeliveries(reply, picture.deliveries)
    yield
  }
}

function tellSummary(client: Client, request: Request): void {
  const { total, first, last, consumers } = pendingSummary(client.database, requireRef(client, request), client.nowMs)
  const { reply } = client
  reply.array(4)
  reply.integer(total)
  if (first === undefined) {
    reply.null()
    reply.null()
    return reply.nullArray()
  }
  writeId(reply, first)
  writeId(reply, last ?? first)
  reply.array(consumers.length)
  for (const { name, pending } of consumers) {
    reply.array(2)
    reply.bulkText(name)
    reply.bulkText(String(pending))
  }
}

function requireRef(client: Client, request: Request): { key: string; group: string } {
  const key = request.text(1)
  const group = request.text(2)
  if (client.streamToRead(key)?.group(group) === undefined) throw noGroup(key, group)
  return { key, group }
}
