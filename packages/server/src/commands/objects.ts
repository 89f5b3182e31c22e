/** How a key's value is held: OBJECT. */
import type { Value } from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { helpLines, replyHelp } from './help.ts'

export const objectCommands: readonly Command[] = [
  {
    name: 'object',
    summary: 'A container for object introspection commands.',
    since: '2.2.3',
    complexity: 'Depends on subcommand.',
    group: 'generic',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'object|freq',
        summary: 'Get the logarithmic access frequency counter of a Redis object.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'generic',
        arity: 3,
        flags: ['readonly'],
        categories: ['keyspace'],
        keys: keyAt(2, 'RO'),
        tips: ['nondeterministic_output'],
        arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
        run: frequency,
      },
      {
        name: 'object|encoding',
        summary: 'Inspect the internal encoding of a Redis object.',
        since: '2.2.3',
        complexity: 'O(1)',
        group: 'generic',
        arity: 3,
        flags: ['readonly'],
        categories: ['keyspace'],
        keys: keyAt(2, 'RO'),
        tips: ['nondeterministic_output'],
        arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
        differs:
          'Told from the value alone: a string that APPEND or SETRANGE made is raw in Redis, and a short one not here.',
        run: encoding,
      },
      {
        name: 'object|idletime',
        summary: 'Get the time since a Redis object was last accessed.',
        since: '2.2.3',
        complexity: 'O(1)',
        group: 'generic',
        arity: 3,
        flags: ['readonly'],
        categories: ['keyspace'],
        keys: keyAt(2, 'RO'),
        tips: ['nondeterministic_output'],
        arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
        differs: 'Always 0: nothing remembers when a key was used last.',
        run: idleTime,
      },
      {
        name: 'object|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '6.2.0',
        complexity: 'O(1)',
        group: 'generic',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['keyspace'],
        keys: [],
        run: help,
      },
      {
        name: 'object|refcount',
        summary: 'Get the number of references to the value of the key.',
        since: '2.2.3',
        complexity: 'O(1)',
        group: 'generic',
        arity: 3,
        flags: ['readonly'],
        categories: ['keyspace'],
        keys: keyAt(2, 'RO'),
        tips: ['nondeterministic_output'],
        arguments: [{ name: 'key', type: 'key', keySpecIndex: 0 }],
        differs: 'As ENCODING: told from the value alone.',
        run: referenceCount,
      },
    ],
  },
]

type StringValue = Extract<Value, { readonly type: 'string' }>

/** What Redis would hold it as: longer text apart from its object, shorter inside it. */
const EMBEDDED_BYTES_MAX = 44
const SHARED_INTEGERS = 10_000
const SHARED_REFERENCES = 2_147_483_647
const decimalInteger = /^(?:0|-?[1-9]\d{0,18})$/

function encoding(client: Client, request: Request): void {
  const value = valueAt(client, request)
  if (value === undefined) return client.reply.null()
  client.reply.bulkText(value.type === 'stream' ? 'stream' : stringEncoding(value))
}

function stringEncoding(value: StringValue): string {
  if (integerIn(value) !== undefined) return 'int'
  return value.bytes.length <= EMBEDDED_BYTES_MAX ? 'embstr' : 'raw'
}

function integerIn({ bytes }: StringValue): bigint | undefined {
  if (bytes.length > 20) return undefined
  const text = Buffer.from(bytes).toString('latin1')
  if (!decimalInteger.test(text)) return undefined
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? value : undefined
}

/** As Redis tells it: small integers are shared by all keys that hold them. */
function referenceCount(client: Client, request: Request): void {
  const value = valueAt(client, request)
  if (value === undefined) return client.reply.null()
  const integer = value.type === 'string' ? integerIn(value) : undefined
  const isShared = integer !== undefined && integer >= 0n && integer < SHARED_INTEGERS
  client.reply.integer(isShared ? SHARED_REFERENCES : 1)
}

function idleTime(client: Client, request: Request): void {
  if (valueAt(client, request) === undefined) client.reply.null()
  else client.reply.integer(0)
}

function frequency(client: Client, request: Request): void {
  if (valueAt(client, request) === undefined) return client.reply.null()
  throw new ReplyError(
    'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching ' +
      'between policies at runtime LRU and LFU data will take some time to adjust.',
  )
}

function valueAt({ database, nowMs }: Client, request: Request): Value | undefined {
  return database.value(request.text(2), nowMs)
}

function help({ reply }: Client): void {
  replyHelp(reply, 'OBJECT', HELP)
}

const HELP = helpLines(`
ENCODING <key>
    Return the kind of internal representation used in order to store the value
    associated with a <key>.
FREQ <key>
    Return the access frequency index of the <key>. The returned integer is
    proportional to the logarithm of the recent access frequency of the key.
IDLETIME <key>
    Return the idle time of the <key>, that is the approximated number of
    seconds elapsed since the last access to the key.
REFCOUNT <key>
    Return the number of references of the value associated with the specified
    <key>.
`)
