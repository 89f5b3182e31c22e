/** Commands about a stream's entries: XADD, XLEN, XRANGE, XREVRANGE, XDEL, XDELEX, XTRIM, XSETID. */
import {
  compareIds,
  deleteEntries,
  deleteEntriesEx,
  EntryCursor,
  ID_ZERO,
  IdCell,
  setLastId,
  trim,
  type StreamId,
} from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { addEntry } from './stream-add.ts'
import {
  entriesAddedAt,
  idAt,
  idsFrom,
  integerAt,
  readEnd,
  readIdBlock,
  readStart,
  TrimOptions,
} from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'
import { encodeEntries } from './stream-encoder.ts'
import { FrozenRange, LONG_REPLY_MIN, LongReply } from './stream-long-replies.ts'
import { nameAt } from './stream-names.ts'
import { writeOutcomes } from './stream-replies.ts'

const perItem = 'O(1) for each single item to delete in the stream, regardless of the stream size.'
const perEntry =
  'O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).'

const cursor = new EntryCursor()
const from = new IdCell()
const to = new IdCell()

export const streamEntryCommands: readonly Command[] = [
  {
    name: 'xadd',
    summary: 'Appends an entry to a stream, which is created when it is missing.',
    since: '5.0.0',
    complexity: 'O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.',
    group: 'stream',
    arity: -5,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['stream'],
    keys: [
      {
        ...keyAt(1, 'RW', 'update')[0]!,
        notes: 'UPDATE instead of INSERT because of the optional trimming feature',
      },
    ],
    tips: ['nondeterministic_output'],
    arguments: streamDocs.xadd,
    run: addEntry,
  },
  {
    name: 'xlen',
    summary: 'Tells how many entries a stream has.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RO'),
    arguments: streamDocs.xlen,
    run(client, request) {
      client.reply.integer(client.streamToRead(request.text(1))?.length ?? 0)
    },
  },
  {
    name: 'xrange',
    summary: 'Tells the entries of a stream from one ID to another.',
    since: '5.0.0',
    complexity: perEntry.replace('elements returned', 'elements being returned'),
    group: 'stream',
    arity: -4,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: streamDocs.xrange,
    run(client, request) {
      tellRange(client, request, false)
    },
  },
  {
    name: 'xrevrange',
    summary: 'Tells the entries of a stream from one ID back to another, the newest first.',
    since: '5.0.0',
    complexity: perEntry,
    group: 'stream',
    arity: -4,
    flags: ['readonly'],
    categories: ['stream'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: streamDocs.xrevrange,
    run(client, request) {
      tellRange(client, request, true)
    },
  },
  {
    name: 'xdel',
    summary: 'Deletes entries of a stream by their IDs; tells how many were there.',
    since: '5.0.0',
    complexity: perItem,
    group: 'stream',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'delete'),
    arguments: streamDocs.xdel,
    run: deleteIds,
  },
  {
    name: 'xdelex',
    summary: 'Deletes entries of a stream, with or without regard to the groups that refer to them.',
    since: '8.2.0',
    complexity: perItem,
    group: 'stream',
    arity: -5,
    flags: ['write', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'delete'),
    arguments: streamDocs.xdelex,
    run: deleteIdsEx,
  },
  {
    name: 'xtrim',
    summary: 'Trims a stream to a length, or to IDs from one on.',
    since: '5.0.0',
    complexity:
      'O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.',
    group: 'stream',
    arity: -4,
    flags: ['write'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'delete'),
    tips: ['nondeterministic_output'],
    arguments: streamDocs.xtrim,
    run: trimStream,
  },
  {
    name: 'xsetid',
    summary: 'Sets what a stream remembers: its last ID, entries ever added, the highest deleted ID.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['stream'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: streamDocs.xsetid,
    differs: 'ENTRIESADDED beyond 2^52 is taken as 2^52.',
    run: setId,
  },
]

/** Hot: XRANGE and XREVRANGE. */
function tellRange(client: Client, request: Request, reverse: boolean): void {
  readStart(request, reverse ? 3 : 2, from)
  readEnd(request, reverse ? 2 : 3, to)
  let count = Infinity
  for (let at = 4; at < request.count; at += 2) {
    if (at + 1 >= request.count || !request.is(at, 'COUNT')) throw new ReplyError(lines.syntax)
    count = Math.max(integerAt(request, at + 1), 0)
  }
  const { reply } = client
  const stream = client.streamToRead(nameAt(request, 1))
  if (stream === undefined) return reply.array(0)
  if (count === 0) return reply.nullArray()
  if (Math.min(count, stream.length) > LONG_REPLY_MIN) {
    const range = new FrozenRange(stream, { from, to, isBackward: reverse }, count)
    return client.stream(new LongReply([{ key: undefined, range }]))
  }
  if (reverse) cursor.backward(stream, from, to, count)
  else cursor.forward(stream, from, to, count)
  encodeEntries(reply, cursor, Math.min(count, stream.length))
  cursor.close()
}

function deleteIds(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const key = request.text(1)
  // As Redis: a key that is missing is answered before a bad ID is.
  if (database.find(key, nowMs) === undefined) return reply.integer(0)
  const deleted = deleteEntries(database, key, idsFrom(request, 2), nowMs)
  if (deleted > 0) server.notify('t', 'xdel', key, databaseIndex)
  reply.integer(deleted)
}

function deleteIdsEx(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const key = request.text(1)
  const outcomes = deleteEntriesEx(database, key, readIdBlock(request, 2), nowMs)
  if (outcomes.includes(1)) server.notify('t', 'xdel', key, databaseIndex)
  writeOutcomes(reply, outcomes)
}

function trimStream(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const options = new TrimOptions()
  for (let at = 2; at < request.count;) {
    const after = options.read(request, at)
    if (after === at) throw new ReplyError(lines.syntax)
    at = after
  }
  const rule = options.rule(true)!
  const key = request.text(1)
  const removed = trim(database, key, rule, nowMs)
  if (removed > 0) server.notify('t', 'xtrim', key, databaseIndex)
  reply.integer(removed)
}

function setId(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const lastId = idAt(request, 2)
  const { entriesAdded, maxDeletedId } = readSetIdOptions(request, lastId)
  const key = request.text(1)
  const stream = database.require(key, nowMs)
  if (compareIds(lastId, stream.maxDeletedId) < 0) {
    throw new ReplyError('ERR The ID specified in XSETID is smaller than current max_deleted_entry_id')
  }
  const counted = entriesAdded === undefined ? {} : { entriesAdded }
  setLastId(database, { key, lastId, maxDeletedId, ...counted }, nowMs)
  reply.ok()
  server.notify('t', 'xsetid', key, databaseIndex)
}

function readSetIdOptions(
  request: Request,
  lastId: StreamId,
): { entriesAdded: number | undefined; maxDeletedId: StreamId } {
  let entriesAdded: number | undefined
  let maxDeletedId = ID_ZERO
  for (let at = 3; at < request.count; at += 2) {
    const hasValue = at + 1 < request.count
    if (hasValue && request.is(at, 'ENTRIESADDED')) {
      entriesAdded = entriesAddedAt(request, at + 1)
    } else if (hasValue && request.is(at, 'MAXDELETEDID')) {
      maxDeletedId = idAt(request, at + 1)
      if (compareIds(lastId, maxDeletedId) < 0) {
        throw new ReplyError('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id')
      }
    } else throw new ReplyError(lines.syntax)
  }
  return { entriesAdded, maxDeletedId }
}
