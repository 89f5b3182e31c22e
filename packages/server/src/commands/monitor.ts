/** MONITOR: this client is told every command from now on (monitors.ts). */
import type { Client } from '../client.ts'
import type { Command } from '../command.ts'
import { ReplyError } from '../error-lines.ts'

export const monitorCommands: readonly Command[] = [
  {
    name: 'monitor',
    summary: 'Listen for all requests received by the server in real time.',
    since: '1.0.0',
    complexity: '',
    group: 'server',
    arity: 1,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: [],
    keys: [],
    run: monitor,
  },
]

function monitor(client: Client): void {
  if (client.isExecuting) throw new ReplyError("ERR MONITOR isn't allowed for DENY BLOCKING client")
  // As Redis, which answers nothing then.
  if (client.server.monitors.has(client)) return
  client.server.monitors.add(client)
  client.reply.ok()
}
