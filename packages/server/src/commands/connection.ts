/** Commands about the connection itself. */
import type { Command } from '../command.ts'

export const connectionCommands: readonly Command[] = [
  {
    name: 'ping',
    summary: "Returns the server's liveliness response.",
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: -1,
    flags: ['fast'],
    categories: ['connection'],
    keys: [],
    run(client, request) {
      if (request.count > 2) client.reply.error("ERR wrong number of arguments for 'ping' command")
      else if (request.count === 2) client.reply.bulk(request.view(1))
      else client.reply.simple('PONG')
    },
  },
  {
    name: 'echo',
    summary: 'Returns the given string.',
    since: '1.0.0',
    complexity: 'O(1)',
    group: 'connection',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    categories: ['connection'],
    keys: [],
    run(client, request) {
      client.reply.bulk(request.view(1))
    },
  },
]
