/** SLOWLOG: commands that took long (slow-log.ts). */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'
import { helpLines, replyHelp, wrongCount } from './help.ts'

const COUNT_DEFAULT = 10

const slowLogHelp = helpLines(`
GET [<count>]
    Return top <count> entries from the slowlog (default: 10, -1 mean all).
    Entries are made of:
    id, timestamp, time in microseconds, arguments array, client IP and port,
    client name
LEN
    Return the length of the slowlog.
RESET
    Reset the slowlog.
`)

export const slowLogCommands: readonly Command[] = [
  {
    name: 'slowlog',
    summary: 'A container for slow log commands.',
    since: '2.2.12',
    complexity: 'Depends on subcommand.',
    group: 'server',
    arity: -2,
    flags: [],
    categories: [],
    keys: [],
    subcommands: [
      {
        name: 'slowlog|get',
        summary: "Get the slow log's entries.",
        since: '2.2.12',
        complexity: 'O(N) where N is the number of entries returned',
        group: 'server',
        arity: -2,
        flags: ['admin', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['request_policy:all_nodes', 'nondeterministic_output'],
        arguments: [{ name: 'count', type: 'integer', isOptional: true }],
        differs:
          'A fast command is logged when it was timed: each one while slowlog-log-slower-than is below 1000, else one call in a few.',
        run: getSlow,
      },
      {
        name: 'slowlog|help',
        summary: 'Show helpful text about the different subcommands.',
        since: '6.2.0',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: [],
        keys: [],
        run: (client) => replyHelp(client.reply, 'SLOWLOG', slowLogHelp),
      },
      {
        name: 'slowlog|len',
        summary: "Get the slow log's length.",
        since: '2.2.12',
        complexity: 'O(1)',
        group: 'server',
        arity: 2,
        flags: ['admin', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:agg_sum', 'nondeterministic_output'],
        run: (client) => client.reply.integer(client.server.statistics.slowLog.entries.length),
      },
      {
        name: 'slowlog|reset',
        summary: 'Clear all entries from the slow log.',
        since: '2.2.12',
        complexity: 'O(N) where N is the number of entries in the slowlog',
        group: 'server',
        arity: 2,
        flags: ['admin', 'loading', 'stale'],
        categories: [],
        keys: [],
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        run: reset,
      },
    ],
  },
]

function getSlow({ server, reply }: Client, request: Request): void {
  if (request.count > 3) throw wrongCount(request)
  const count = request.count === 3 ? request.integer(2) : COUNT_DEFAULT
  if (count === undefined || count < -1) throw new ReplyError('ERR count should be greater than or equal to -1')
  const { entries } = server.statistics.slowLog
  const told = count === -1 ? entries : entries.slice(0, count)
  reply.array(told.length)
  for (const entry of told) {
    reply.array(6)
    reply.integer(entry.id)
    reply.integer(entry.atSeconds)
    reply.integer(entry.us)
    reply.array(entry.args.length)
    for (const arg of entry.args) reply.bulkText(arg)
    reply.bulkText(entry.address)
    reply.bulkText(entry.clientName)
  }
}

function reset(client: Client): void {
  client.server.statistics.slowLog.reset()
  client.reply.ok()
}
