/** CONFIG: the parameters of the running server (config.ts, config-table.ts). */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ConfigError } from '../config.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { Glob } from '../glob.ts'
import { closeDenied } from '../protected-mode.ts'
import { helpLines, replyHelp } from './help.ts'

const configHelp = helpLines(`
GET <pattern>
    Return parameters matching the glob-like <pattern> and their values.
SET <directive> <value>
    Set the configuration <directive> to <value>.
RESETSTAT
    Reset statistics reported by the INFO command.
REWRITE
    Rewrite the configuration file.
`)

export const configCommands: readonly Command[] = [
  {
    name: 'config',
    summary: 'A container for server configuration commands.',
    since: '2.0.0',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'config|get',
        summary: 'Get the values of configuration parameters.',
        since: '2.0.0',
        complexity: 'O(N) when N is the number of configuration parameters provided',
        group: 'server',
        arity: -3,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        arguments: [
          { name: 'parameter', type: 'block', isMultiple: true, arguments: [{ name: 'parameter', type: 'string' }] },
        ],
        differs: 'Tells the parameters that mean something here, and those that clients look at.',
        run: getParameters,
      },
      {
        name: 'config|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '5.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => replyHelp(client.reply, 'CONFIG', configHelp),
      },
      {
        name: 'config|resetstat',
        summary: 'Reset the stats returned by INFO.',
        since: '2.0.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        run: resetStatistics,
      },
      {
        name: 'config|rewrite',
        summary: 'Rewrite the configuration file with the in memory configuration.',
        since: '2.8.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        differs: 'Refused: the server never writes its configuration.',
        run: rewrite,
      },
      {
        name: 'config|set',
        summary: 'Set configuration parameters to the given values.',
        since: '2.0.0',
        complexity: 'O(N) when N is the number of configuration parameters provided',
        group: 'server',
        arity: -4,
        flags: ['admin', 'noscript', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        arguments: [
          {
            name: 'parameter_value',
            type: 'block',
            isMultiple: true,
            arguments: [
              { name: 'parameter', type: 'string' },
              { name: 'value', type: 'string' },
            ],
          },
        ],
        differs:
          'Of a feature that is not here only the value that says so is taken (`appendonly no`, `save ""`, `maxmemory-policy noeviction`).',
        run: setParameters,
      },
    ],
  },
]

function getParameters({ server, reply }: Client, request: Request): void {
  const { config } = server
  /** By their names; a name that was asked for as it stands is told as it was written. */
  const told = new Map<string, string>()
  for (let i = 2; i < request.count; i++) {
    const pattern = request.text(i)
    const name = pattern.toLowerCase()
    if (!/[*?[]/.test(pattern)) {
      if (config.has(name) && !told.has(name)) told.set(name, pattern)
      continue
    }
    const glob = new Glob(pattern, { ignoresCase: true })
    for (const [one] of config.entries()) if (!told.has(one) && glob.matches(one)) told.set(one, one)
  }
  reply.map(told.size)
  for (const [name, written] of told) {
    reply.bulkText(written)
    reply.bulkText(config.text(name))
  }
}

function setParameters(client: Client, request: Request): void {
  const { server, reply } = client
  if (request.count % 2 === 1) throw new ReplyError(lines.syntax)
  const pairs: [string, string][] = []
  for (let i = 2; i < request.count; i += 2) pairs.push([request.text(i), request.text(i + 1)])
  try {
    server.config.set(pairs)
  } catch (error) {
    if (error instanceof ConfigError) throw new ReplyError(`ERR ${error.message}`)
    throw error
  }
  reply.ok()
  closeDenied(client)
}

function resetStatistics({ server, reply }: Client): void {
  server.statistics.reset()
  for (const entry of server.commands.entries()) {
    entry.calls = 0
    entry.failed = 0
    entry.rejected = 0
    entry.microseconds = 0
  }
  server.resetCounts()
  reply.ok()
}

function rewrite(): void {
  throw new ReplyError('ERR The server is running without a config file')
}
