/** Several strings at once, and parts of one. */
import { getString } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { checkLength, readString, storeString } from './string-store.ts'

export const stringPartCommands: readonly Command[] = [
  {
    name: 'mget',
    summary: 'Get the values of all the given keys.',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys to retrieve.',
    group: 'string',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['string'],
    keys: [{ access: 'RO', uses: ['access'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 1, limit: 0 } }],
    tips: ['request_policy:multi_shard'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0, isMultiple: true }],
    run: mget,
  },
  {
    name: 'mset',
    summary: 'Set multiple keys to multiple values.',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys to set.',
    group: 'string',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: [{ access: 'OW', uses: ['update'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 2, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:all_succeeded'],
    arguments: [
      {
        name: 'key_value',
        type: 'block',
        isMultiple: true,
        arguments: [
          { name: 'key', type: 'key', keySpecIndex: 0 },
          { name: 'value', type: 'string' },
        ],
      },
    ],
    run: mset,
  },
  {
    name: 'msetnx',
    summary: 'Set multiple keys to multiple values, only if none of the keys exist.',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys to set.',
    group: 'string',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: [{ access: 'OW', uses: ['insert'], begin: { index: 1 }, find: { lastKey: -1, keyStep: 2, limit: 0 } }],
    tips: ['request_policy:multi_shard', 'response_policy:agg_min'],
    arguments: [
      {
        name: 'key_value',
        type: 'block',
        isMultiple: true,
        arguments: [
          { name: 'key', type: 'key', keySpecIndex: 0 },
          { name: 'value', type: 'string' },
        ],
      },
    ],
    run: msetnx,
  },
  {
    name: 'strlen',
    summary: 'Get the length of the value stored in a key.',
    since: '2.2.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RO'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: strlen,
  },
  {
    name: 'append',
    summary: 'Append a value to a key.',
    since: '2.0.0',
    complexity:
      'O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'insert'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'value', type: 'string' },
    ],
    run: append,
  },
  {
    name: 'setrange',
    summary: 'Overwrite part of a string at key starting at the specified offset.',
    since: '2.2.0',
    complexity:
      'O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.',
    group: 'string',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'offset', type: 'integer' },
      { name: 'value', type: 'string' },
    ],
    run: setrange,
  },
  {
    name: 'getrange',
    summary: 'Get a substring of the string stored at a key.',
    since: '2.4.0',
    complexity:
      'O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.',
    group: 'string',
    arity: 4,
    flags: ['readonly'],
    categories: ['string'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'start', type: 'integer' },
      { name: 'end', type: 'integer' },
    ],
    run: getrange,
  },
  {
    name: 'substr',
    summary: 'Get a substring of the string stored at a key.',
    since: '1.0.0',
    complexity:
      'O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.',
    group: 'string',
    arity: 4,
    flags: ['readonly'],
    categories: ['string'],
    keys: keyAt(1, 'RO', 'access'),
    deprecated: { since: '2.0.0', replacedBy: '`GETRANGE`' },
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'start', type: 'integer' },
      { name: 'end', type: 'integer' },
    ],
    run: getrange,
  },
]

/** As Redis: a key that holds something else than a string is as one that is not there. */
function mget(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  reply.array(request.count - 1)
  for (let i = 1; i < request.count; i++) {
    const key = request.text(i)
    const value = database.value(key, nowMs)
    if (value?.type === 'string') reply.bulk(value.bytes)
    else reply.null()
    if (value === undefined) server.missed(key, databaseIndex)
    else server.keyspaceHits++
  }
}

function mset(client: Client, request: Request): void {
  checkPairs(request, 'mset')
  storePairs(client, request)
  client.reply.ok()
}

function msetnx(client: Client, request: Request): void {
  checkPairs(request, 'msetnx')
  for (let i = 1; i < request.count; i += 2) {
    if (client.database.value(request.text(i), client.nowMs) !== undefined) return client.reply.integer(0)
  }
  storePairs(client, request)
  client.reply.integer(1)
}

function checkPairs(request: Request, command: string): void {
  if (request.count % 2 === 0) throw new ReplyError(`ERR wrong number of arguments for '${command}' command`)
}

function storePairs(client: Client, request: Request): void {
  for (let i = 1; i < request.count; i += 2) {
    storeString(client, { key: request.text(i), value: request.view(i + 1) }, 'set')
  }
}

function strlen(client: Client, request: Request): void {
  client.reply.integer(readString(client, request.text(1))?.length ?? 0)
}

function append(client: Client, request: Request): void {
  const key = request.text(1)
  const before = getString(client.database, key, client.nowMs)
  const added = request.view(2)
  const bytes = (before?.length ?? 0) + added.length
  checkLength(client, bytes)
  const value = before === undefined ? added : Buffer.concat([before, added], bytes)
  storeString(client, { key, value, expiresAtMs: 'keep' }, 'append')
  client.reply.integer(bytes)
}

function setrange(client: Client, request: Request): void {
  const key = request.text(1)
  const offset = integerAt(request, 2)
  if (offset < 0) throw new ReplyError('ERR offset is out of range')
  const before = getString(client.database, key, client.nowMs)
  const part = request.view(3)
  const bytesBefore = before?.length ?? 0
  if (part.length === 0) return client.reply.integer(bytesBefore)
  checkLength(client, offset + part.length)
  const value = Buffer.alloc(Math.max(bytesBefore, offset + part.length))
  if (before !== undefined) value.set(before)
  value.set(part, offset)
  storeString(client, { key, value, expiresAtMs: 'keep' }, 'setrange')
  client.reply.integer(value.length)
}

/** From and to count from the front, or when negative from the end; what lies outside is left away. */
function getrange(client: Client, request: Request): void {
  const from = integerAt(request, 2)
  const to = integerAt(request, 3)
  const value = readString(client, request.text(1)) ?? new Uint8Array(0)
  const start = Math.max(from < 0 ? value.length + from : from, 0)
  const end = Math.max(to < 0 ? value.length + to : to, 0)
  const isEmpty = (from < 0 && to < 0 && from > to) || start > end
  client.reply.bulk(isEmpty ? new Uint8Array(0) : value.subarray(start, end + 1))
}

function integerAt(request: Request, index: number): number {
  const value = request.integer(index)
  if (value === undefined) throw new ReplyError(lines.notInteger)
  return value
}
