/** COMMAND: the command table, told to clients. */
import type { Request } from '@millrace/protocol'
import { categoriesOf } from '../command-categories.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { Glob } from '../glob.ts'
import { commandOf, requestAfter } from '../inner-request.ts'
import { keysOf, type KeyUse } from '../key-extraction.ts'
import { replyCommandDocs, replyCommandInfo, replyWords } from './command-replies.ts'
import { helpLines, replyHelp } from './help.ts'

const commandHelp = helpLines(`
(no subcommand)
    Return details about all Redis commands.
COUNT
    Return the total number of commands in this Redis server.
LIST
    Return a list of all commands in this Redis server.
INFO [<command-name> ...]
    Return details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
DOCS [<command-name> ...]
    Return documentation details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
GETKEYS <full-command>
    Return the keys from a full Redis command.
GETKEYSANDFLAGS <full-command>
    Return the keys and the access flags from a full Redis command.
`)

export const introspectionCommands: readonly Command[] = [
  {
    name: 'command',
    summary: 'Get array of Redis command details.',
    since: '2.8.13',
    complexity: 'O(N) where N is the total number of Redis commands',
    group: 'server',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['connection'],
    keys: [],
    tips: ['nondeterministic_output_order'],
    subcommands: [
      {
        name: 'command|count',
        summary: 'Get total number of Redis commands.',
        since: '2.8.13',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: (client) => client.reply.integer(client.server.commands.size),
      },
      {
        name: 'command|docs',
        summary: 'Get array of specific Redis command documentation.',
        since: '7.0.0',
        complexity: 'O(N) where N is the number of commands to look up',
        group: 'server',
        arity: -2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        tips: ['nondeterministic_output_order'],
        arguments: [{ name: 'command-name', type: 'string', isOptional: true, isMultiple: true }],
        differs: 'Without `history`.',
        run: commandDocs,
      },
      {
        name: 'command|getkeys',
        summary: 'Extract keys given a full Redis command.',
        since: '2.8.13',
        complexity: 'O(N) where N is the number of arguments to the command',
        group: 'server',
        arity: -4,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        differs: 'A group or consumer that is called STREAMS is not taken for the keyword.',
        run: getKeys,
      },
      {
        name: 'command|getkeysandflags',
        summary: 'Extract keys and access flags given a full Redis command.',
        since: '7.0.0',
        complexity: 'O(N) where N is the number of arguments to the command',
        group: 'server',
        arity: -4,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: getKeysAndFlags,
      },
      {
        name: 'command|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        run: (client) => replyHelp(client.reply, 'COMMAND', commandHelp),
      },
      {
        name: 'command|info',
        summary: 'Get array of specific Redis command details, or all when no argument is given.',
        since: '2.8.13',
        complexity: 'O(N) where N is the number of commands to look up',
        group: 'server',
        arity: -2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        tips: ['nondeterministic_output_order'],
        arguments: [{ name: 'command-name', type: 'string', isOptional: true, isMultiple: true }],
        run: commandInfo,
      },
      {
        name: 'command|list',
        summary: 'Get an array of Redis command names.',
        since: '7.0.0',
        complexity: 'O(N) where N is the total number of Redis commands',
        group: 'server',
        arity: -2,
        flags: ['loading', 'stale'],
        categories: ['connection'],
        keys: [],
        tips: ['nondeterministic_output_order'],
        arguments: [
          {
            name: 'filterby',
            type: 'oneof',
            token: 'FILTERBY',
            isOptional: true,
            arguments: [
              { name: 'module-name', type: 'string', token: 'MODULE' },
              { name: 'category', type: 'string', token: 'ACLCAT' },
              { name: 'pattern', type: 'pattern', token: 'PATTERN' },
            ],
          },
        ],
        run: listCommands,
      },
    ],
    run: wholeTable,
  },
]

/** An entry takes up to 10 KB: a short request must not ask for a reply without bound. */
const NAMES_MAX = 1000

