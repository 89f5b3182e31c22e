/** ACL: users and what they may do (acl.ts). */
import { randomBytes } from 'node:crypto'
import type { Request } from '@millrace/protocol'
import type { Denial } from '../acl.ts'
import { categoryNames } from '../command-categories.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { commandOf, requestAfter } from '../inner-request.ts'
import { deleteUsers, getUser, listUsers, loadUsers, saveUsers, setUser, userNames } from './acl-users.ts'
import { helpLines, replyHelp, wrongCount } from './help.ts'

const aclHelp = helpLines(`
CAT [<category>]
    List all commands that belong to <category>, or all command categories
    when no category is specified.
DELUSER <username> [<username> ...]
    Delete a list of users.
DRYRUN <username> <command> [<arg> ...]
    Returns whether the user can execute the given command without executing the command.
GETUSER <username>
    Get the user's details.
GENPASS [<bits>]
    Generate a secure 256-bit user password. The optional \`bits\` argument can
    be used to specify a different size.
LIST
    Show users details in config file format.
LOAD
    Reload users from the ACL file.
LOG [<count> | RESET]
    Show the ACL log entries.
SAVE
    Save the current config to the ACL file.
SETUSER <username> <attribute> [<attribute> ...]
    Create or modify a user with the specified attributes.
USERS
    List all the registered usernames.
WHOAMI
    Return the current connection username.
`)

export const aclCommands: readonly Command[] = [
  {
    name: 'acl',
    summary: 'A container for Access List Control commands.',
    since: '6.0.0',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'acl|cat',
        summary: 'List the ACL categories or the commands inside a category.',
        since: '6.0.0',
        complexity: 'O(1) since the categories and commands are a fixed set.',
        group: 'server',
        arity: -2,
        flags: ['noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'categoryname', type: 'string', isOptional: true }],
        run: listCategory,
      },
      {
        name: 'acl|deluser',
        summary: 'Remove the specified ACL users and the associated rules.',
        since: '6.0.0',
        complexity: 'O(1) amortized time considering the typical user.',
        group: 'server',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'username', type: 'string', isMultiple: true }],
        run: deleteUsers,
      },
      {
        name: 'acl|dryrun',
        summary: 'Returns whether the user can execute the given command without executing the command.',
        since: '7.0.0',
        complexity: 'O(1).',
        group: 'server',
        arity: -4,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [
          { name: 'username', type: 'string' },
          { name: 'command', type: 'string' },
          { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
        ],
        run: dryRun,
      },
      {
        name: 'acl|genpass',
        summary: 'Generate a pseudorandom secure password to use for ACL users.',
        since: '6.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: -2,
        flags: ['noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'bits', type: 'integer', isOptional: true }],
        run: generatePassword,
      },
      {
        name: 'acl|getuser',
        summary: 'Get the rules for a specific ACL user.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of password, command and pattern rules that the user has.',
        group: 'server',
        arity: 3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [{ name: 'username', type: 'string' }],
        run: getUser,
      },
      {
        name: 'acl|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '6.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => replyHelp(client.reply, 'ACL', aclHelp),
      },
      {
        name: 'acl|list',
        summary: 'List the current ACL rules in ACL config file format.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of configured users.',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        run: listUsers,
      },
      {
        name: 'acl|load',
        summary: 'Reload the ACLs from the configured ACL file.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of configured users.',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        differs: 'Without a line for it in the file the default user is off.',
        run: loadUsers,
      },
      {
        name: 'acl|log',
        summary: 'List latest events denied because of ACLs in place.',
        since: '6.0.0',
        complexity: 'O(N) with N being the number of entries shown.',
        group: 'server',
        arity: -2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [
          {
            name: 'operation',
            type: 'oneof',
            isOptional: true,
            arguments: [
              { name: 'count', type: 'integer' },
              { name: 'reset', type: 'pure-token', token: 'RESET' },
            ],
          },
        ],
        run: tellLog,
      },
      {
        name: 'acl|save',
        summary: 'Save the current ACL rules in the configured ACL file.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of configured users.',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        differs: 'The file is replaced as a whole.',
        run: saveUsers,
      },
      {
        name: 'acl|setuser',
        summary: 'Modify or create the rules for a specific ACL user.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of rules provided.',
        group: 'server',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [
          { name: 'username', type: 'string' },
          { name: 'rule', type: 'string', isOptional: true, isMultiple: true },
        ],
        differs: 'Rules about commands that only Redis has are taken, and tell nothing.',
        run: setUser,
      },
      {
        name: 'acl|users',
        summary: 'List the username of all the configured ACL rules.',
        since: '6.0.0',
        complexity: 'O(N). Where N is the number of configured users.',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        run: userNames,
      },
      {
        name: 'acl|whoami',
        summary: 'Return the name of the user associated to the current connection.',
        since: '6.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => client.reply.bulkText(client.user.name),
      },
    ],
  },
]

