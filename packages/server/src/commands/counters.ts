/** Strings that are numbers: 64-bit integers, exact to the last one, and INCRBYFLOAT's long doubles. */
import { getString } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import {
  addLongDoubles,
  formatLongDouble,
  LONG_DOUBLE_BYTES_MAX,
  parseLongDouble,
  type ParsedLongDouble,
} from '../long-double.ts'
import { storeString } from './string-store.ts'

export const counterCommands: readonly Command[] = [
  {
    name: 'incr',
    summary: 'Increment the integer value of a key by one.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: incr,
  },
  {
    name: 'decr',
    summary: 'Decrement the integer value of a key by one.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: decr,
  },
  {
    name: 'incrby',
    summary: 'Increment the integer value of a key by the given amount.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'increment', type: 'integer' },
    ],
    run: incrby,
  },
  {
    name: 'decrby',
    summary: 'Decrement the integer value of a key by the given number.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'decrement', type: 'integer' },
    ],
    run: decrby,
  },
  {
    name: 'incrbyfloat',
    summary: 'Increment the float value of a key by the given amount.',
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'increment', type: 'double' },
    ],
    run: incrbyfloat,
  },
]

const INT64_MIN = -(2n ** 63n)
const decimalInteger = /^(?:0|-?[1-9]\d{0,18})$/

function incr(client: Client, request: Request): void {
  add(client, request.text(1), 1n)
}

function decr(client: Client, request: Request): void {
  add(client, request.text(1), -1n)
}

function incrby(client: Client, request: Request): void {
  add(client, request.text(1), step(request))
}

function decrby(client: Client, request: Request): void {
  const decrement = step(request)
  if (decrement === INT64_MIN) throw new ReplyError('ERR decrement would overflow')
  add(client, request.text(1), -decrement)
}

function step(request: Request): bigint {
  const value = request.bigint(2)
  if (value === undefined) throw new ReplyError(lines.notInteger)
  return value
}

function add(client: Client, key: string, increment: bigint): void {
  const before = getString(client.database, key, client.nowMs)
  const sum = (before === undefined ? 0n : integerOf(before)) + increment
  if (!isInt64(sum)) throw new ReplyError('ERR increment or decrement would overflow')
  storeString(client, { key, value: Buffer.from(sum.toString()), expiresAtMs: 'keep' }, 'incrby')
  client.reply.integer(sum)
}

function integerOf(bytes: Uint8Array): bigint {
  const text = bytes.length > 20 ? '' : latin1(bytes)
  const value = decimalInteger.test(text) ? BigInt(text) : undefined
  if (value === undefined || !isInt64(value)) throw new ReplyError(lines.notInteger)
  return value
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value
}

function incrbyfloat(client: Client, request: Request): void {
  const key = request.text(1)
  const before = getString(client.database, key, client.nowMs)
  const current = before === undefined ? { mantissa: 0n, exponent: 0 } : numberIn(before)
  const text = formatLongDouble(sumOf(current, numberIn(request.view(2))))
  storeString(client, { key, value: Buffer.from(text), expiresAtMs: 'keep' }, 'incrbyfloat')
  client.reply.bulkText(text)
}

function numberIn(bytes: Uint8Array): ParsedLongDouble {
  return bytes.length > LONG_DOUBLE_BYTES_MAX ? undefined : parseLongDouble(latin1(bytes))
}

function sumOf(a: ParsedLongDouble, b: ParsedLongDouble): Exclude<ParsedLongDouble, 'infinity' | undefined> {
  if (a === undefined || b === undefined) throw new ReplyError('ERR value is not a valid float')
  const sum = a === 'infinity' || b === 'infinity' ? undefined : addLongDoubles(a, b)
  if (sum === undefined) throw new ReplyError('ERR increment would produce NaN or Infinity')
  return sum
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
