/** Values as bytes, to be taken to another server: DUMP and RESTORE. Both know only the format of RDB files. */
import { dumpValue, dumpVersion, EngineError, RDB_VERSION_MAX, restoreKey } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { expiryOrNone } from '../expiry-arguments.ts'
import { STRING_TOO_LONG, stringBytesMax } from './string-store.ts'

export const dumpCommands: readonly Command[] = [
  {
    name: 'dump',
    summary: 'Return a serialized version of the value stored at the specified key.',
    since: '2.6.0',
    complexity:
      'O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).',
    group: 'generic',
    arity: 2,
    flags: ['readonly'],
    categories: ['keyspace'],
    keys: keyAt(1, 'RO', 'access'),
    tips: ['nondeterministic_output'],
    arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
    differs:
      'What Redis 7.0 has no place for is not in it: IDs of producers, and what is pending for nobody, which is given to a consumer of its own. Longer than an argument may be it is refused. No string in it is compressed.',
    run: dump,
  },
  {
    name: 'restore',
    summary: 'Create a key using the provided serialized value, previously obtained using DUMP.',
    since: '2.6.0',
    complexity:
      'O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).',
    group: 'generic',
    arity: -4,
    flags: ['write', 'denyoom'],
    categories: ['keyspace', 'dangerous'],
    keys: keyAt(1, 'OW', 'update'),
    arguments: [
      { name: 'key', type: 'key', keySpecIndex: 0 },
      { name: 'ttl', type: 'integer' },
      { name: 'serialized-value', type: 'string' },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', since: '3.0.0', isOptional: true },
      { name: 'absttl', type: 'pure-token', token: 'ABSTTL', since: '5.0.0', isOptional: true },
      { name: 'seconds', type: 'integer', token: 'IDLETIME', since: '5.0.0', isOptional: true },
      { name: 'frequency', type: 'integer', token: 'FREQ', since: '5.0.0', isOptional: true },
    ],
    differs:
      'Takes streams and strings, of RDB version 12 or below, in which no more than 512 MiB are compressed. IDLETIME and FREQ are looked at and forgotten.',
    run: restore,
  },
]

const FREQUENCY_MAX = 255
const BAD_PAYLOAD = 'ERR DUMP payload version or checksum are wrong'
const BAD_FORMAT = 'ERR Bad data format'

function dump({ database, nowMs, reply, server, databaseIndex }: Client, request: Request): void {
  const key = request.text(1)
  const value = database.value(key, nowMs)
  if (value === undefined) {
    server.missed(key, databaseIndex)
    return reply.null()
  }
  server.keyspaceHits++
  // Nobody could RESTORE a longer one.
  const dumped = dumpValue(value, stringBytesMax(server))
  if (dumped === undefined) throw new ReplyError(STRING_TOO_LONG)
  reply.bulk(dumped)
}

function restore(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const key = request.text(1)
  const { replaces, isAbsolute } = optionsOf(request)
  const isThere = database.value(key, nowMs) !== undefined
  if (isThere && !replaces) throw new ReplyError('BUSYKEY Target key name already exists.')
  const expiresAtMs = expiryOrNone({ request, index: 2, unit: { isSeconds: false, isAbsolute } }, nowMs)
  putBack(client, { key, payload: request.view(3), expiresAtMs })
  if (expiresAtMs === undefined || expiresAtMs > nowMs) {
    server.notify('n', 'new', key, databaseIndex)
    server.notify('g', 'restore', key, databaseIndex)
  } else if (isThere) server.notify('g', 'del', key, databaseIndex)
  reply.ok()
}

/** IDLETIME and FREQ are told to nobody, but exclude each other. */
function optionsOf(request: Request): { readonly replaces: boolean; readonly isAbsolute: boolean } {
  let replaces = false
  let isAbsolute = false
  let measure: 'IDLETIME' | 'FREQ' | undefined
  for (let i = 4; i < request.count; i++) {
    const hasNext = i + 1 < request.count
    if (request.is(i, 'REPLACE')) replaces = true
    else if (request.is(i, 'ABSTTL')) isAbsolute = true
    else if (request.is(i, 'IDLETIME') && hasNext && measure !== 'FREQ') {
      measure = 'IDLETIME'
      checkMeasure(request, ++i, { word: 'IDLETIME', max: Infinity, range: '>= 0' })
    } else if (request.is(i, 'FREQ') && hasNext && measure !== 'IDLETIME') {
      measure = 'FREQ'
      checkMeasure(request, ++i, { word: 'FREQ', max: FREQUENCY_MAX, range: `>= 0 and <= ${FREQUENCY_MAX}` })
    } else throw new ReplyError(lines.syntax)
  }
  return { replaces, isAbsolute }
}

interface Measure {
  readonly word: string
  readonly max: number
  readonly range: string
}

function checkMeasure(request: Request, index: number, { word, max, range }: Measure): void {
  const value = request.integer(index)
  if (value === undefined) throw new ReplyError(lines.notInteger)
  if (value < 0 || value > max) throw new ReplyError(`ERR Invalid ${word} value, must be ${range}`)
}

interface Restored {
  readonly key: string
  readonly payload: Uint8Array
  readonly expiresAtMs: number | undefined
}

function putBack({ database, nowMs }: Client, restored: Restored): void {
  try {
    restoreKey(database, restored, nowMs)
  } catch (error) {
    throw error instanceof EngineError ? refusalOf(error, restored.payload) : error
  }
}

function refusalOf(error: EngineError, payload: Uint8Array): Error {
  const version = dumpVersion(payload)
  if (version === undefined || version > RDB_VERSION_MAX) return new ReplyError(BAD_PAYLOAD)
  if (error.code === 'WRONG_TYPE') return new ReplyError(`ERR ${error.message}`)
  return error.code === 'CORRUPT' || error.code === 'NEWER_FORMAT' ? new ReplyError(BAD_FORMAT) : error
}