function wholeTable(client: Client, request: Request): void {
  if (request.count === 1) return allCommands(client)
  throw new ReplyError(`ERR unknown subcommand '${request.text(1).slice(0, 128).split('\0', 1)[0]}'. Try COMMAND HELP.`)
}

function allCommands({ server, reply }: Client): void {
  reply.array(server.commands.size)
  for (const command of server.commands.all) replyCommandInfo(reply, command)
}

function commandInfo(client: Client, request: Request): void {
  if (request.count === 2) return allCommands(client)
  const { server, reply } = client
  if (request.count - 2 > NAMES_MAX)
    throw new ReplyError(`ERR COMMAND INFO tells at most ${NAMES_MAX} commands at a time`)
  reply.array(request.count - 2)
  for (let i = 2; i < request.count; i++) {
    const command = server.commands.get(request.text(i).toLowerCase())
    if (command === undefined) reply.null()
    else replyCommandInfo(reply, command)
  }
}

function commandDocs({ server, reply }: Client, request: Request): void {
  // Each once: a short request must not ask for a reply without bound.
  const told = new Set<Command>(request.count === 2 ? server.commands.all : [])
  for (let i = 2; i < request.count; i++) {
    const command = server.commands.get(request.text(i).toLowerCase())
    if (command !== undefined) told.add(command)
  }
  reply.map(told.size)
  for (const command of told) {
    reply.bulkText(command.name)
    replyCommandDocs(reply, command)
  }
}

function listCommands({ server, reply }: Client, request: Request): void {
  const isWanted = request.count === 2 ? () => true : filterOf(request)
  const names: string[] = []
  for (const { command } of server.commands.entries()) if (isWanted(command)) names.push(command.name)
  reply.array(names.length)
  for (const name of names) reply.bulkText(name)
}

function filterOf(request: Request): (command: Command) => boolean {
  if (request.count !== 5 || !request.is(2, 'FILTERBY')) throw new ReplyError(lines.syntax)
  const value = request.text(4)
  if (request.is(3, 'MODULE')) return () => false
  if (request.is(3, 'ACLCAT')) {
    const category = value.toLowerCase()
    return (command) => categoriesOf(command).includes(category)
  }
  if (!request.is(3, 'PATTERN')) throw new ReplyError(lines.syntax)
  const glob = new Glob(value, { ignoresCase: true })
  return (command) => glob.matches(command.name)
}

function getKeys(client: Client, request: Request): void {
  const { inner, keys } = keysWithin(client, request)
  client.reply.array(keys.length)
  for (const { index } of keys) client.reply.bulk(inner.view(index))
}

function getKeysAndFlags(client: Client, request: Request): void {
  const { inner, keys } = keysWithin(client, request)
  client.reply.array(keys.length)
  for (const { index, access, uses } of keys) {
    client.reply.array(2)
    client.reply.bulk(inner.view(index))
    const words = uses.filter((use) => use !== 'variable_flags')
    replyWords(client.reply, access === undefined ? words : [access, ...words])
  }
}

/** The request that is an argument of this one, and its keys. */
function keysWithin(client: Client, request: Request): { inner: Request; keys: readonly KeyUse[] } {
  const inner = requestAfter(request, 2)
  const command = commandOf(client.server.commands, inner)
  if (command === undefined) throw new ReplyError('ERR Invalid command specified')
  if (command.keys.every((spec) => spec.uses.includes('not_key'))) {
    throw new ReplyError('ERR The command has no key arguments')
  }
  const { arity } = command
  if (arity > 0 ? inner.count !== arity : inner.count < -arity) {
    throw new ReplyError('ERR Invalid number of arguments specified for command')
  }
  const keys = keysOf(command, inner)
  if (keys === undefined || keys.length === 0) throw new ReplyError('ERR Invalid arguments specified for command')
  return { inner, keys }
}
