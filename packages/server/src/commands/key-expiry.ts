/** When keys expire. */
import { expireAt, persist as persistKey } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { anyExpiry, type ExpiryUnit } from '../expiry-arguments.ts'

export const keyExpiryCommands: readonly Command[] = [
  {
    name: 'expire',
    summary: "Set a key's time to live in seconds.",
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'seconds', type: 'integer' },
      {
        name: 'condition',
        type: 'oneof',
        since: '7.0.0',
        isOptional: true,
        arguments: [
          { name: 'nx', type: 'pure-token', token: 'NX' },
          { name: 'xx', type: 'pure-token', token: 'XX' },
          { name: 'gt', type: 'pure-token', token: 'GT' },
          { name: 'lt', type: 'pure-token', token: 'LT' },
        ],
      },
    ],
    run: expire({ isSeconds: true, isAbsolute: false }, 'expire'),
  },
  {
    name: 'pexpire',
    summary: "Set a key's time to live in milliseconds.",
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'milliseconds', type: 'integer' },
      {
        name: 'condition',
        type: 'oneof',
        since: '7.0.0',
        isOptional: true,
        arguments: [
          { name: 'nx', type: 'pure-token', token: 'NX' },
          { name: 'xx', type: 'pure-token', token: 'XX' },
          { name: 'gt', type: 'pure-token', token: 'GT' },
          { name: 'lt', type: 'pure-token', token: 'LT' },
        ],
      },
    ],
    run: expire({ isSeconds: false, isAbsolute: false }, 'pexpire'),
  },
  {
    name: 'expireat',
    summary: 'Set the expiration for a key as a UNIX timestamp.',
    since: '1.2.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'unix-time-seconds', type: 'unix-time' },
      {
        name: 'condition',
        type: 'oneof',
        since: '7.0.0',
        isOptional: true,
        arguments: [
          { name: 'nx', type: 'pure-token', token: 'NX' },
          { name: 'xx', type: 'pure-token', token: 'XX' },
          { name: 'gt', type: 'pure-token', token: 'GT' },
          { name: 'lt', type: 'pure-token', token: 'LT' },
        ],
      },
    ],
    run: expire({ isSeconds: true, isAbsolute: true }, 'expireat'),
  },
  {
    name: 'pexpireat',
    summary: 'Set the expiration for a key as a UNIX timestamp specified in milliseconds.',
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'unix-time-milliseconds', type: 'unix-time' },
      {
        name: 'condition',
        type: 'oneof',
        since: '7.0.0',
        isOptional: true,
        arguments: [
          { name: 'nx', type: 'pure-token', token: 'NX' },
          { name: 'xx', type: 'pure-token', token: 'XX' },
          { name: 'gt', type: 'pure-token', token: 'GT' },
          { name: 'lt', type: 'pure-token', token: 'LT' },
        ],
      },
    ],
    run: expire({ isSeconds: false, isAbsolute: true }, 'pexpireat'),
  },
  {
    name: 'ttl',
    summary: 'Get the time to live for a key in seconds.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO', 'access'),
    tips: ['nondeterministic_output'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: timeOf({ isSeconds: true, isAbsolute: false }),
  },
  {
    name: 'pttl',
    summary: 'Get the time to live for a key in milliseconds.',
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO', 'access'),
    tips: ['nondeterministic_output'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: timeOf({ isSeconds: false, isAbsolute: false }),
  },
  {
    name: 'expiretime',
    summary: 'Get the expiration Unix timestamp for a key.',
    since: '7.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: timeOf({ isSeconds: true, isAbsolute: true }),
  },
  {
    name: 'pexpiretime',
    summary: 'Get the expiration Unix timestamp for a key in milliseconds.',
    since: '7.0.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: timeOf({ isSeconds: false, isAbsolute: true }),
  },
  {
    name: 'persist',
    summary: 'Remove the expiration from a key.',
    since: '2.2.0',
    complexity: 'O(1)',
    group: 'generic',
    arity: 2,
    flags: ['write', 'fast'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RW', 'update'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: persist,
  },
]

/** A time that has passed removes the key. */
function expire(unit: ExpiryUnit, command: string): (client: Client, request: Request) => void {
  return (client, request) => {
    const { database, nowMs, reply, server, databaseIndex } = client
    const condition = conditionOf(request)
    const atMs = anyExpiry({ request, index: 2, unit, command }, nowMs)
    const key = request.text(1)
    if (database.value(key, nowMs) === undefined || !isMet(condition, atMs, database.expiresAtMs(key))) {
      return reply.integer(0)
    }
    expireAt(database, key, atMs, nowMs)
    server.notify('g', atMs <= nowMs ? 'del' : 'expire', key, databaseIndex)
    reply.integer(1)
  }
}

interface Condition {
  NX: boolean
  XX: boolean
  GT: boolean
  LT: boolean
}

const words = ['NX', 'XX', 'GT', 'LT'] as const

function conditionOf(request: Request): Condition {
  const condition: Condition = { NX: false, XX: false, GT: false, LT: false }
  for (let i = 3; i < request.count; i++) {
    const word = words.find((each) => request.is(i, each))
    // As Redis, which prints it as a C string.
    if (word === undefined) throw new ReplyError(`ERR Unsupported option ${request.text(i).split('\0', 1)[0]}`)
    condition[word] = true
  }
  if (condition.NX && (condition.XX || condition.GT || condition.LT)) {
    throw new ReplyError('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (condition.GT && condition.LT) {
    throw new ReplyError('ERR GT and LT options at the same time are not compatible')
  }
  return condition
}

/** Whether an expiry may take the place of the current one; none is later than any. */
function isMet(condition: Condition, atMs: number, currentMs: number | undefined): boolean {
  if (condition.NX && currentMs !== undefined) return false
  if (condition.XX && currentMs === undefined) return false
  const current = currentMs ?? Infinity
  if (condition.GT && atMs <= current) return false
  return !(condition.LT && atMs >= current)
}

function persist({ database, nowMs, reply, server, databaseIndex }: Client, request: Request): void {
  const key = request.text(1)
  const isEnded = persistKey(database, key, nowMs)
  if (isEnded) server.notify('g', 'persist', key, databaseIndex)
  reply.integer(isEnded ? 1 : 0)
}

/** -2: no such key, -1: it does not expire. Seconds are rounded. */
function timeOf({ isSeconds, isAbsolute }: ExpiryUnit): (client: Client, request: Request) => void {
  return ({ database, nowMs, reply, server, databaseIndex }, request) => {
    const key = request.text(1)
    if (database.value(key, nowMs) === undefined) {
      server.missed(key, databaseIndex)
      return reply.integer(-2)
    }
    server.keyspaceHits++
    const atMs = database.expiresAtMs(key)
    if (atMs === undefined) return reply.integer(-1)
    const ms = isAbsolute ? atMs : atMs - nowMs
    const told = isSeconds ? Math.floor((ms + 500) / 1000) : ms
    reply.integer(Number.isSafeInteger(told) ? told : BigInt(told))
  }
}
