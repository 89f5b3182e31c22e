/** Strings as a whole: SET, GET and their relatives. What changes a part of one is in string-parts.ts and counters.ts. */
import { expireAt, persist, removeKey } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { expiryOptions, positiveExpiry, type ExpiryUnit } from '../expiry-arguments.ts'
import { readString, storeString } from './string-store.ts'

export const stringCommands: readonly Command[] = [
  {
    name: 'set',
    summary: 'Set the string value of a key.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: [
      {
        access: 'RW',
        uses: ['access', 'update', 'variable_flags'],
        begin: { index: 1 },
        find: { lastKey: 0, keyStep: 1, limit: 0 },
        notes: 'RW and ACCESS due to the optional `GET` argument',
      },
    ],
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'value', type: 'string' },
      {
        name: 'condition',
        type: 'oneof',
        since: '2.6.12',
        isOptional: true,
        arguments: [
          { name: 'nx', type: 'pure-token', token: 'NX' },
          { name: 'xx', type: 'pure-token', token: 'XX' },
        ],
      },
      { name: 'get', type: 'pure-token', token: 'GET', since: '6.2.0', isOptional: true },
      {
        name: 'expiration',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'seconds', type: 'integer', token: 'EX', since: '2.6.12' },
          { name: 'milliseconds', type: 'integer', token: 'PX', since: '2.6.12' },
          { name: 'unix-time-seconds', type: 'unix-time', token: 'EXAT', since: '6.2.0' },
          { name: 'unix-time-milliseconds', type: 'unix-time', token: 'PXAT', since: '6.2.0' },
          { name: 'keepttl', type: 'pure-token', token: 'KEEPTTL', since: '6.0.0' },
        ],
      },
    ],
    run: set,
  },
  {
    name: 'get',
    summary: 'Get the value of a key.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RO', 'access'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: get,
  },
  {
    name: 'getdel',
    summary: 'Get the value of a key and delete the key.',
    since: '6.2.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 2,
    flags: ['write', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'delete'),
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    run: getdel,
  },
  {
    name: 'getex',
    summary: 'Get the value of a key and optionally set its expiration.',
    since: '6.2.0',
    complexity: 'O(1)',
    group: 'string',
    arity: -2,
    flags: ['write', 'fast'],
    categories: ['string'],
    keys: [
      {
        access: 'RW',
        uses: ['access', 'update'],
        begin: { index: 1 },
        find: { lastKey: 0, keyStep: 1, limit: 0 },
        notes: 'RW and UPDATE because it changes the TTL',
      },
    ],
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      {
        name: 'expiration',
        type: 'oneof',
        isOptional: true,
        arguments: [
          { name: 'seconds', type: 'integer', token: 'EX' },
          { name: 'milliseconds', type: 'integer', token: 'PX' },
          { name: 'unix-time-seconds', type: 'unix-time', token: 'EXAT' },
          { name: 'unix-time-milliseconds', type: 'unix-time', token: 'PXAT' },
          { name: 'persist', type: 'pure-token', token: 'PERSIST' },
        ],
      },
    ],
    run: getex,
  },
  {
    name: 'getset',
    summary: 'Set the string value of a key and return its old value.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    deprecated: { since: '6.2.0', replacedBy: '`SET` with the `!GET` argument' },
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'value', type: 'string' },
    ],
    run: getset,
  },
  {
    name: 'setnx',
    summary: 'Set the value of a key, only if the key does not exist.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['string'],
    keys: keyAt(1, 'OW', 'insert'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'value', type: 'string' },
    ],
    run: setnx,
  },
  {
    name: 'setex',
    summary: 'Set the value and expiration of a key.',
    since: '2.0.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: keyAt(1, 'OW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'seconds', type: 'integer' },
      { name: 'value', type: 'string' },
    ],
    run: setex,
  },
  {
    name: 'psetex',
    summary: 'Set the value and expiration in milliseconds of a key.',
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'string',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['string'],
    keys: keyAt(1, 'OW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'milliseconds', type: 'integer' },
      { name: 'value', type: 'string' },
    ],
    run: psetex,
  },
]

/** Hot without options. */
function set(client: Client, request: Request): void {
  if (request.count > 3) return setWithOptions(client, request)
  storeString(client, { key: request.text(1), value: request.view(2) }, 'set')
  client.reply.ok()
}

/** Hot. */
function get(client: Client, request: Request): void {
  replyString(client, readString(client, request.text(1)))
}

function replyString({ reply }: Client, value: Uint8Array | undefined): void {
  if (value === undefined) reply.null()
  else reply.bulk(value)
}

