/**
 * XGROUP.
 *
 *   XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]      XGROUP CREATECONSUMER key group consumer
 *   XGROUP SETID key group id|$ [ENTRIESREAD n]                  XGROUP DELCONSUMER key group consumer
 *   XGROUP DESTROY key group
 *
 * Checked in this order: the options, the key, the group, the ID.
 */
import {
  createConsumer,
  createGroup,
  deleteConsumer,
  destroyGroup,
  parseId,
  parseIdOrEdge,
  setGroup,
  type GroupFrom,
} from '@millrace/engine'
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import { keyAt, type Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { integerAt, shown, toCount, signOrId } from './stream-arguments.ts'
import { streamDocs } from './stream-docs.ts'
import { writeHelp } from './stream-replies.ts'

const subcommands: readonly Command[] = [
  {
    name: 'xgroup|create',
    summary: 'Creates a consumer group, and the stream with MKSTREAM.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: -5,
    flags: ['write', 'denyoom'],
    categories: ['stream'],
    keys: keyAt(2, 'RW', 'insert'),
    arguments: streamDocs.groupCreate,
    run: create,
  },
  {
    name: 'xgroup|createconsumer',
    summary: 'Creates a consumer in a group.',
    since: '6.2.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 5,
    flags: ['write', 'denyoom'],
    categories: ['stream'],
    keys: keyAt(2, 'RW', 'insert'),
    arguments: streamDocs.consumer,
    run(client, request) {
      const { database, nowMs, reply, server, databaseIndex } = client
      const ref = { ...requireGroup(client, request), consumer: request.text(4) }
      const isNew = createConsumer(database, ref, nowMs)
      if (isNew) server.notify('t', 'xgroup-createconsumer', ref.key, databaseIndex)
      reply.integer(isNew ? 1 : 0)
    },
  },
  {
    name: 'xgroup|delconsumer',
    summary: 'Deletes a consumer of a group together with what it has pending, and tells how much that was.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: 5,
    flags: ['write'],
    categories: ['stream'],
    keys: keyAt(2, 'RW', 'delete'),
    arguments: streamDocs.consumer,
    run(client, request) {
      const { database, nowMs, reply, server, databaseIndex } = client
      const ref = { ...requireGroup(client, request), consumer: request.text(4) }
      const dropped = deleteConsumer(database, ref, {}, nowMs)
      if (dropped !== undefined) server.notify('t', 'xgroup-delconsumer', ref.key, databaseIndex)
      reply.integer(dropped ?? 0)
    },
  },
  {
    name: 'xgroup|destroy',
    summary: 'Destroys a consumer group.',
    since: '5.0.0',
    complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
    group: 'stream',
    arity: 4,
    flags: ['write'],
    categories: ['stream'],
    keys: keyAt(2, 'RW', 'delete'),
    arguments: streamDocs.group,
    run(client, request) {
      const { database, nowMs, reply, server, databaseIndex } = client
      const key = requireKey(client, request)
      const isGone = destroyGroup(database, { key, group: request.text(3) }, nowMs)
      if (isGone) server.notify('t', 'xgroup-destroy', key, databaseIndex)
      reply.integer(isGone ? 1 : 0)
    },
  },
  {
    name: 'xgroup|setid',
    summary: 'Sets up to which ID a group has read.',
    since: '5.0.0',
    complexity: 'O(1)',
    group: 'stream',
    arity: -5,
    flags: ['write'],
    categories: ['stream'],
    keys: keyAt(2, 'RW', 'update'),
    arguments: streamDocs.groupSetId,
    run: setId,
  },
  {
    name: 'xgroup|help',
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

export const streamGroupCommands: readonly Command[] = [
  {
    name: 'xgroup',
    summary: 'A container for consumer groups commands',
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
  'XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'CREATE <key> <groupname> <id|$> [option]',
  '    Create a new consumer group. Options are:',
  '    * MKSTREAM',
  '      Create the empty stream if it does not exist.',
  '    * ENTRIESREAD entries_read',
  "      Set the group's entries_read counter (internal use).",
  'CREATECONSUMER <key> <groupname> <consumer>',
  '    Create a new consumer in the specified group.',
  'DELCONSUMER <key> <groupname> <consumer>',
  '    Remove the specified consumer.',
  'DESTROY <key> <groupname>',
  '    Remove the specified group.',
  'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
  '    Set the current group ID and entries_read counter.',
  'HELP',
  '    Prints this help.',
]

interface GroupOptions {
  readonly mkStream: boolean
  readonly entriesRead?: number
}

function create(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const options = readOptions(request, true)
  if (!options.mkStream) requireKey(client, request)
  else database.find(request.text(2), nowMs)
  // As Redis: the three options that there can be, each once.
  if (request.count > 8) throw wrongSubcommand(request)
  const key = request.text(2)
  const id = signOrId(request, 4)
  const from: GroupFrom = id === '$' ? '$' : parseId(id)
  createGroup(database, { key, group: request.text(3) }, { ...options, from }, nowMs)
  reply.ok()
  server.notify('t', 'xgroup-create', key, databaseIndex)
}

function setId(client: Client, request: Request): void {
  const { database, nowMs, reply, server, databaseIndex } = client
  const { mkStream: _, ...options } = readOptions(request, false)
  const ref = requireGroup(client, request)
  if (request.count !== 5 && request.count !== 7) throw wrongSubcommand(request)
  const id = signOrId(request, 4)
  const from: GroupFrom = id === '$' ? '$' : parseIdOrEdge(id)
  setGroup(database, ref, { ...options, from }, nowMs)
  reply.ok()
  server.notify('t', 'xgroup-setid', ref.key, databaseIndex)
}

function readOptions(request: Request, isCreate: boolean): GroupOptions {
  let mkStream = false
  let entriesRead: number | undefined
  for (let at = 5; at < request.count; at++) {
    if (isCreate && request.is(at, 'MKSTREAM')) mkStream = true
    else if (at + 1 < request.count && request.is(at, 'ENTRIESREAD')) {
      const wanted = integerAt(request, ++at)
      if (wanted < -1) throw new ReplyError('ERR value for ENTRIESREAD must be positive or -1')
      entriesRead = wanted === -1 ? undefined : toCount(wanted)
    } else throw wrongSubcommand(request)
  }
  return { mkStream, ...(entriesRead !== undefined && { entriesRead }) }
}

function requireKey(client: Client, request: Request): string {
  const key = request.text(2)
  if (client.database.find(key, client.nowMs) !== undefined) return key
  throw new ReplyError(
    'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.',
  )
}

function requireGroup(client: Client, request: Request): { key: string; group: string } {
  const key = requireKey(client, request)
  const group = request.text(3)
  if (client.database.require(key, client.nowMs).group(group) !== undefined) return { key, group }
  throw new ReplyError(`NOGROUP No such consumer group '${shown(group)}' for key name '${shown(key)}'`)
}

function wrongSubcommand(request: Request): ReplyError {
  const name = shown(request.text(1)).slice(0, 128)
  return new ReplyError(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XGROUP HELP.`)
}
