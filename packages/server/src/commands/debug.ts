/** DEBUG, refused unless the server was started with `enable-debug-command yes` (or `local`, and the client is), and MODULE, of which there are none. */
import type { Request } from '@millrace/protocol'
import { block } from '../blocking.ts'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { isLoopback } from '../socket-names.ts'
import { helpLines, replyHelp } from './help.ts'

const moduleHelp = helpLines(`
LIST
    Return a list of loaded modules.
LOAD <path> [<arg> ...]
    Load a module library from <path>, passing to it any optional arguments.
LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]
    Load a module library from <path>, while passing it module configurations and optional arguments.
UNLOAD <name>
    Unload a module.
`)

const debugHelp = helpLines(`
ERROR <string>
    Return a Redis protocol error with <string> as message.
LOG <message>
    Write <message> to the server log.
SLEEP <seconds>
    Stop the server for <seconds>. Decimals allowed.
`)

export const debugCommands: readonly Command[] = [
  {
    name: 'debug',
    summary: 'A container for debugging commands.',
    since: '1.0.0',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    differs: 'Refused unless enabled at the start; SLEEP lets the client wait and nobody else.',
    run: debug,
  },
  {
    name: 'module',
    summary: 'A container for module commands.',
    since: '4.0.0',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'module|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => replyHelp(client.reply, 'MODULE', moduleHelp),
      },
      {
        name: 'module|list',
        summary: 'List all modules loaded by the server.',
        since: '4.0.0',
        complexity: 'O(N) where N is the number of loaded modules.',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript'],
        categories: [],
        keys: [],
        tips: ['nondeterministic_output_order'],
        run: (client) => client.reply.array(0),
      },
      {
        name: 'module|load',
        summary: 'Load a module.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: -3,
        flags: ['admin', 'noscript', 'no_async_loading'],
        categories: [],
        keys: [],
        arguments: [
          { name: 'path', type: 'string' },
          { name: 'arg', type: 'string', isOptional: true, isMultiple: true },
        ],
        differs: 'Refused: there are no modules.',
        run: refuseModule,
      },
      {
        name: 'module|loadex',
        summary: 'Load a module with extended parameters.',
        since: '7.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: -3,
        flags: ['admin', 'noscript', 'no_async_loading'],
        categories: [],
        keys: [],
        arguments: [
          { name: 'path', type: 'string' },
          {
            name: 'configs',
            type: 'block',
            token: 'CONFIG',
            isOptional: true,
            isMultiple: true,
            isMultipleToken: true,
            arguments: [
              { name: 'name', type: 'string' },
              { name: 'value', type: 'string' },
            ],
          },
          {
            name: 'args',
            type: 'block',
            token: 'ARGS',
            isOptional: true,
            isMultiple: true,
            arguments: [{ name: 'arg', type: 'string' }],
          },
        ],
        differs: 'Refused: there are no modules.',
        run: refuseModule,
      },
      {
        name: 'module|unload',
        summary: 'Unload a module.',
        since: '4.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 3,
        flags: ['admin', 'noscript', 'no_async_loading'],
        categories: [],
        keys: [],
        arguments: [{ name: 'name', type: 'string' }],
        differs: 'Refused: there are no modules.',
        run: refuseModule,
      },
    ],
  },
]

function refusalOf(name: string, option: string): string {
  return `ERR ${name} command not allowed. If the ${option} option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.`
}

function mayDebug({ server, connection }: Client): boolean {
  const setting = server.config.text('enable-debug-command')
  return setting === 'yes' || (setting === 'local' && (connection.host === '' || isLoopback(connection.host)))
}

function debug(client: Client, request: Request): void {
  const { server, reply } = client
  if (!mayDebug(client)) throw new ReplyError(refusalOf('DEBUG', 'enable-debug-command'))
  if (request.count === 2 && request.is(1, 'HELP')) replyHelp(reply, 'DEBUG', debugHelp)
  else if (request.count === 3 && request.is(1, 'SLEEP')) sleep(client, Number(request.text(2)))
  else if (request.count === 3 && request.is(1, 'ERROR')) throw new ReplyError(request.text(2))
  else if (request.count === 3 && request.is(1, 'LOG')) {
    server.log(`DEBUG LOG: ${request.text(2)}`)
    reply.ok()
  } else {
    throw new ReplyError(
      `ERR unknown subcommand or wrong number of arguments for '${request.text(1).slice(0, 128)}'. Try DEBUG HELP.`,
    )
  }
}

/** One process serves everybody, so it is the client that sleeps. */
function sleep(client: Client, seconds: number): void {
  const blockMs = Number.isFinite(seconds) ? Math.ceil(seconds * 1000) : 0
  if (blockMs <= 0 || client.isExecuting) client.reply.ok()
  else
    block(client, {
      keys: [],
      attempt: () => false,
      isGroupRead: false,
      blockMs,
      answerNothing: () => client.reply.ok(),
    })
}

function refuseModule(): void {
  throw new ReplyError(refusalOf('MODULE', 'enable-module-command'))
}