function setWithOptions(client: Client, request: Request): void {
  const { database, nowMs, reply } = client
  const key = request.text(1)
  const options = stringOptions(request, 3, setWords)
  const expiresAtMs = options.keepsExpiry ? 'keep' : expiryOf(options, request, nowMs)
  const before = options.get ? readString(client, key) : undefined
  const isThere = options.condition !== undefined && database.value(key, nowMs) !== undefined
  const isMet = options.condition === undefined || (options.condition === 'XX') === isThere
  if (isMet) {
    const value = request.view(2)
    storeString(client, expiresAtMs === undefined ? { key, value } : { key, value, expiresAtMs }, 'set')
  }
  if (options.get) replyString(client, before)
  else if (isMet) reply.ok()
  else reply.null()
}

function getex(client: Client, request: Request): void {
  const { database, nowMs, server, databaseIndex } = client
  const key = request.text(1)
  const options = stringOptions(request, 2, getexWords)
  const value = readString(client, key)
  if (value === undefined) return client.reply.null()
  const expiresAtMs = expiryOf(options, request, nowMs)
  replyString(client, value)
  if (expiresAtMs !== undefined) {
    expireAt(database, key, expiresAtMs, nowMs)
    server.notify('g', expiresAtMs <= nowMs ? 'del' : 'expire', key, databaseIndex)
  } else if (options.persists && persist(database, key, nowMs)) server.notify('g', 'persist', key, databaseIndex)
}

function getdel(client: Client, request: Request): void {
  const { database, nowMs, server, databaseIndex } = client
  const key = request.text(1)
  const value = readString(client, key)
  replyString(client, value)
  if (value === undefined) return
  removeKey(database, key, nowMs)
  server.notify('g', 'del', key, databaseIndex)
}

function getset(client: Client, request: Request): void {
  const key = request.text(1)
  replyString(client, readString(client, key))
  storeString(client, { key, value: request.view(2) }, 'set')
}

function setnx(client: Client, request: Request): void {
  const key = request.text(1)
  const isFree = client.database.value(key, client.nowMs) === undefined
  if (isFree) storeString(client, { key, value: request.view(2) }, 'set')
  client.reply.integer(isFree ? 1 : 0)
}

function setex(client: Client, request: Request): void {
  setExpiring(client, request, { isSeconds: true, isAbsolute: false })
}

function psetex(client: Client, request: Request): void {
  setExpiring(client, request, { isSeconds: false, isAbsolute: false })
}

function setExpiring(client: Client, request: Request, unit: ExpiryUnit): void {
  const command = unit.isSeconds ? 'setex' : 'psetex'
  const expiresAtMs = positiveExpiry({ request, index: 2, unit, command }, client.nowMs)
  storeString(client, { key: request.text(1), value: request.view(3), expiresAtMs }, 'set')
  client.reply.ok()
}

interface StringOptions {
  condition: 'NX' | 'XX' | undefined
  get: boolean
  keepsExpiry: boolean
  persists: boolean
  expiry: { readonly index: number; readonly unit: ExpiryUnit } | undefined
  readonly command: string
}

const setWords = { command: 'set', words: ['NX', 'XX', 'GET', 'KEEPTTL'] }
const getexWords = { command: 'getex', words: ['PERSIST'] }

/** Options from `first` on, in any order: the words that this command has besides those of an expiry. */
function stringOptions(request: Request, first: number, { command, words }: typeof setWords): StringOptions {
  const options: StringOptions = {
    condition: undefined,
    get: false,
    keepsExpiry: false,
    persists: false,
    expiry: undefined,
    command,
  }
  for (let i = first; i < request.count; i++) {
    const expiry = expiryOptions.find(([word]) => request.is(i, word))
    if (expiry !== undefined && i + 1 < request.count && mayExpire(options, expiry[1])) {
      options.expiry = { index: ++i, unit: expiry[1] }
      continue
    }
    const word = words.find((each) => request.is(i, each))
    if (word === undefined || !takeWord(options, word)) throw new ReplyError(lines.syntax)
  }
  return options
}

/** As Redis: the same option again is taken, and the last one counts; another one contradicts it. */
function mayExpire({ keepsExpiry, persists, expiry }: StringOptions, unit: ExpiryUnit): boolean {
  return !keepsExpiry && !persists && (expiry === undefined || expiry.unit === unit)
}

/** False when the word contradicts one before it. */
function takeWord(options: StringOptions, word: string): boolean {
  switch (word) {
    case 'NX':
    case 'XX':
      if (options.condition !== undefined && options.condition !== word) return false
      options.condition = word
      return true
    case 'GET':
      options.get = true
      return true
    case 'KEEPTTL':
      options.keepsExpiry = true
      return options.expiry === undefined
    default:
      options.persists = true
      return options.expiry === undefined
  }
}

function expiryOf({ expiry, command }: StringOptions, request: Request, nowMs: number): number | undefined {
  return expiry === undefined ? undefined : positiveExpiry({ request, ...expiry, command }, nowMs)
}
