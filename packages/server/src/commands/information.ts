/** INFO, TIME, LOLWUT: what the server tells of itself. */
import type { Request } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { lines, ReplyError } from '../error-lines.ts'
import { infoText } from '../info.ts'
import { REDIS_VERSION } from '../version.ts'

export const informationCommands: readonly Command[] = [
  {
    name: 'info',
    summary: 'Get information and statistics about the server.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'server',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['dangerous'],
    keys: [],
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
    arguments: [{ name: 'section', type: 'string', isOptional: true, isMultiple: true }],
    differs: 'The sections and fields that mean something here, and those that clients read.',
    run: info,
  },
  {
    name: 'time',
    summary: 'Return the current server time.',
    since: '2.6.0',
    complexity: 'O(1)',
    group: 'server',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: [],
    keys: [],
    tips: ['nondeterministic_output'],
    differs: 'In whole milliseconds.',
    run: time,
  },
  {
    name: 'lolwut',
    summary: 'Display some computer art and the Redis version.',
    since: '5.0.0',
    complexity: '',
    group: 'server',
    arity: -1,
    flags: ['readonly', 'fast'],
    categories: [],
    keys: [],
    arguments: [{ name: 'version', type: 'integer', token: 'VERSION', isOptional: true }],
    differs: 'No art.',
    run: lolwut,
  },
]

function info(client: Client, request: Request): void {
  const names: string[] = []
  for (let i = 1; i < request.count; i++) names.push(request.text(i).toLowerCase())
  client.reply.verbatim('txt', infoText(client.server, names))
}

function time({ server, reply }: Client): void {
  const nowMs = server.env.nowMs()
  reply.array(2)
  reply.bulkText(String(Math.floor(nowMs / 1000)))
  reply.bulkText(String((nowMs % 1000) * 1000))
}

function lolwut(client: Client, request: Request): void {
  if (request.count > 2 && request.is(1, 'VERSION') && request.integer(2) === undefined) {
    throw new ReplyError(lines.notInteger)
  }
  client.reply.verbatim('txt', `Redis ver. ${REDIS_VERSION}\n`)
}
