/** Keys as a whole, whatever they hold: removed, looked for, renamed, copied, moved, flushed. */
import { flush, randomKey, removeKey, renameKey } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'

export const keyCommands: readonly Command[] = [
  {
    name: 'del',
    summary: 'Delete a key.',
    since: '1.0.0',
    complexity:
      'O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).',
    group: 'generic',
    arity: -2,
    flags: ['write'],
    categories: ['keyspace'],
    keys: [{ access: 'RM', uses: ['delete'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: del,
  },
  {
    name: 'unlink',
    summary: 'Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non blocking.',
    since: '4.0.0',
    complexity:
      'O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.',
    group: 'generic',
    arity: -2,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: [{ access: 'RM', uses: ['delete'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: del,
  },
  {
    name: 'exists',
    summary: 'Determine if a key exists.',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys to check.',
    group: 'generic',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: [{ access: 'RO', uses: [], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: exists,
  },
  {
    name: 'type',
    summary: 'Determine the type stored at key.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: type,
  },
  {
    name: 'touch',
    summary: 'Alters the last access time of a key(s). Returns the number of existing keys specified.',
    since: '3.2.1',
    complexity: 'O(N) where N is the number of keys that will be touched.',
    group: 'generic',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: [{ access: 'RO', uses: [], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: touch,
  },
  {
    name: 'rename',
    summary: 'Rename a key.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 3,
    flags: ['write'],
    categories: ['keyspace'],
    keys: [...keyAt(1, 'RW', 'access', 'delete'), ...keyAt(2, 'OW', 'update')],
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'newkey', type: 'key', keySpecIndex: 1 },
    ],
    run: rename,
  },
  {
    name: 'renamenx',
    summary: 'Rename a key, only if the new key does not exist.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: [...keyAt(1, 'RW', 'access', 'delete'), ...keyAt(2, 'OW', 'insert')],
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'newkey', type: 'key', keySpecIndex: 1 },
    ],
    run: renamenx,
  },
  {
    name: 'copy',
    summary: 'Copy a key.',
    since: '6.2.0',
    complexity: 'O(N) worst case for collections, where N is the number of nested items. O(1) for string values.',
    group: 'generic',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['keyspace'],
    keys: [...keyAt(1, 'RO', 'access'), ...keyAt(2, 'OW', 'update')],
    arguments: [
      { name: 'source', type: 'key', keySpecIndex: 0 },
      { name: 'destination', type: 'key', keySpecIndex: 1 },
      { name: 'destination-db', type: 'integer', token: 'DB', isOptional: true },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', isOptional: true },
    ],
    run: copy,
  },
  {
    name: 'move',
    summary: 'Move a key to another database.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'db', type: 'integer' },
    ],
    run: move,
  },
  {
    name: 'swapdb',
    summary: 'Swaps two Redis databases.',
    since: '4.0.0',
    complexity: 'O(N) where N is the count of clients watching or blocking on keys from both databases.',
    group: 'server',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace', 'dangerous'],
    keys: [],
    arguments: [
      { name: 'index1', type: 'integer' },
      { name: 'index2', type: 'integer' },
    ],
    run: swapdb,
  },
  {
    name: 'randomkey',
    summary: 'Return a random key from the keyspace.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 1,
    flags: ['readonly'],
    categories: ['keyspace'],
    keys: [],
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
    run: randomkey,
  },
  {
    name: 'dbsize',
    summary: 'Return the number of keys in the selected database.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 1,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: [],
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
    run: dbsize,
  },
  {
    name: 'flushdb',
    summary: 'Remove all keys from the current database.',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys in the selected database',
    group: 'server',
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    keys: [],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [
      {
        name: 'async',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'async', type: 'pure-token', token: 'ASYNC', since: '4.0.0' },
          { name: 'sync', type: 'pure-token', token: 'SYNC', since: '6.2.0' },
        ],
      },
    ],
    run: flushdb,
  },
  {
    name: 'flushall',
    summary: 'Remove all keys from all databases.',
    since: '1.0.0',
    complexity: 'O(N) where N is the total number of keys in all databases',
    group: 'server',
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    keys: [],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [
      {
        name: 'async',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'async', type: 'pure-token', token: 'ASYNC', since: '4.0.0' },
          { name: 'sync', type: 'pure-token', token: 'SYNC', since: '6.2.0' },
        ],
      },
    ],
    run: flushall,
  },
]

const DATABASE_OUT_OF_RANGE = 'ERR DB index is out of range'
const SAME_OBJECTS = 'ERR source and destination objects are the same'

/** DEL, and UNLINK: removing a big stream costs no more than a small one. */
function del({ database, nowMs, reply, server, databaseIndex }: Client, request: Request): void {
  let count = 0
  for (let i = 1; i < request.count; i++) {
    const key = request.text(i)
    if (!removeKey(database, key, nowMs)) continue
    count++
    server.notify('g', 'del', key, databaseIndex)
  }
  reply.integer(count)
}

/** A key that is named twice counts twice. */
function exists(client: Client, request: Request): void {
  let count = 0
  for (let i = 1; i < request.count; i++) if (isThere(client, request.text(i))) count++
  client.reply.integer(count)
}

/** As Redis without a policy of eviction: it counts them, and nobody remembers when a key was used last. */
function touch(client: Client, request: Request): void {
  exists(client, request)
}

function isThere({ database, nowMs, server, databaseIndex }: Client, key: string): boolean {
  const isThere = database.value(key, nowMs) !== undefined
  if (isThere) server.keyspaceHits++
  else server.missed(key, databaseIndex)
  return isThere
}

function type(client: Client, request: Request): void {
  const key = request.text(1)
  client.reply.simple(isThere(client, key) ? client.database.value(key, client.nowMs)!.type : 'none')
}

function rename(client: Client, request: Request): void {
  renameAndTell(client, request)
  client.reply.ok()
}

function renamenx(client: Client, request: Request): void {
  const { database, nowMs } = client
  if (database.value(request.text(1), nowMs) === undefined) throw new ReplyError(lines.noSuchKey)
  if (database.value(request.text(2), nowMs) !== undefined) return client.reply.integer(0)
  renameAndTell(client, request)
  client.reply.integer(1)
}

function renameAndTell({ database, nowMs, server, databaseIndex }: Client, request: Request): void {
  const from = request.text(1)
  const to = request.text(2)
  renameKey(database, from, to, nowMs)
  if (from === to) return
  server.notify('n', 'new', to, databaseIndex)
  server.notify('g', 'rename_from', from, databaseIndex)
  server.notify('g', 'rename_to', to, databaseIndex)
}

function copy(client: Client, request: Request): void {
  const { server, nowMs, databaseIndex, reply } = client
  let database = databaseIndex
  let replace = false
  for (let i = 3; i < request.count; i++) {
    if (request.is(i, 'REPLACE')) replace = true
    else if (request.is(i, 'DB') && i + 1 < request.count) database = databaseAt(client, request, ++i)
    else throw new ReplyError(lines.syntax)
  }
  const from = { key: request.text(1), database: databaseIndex }
  const to = { key: request.text(2), database }
  if (from.key === to.key && from.database === to.database) throw new ReplyError(SAME_OBJECTS)
  if (!isThere(client, from.key) || !server.databases.copy(from, to, { replace }, nowMs)) return reply.integer(0)
  server.notify('n', 'new', to.key, database)
  server.notify('g', 'copy_to', to.key, database)
  reply.integer(1)
}

function move(client: Client, request: Request): void {
  const { server, nowMs, databaseIndex, reply } = client
  const key = request.text(1)
  const to = databaseAt(client, request, 2)
  if (to === databaseIndex) throw new ReplyError(SAME_OBJECTS)
  if (!server.databases.move(key, databaseIndex, to, nowMs)) return reply.integer(0)
  server.notify('n', 'new', key, to)
  server.notify('g', 'move_from', key, databaseIndex)
  server.notify('g', 'move_to', key, to)
  reply.integer(1)
}

function databaseAt(client: Client, request: Request, index: number): number {
  const number = request.integer(index)
  if (number === undefined) throw new ReplyError(lines.notInteger)
  if (!isInt32(number)) {
    throw new ReplyError('ERR value is out of range, value must between -2147483648 and 2147483647')
  }
  return inRange(client, number)
}

function inRange({ server }: Client, number: number): number {
  if (number < 0 || number >= server.databases.count) throw new ReplyError(DATABASE_OUT_OF_RANGE)
  return number
}

function isInt32(number: number): boolean {
  return (number | 0) === number
}

function swapdb(client: Client, request: Request): void {
  const a = request.integer(1)
  if (a === undefined || !isInt32(a)) throw new ReplyError('ERR invalid first DB index')
  const b = request.integer(2)
  if (b === undefined || !isInt32(b)) throw new ReplyError('ERR invalid second DB index')
  client.server.databases.swap(inRange(client, a), inRange(client, b), client.nowMs)
  client.reply.ok()
}

function randomkey({ database, nowMs, reply, server }: Client): void {
  const key = randomKey(database, () => server.env.random(), nowMs)
  if (key === undefined) reply.null()
  else reply.bulkText(key)
}

function dbsize({ database, reply }: Client): void {
  reply.integer(database.keyCount)
}

function flushdb({ database, reply }: Client, request: Request): void {
  checkFlushOptions(request)
  flush(database)
  reply.ok()
}

function flushall({ server, reply }: Client, request: Request): void {
  checkFlushOptions(request)
  server.databases.flush()
  reply.ok()
}

/** ASYNC and SYNC are the same here: nothing is left to be done later. */
function checkFlushOptions(request: Request): void {
  const isRight = request.count === 1 || (request.count === 2 && (request.is(1, 'ASYNC') || request.is(1, 'SYNC')))
  if (!isRight) throw new ReplyError(lines.syntax)
}