const LOG_DEFAULT = 10
const PASSWORD_BITS = 256
const PASSWORD_BITS_MAX = 4096

function listCategory({ server, reply }: Client, request: Request): void {
  if (request.count > 3) throw wrongCount(request)
  if (request.count === 2) {
    reply.array(categoryNames.length)
    for (const name of categoryNames) reply.bulkText(name)
    return
  }
  const category = request.text(2).toLowerCase()
  if (!categoryNames.some((name) => name === category)) {
    throw new ReplyError(`ERR Unknown category '${request.text(2).slice(0, 128)}'`)
  }
  const names: string[] = []
  for (const command of server.acl.commands.all) {
    // As Redis: a container is not told, its subcommands are.
    if (command.isOurs && command.categories.has(category) && command.children.length === 0) names.push(command.name)
  }
  reply.array(names.length)
  for (const name of names) reply.bulkText(name)
}

function generatePassword({ reply }: Client, request: Request): void {
  if (request.count > 3) throw wrongCount(request)
  const bits = request.count === 3 ? request.integer(2) : PASSWORD_BITS
  if (bits === undefined) throw new ReplyError(lines.notInteger)
  if (bits <= 0 || bits > PASSWORD_BITS_MAX) {
    throw new ReplyError(
      `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${PASSWORD_BITS_MAX}`,
    )
  }
  const digits = Math.ceil(bits / 4)
  reply.bulkText(
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
  )
}

function tellLog({ server, reply, nowMs }: Client, request: Request): void {
  if (request.count > 3) throw wrongCount(request)
  const { log } = server.acl
  if (request.count === 3 && request.is(2, 'RESET')) {
    log.reset()
    reply.ok()
    return
  }
  const count = request.count === 3 ? request.integer(2) : LOG_DEFAULT
  if (count === undefined) throw new ReplyError(lines.notInteger)
  const told = log.entries.slice(0, Math.max(0, count))
  reply.array(told.length)
  for (const entry of told) {
    reply.map(7)
    reply.bulkText('count')
    reply.integer(entry.count)
    const texts = { reason: entry.reason, context: entry.context, object: entry.object, username: entry.userName }
    for (const [name, text] of Object.entries(texts)) {
      reply.bulkText(name)
      reply.bulkText(text)
    }
    reply.bulkText('age-seconds')
    reply.double(String((nowMs - entry.lastMs) / 1000))
    reply.bulkText('client-info')
    reply.bulkText(entry.clientInfo)
  }
}

const dryRunLines: Readonly<Record<Denial['reason'], (object: string) => string>> = {
  command: (object) => `This user has no permissions to run the '${object}' command`,
  key: (object) => `This user has no permissions to access the '${object}' key`,
  channel: (object) => `This user has no permissions to access the '${object}' channel`,
}

function dryRun({ server, reply }: Client, request: Request): void {
  const name = request.text(2)
  const user = server.acl.user(name)
  if (user === undefined) throw new ReplyError(`ERR User '${name.slice(0, 128)}' not found`)
  const inner = requestAfter(request, 3)
  const command = commandOf(server.commands, inner)
  if (command === undefined) throw new ReplyError(`ERR Command '${inner.text(0).slice(0, 128)}' not found`)
  const { arity } = command
  if (arity > 0 ? inner.count !== arity : inner.count < -arity) {
    throw new ReplyError(`ERR wrong number of arguments for '${command.name}' command`)
  }
  const denial = server.acl.denial(user, command, inner)
  if (denial === undefined) reply.ok()
  else reply.bulkText(dryRunLines[denial.reason](denial.object))
}
