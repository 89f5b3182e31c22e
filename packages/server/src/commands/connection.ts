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
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    arguments: [{ name: 'message', type: 'string', isOptional: true }],
    run(client, request) {
      const { reply } = client
      if (request.count > 2) reply.error("ERR wrong number of arguments for 'ping' command")
      else if (client.subscriptionCount > 0 && reply.protocol === 2) {
        // To who listens, as a message.
        reply.array(2)
        reply.bulkText('pong')
        reply.bulkText(request.count === 2 ? request.text(1) : '')
      } else if (request.count === 2) reply.bulk(request.view(1))
      else reply.simple('PONG')
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
    arguments: [{ name: 'message', type: 'string' }],
    run(client, request) {
      client.reply.bulk(request.view(1))
    },
  },
]
