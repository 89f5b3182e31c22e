/**
 * A server with a memory limit and an eviction policy throws keys away when it is full: streams, and the keys that keep leases
 * and sent messages apart. Who connects to one is told.
 */
import type { ClientEvent, RedisClient } from './redis-client.ts'

/** Never rejects: a server that does not tell is not warned of. */
export async function warnOfEviction(client: RedisClient, onEvent: (event: ClientEvent) => void): Promise<void> {
  for (const info of await client.infos('memory')) {
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
    const limit = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0)
    if (policy === undefined || policy === 'noeviction' || limit === 0) continue
    const message =
      `The server evicts keys when it has ${limit} bytes (maxmemory-policy ${policy}): streams and what keeps their ` +
      "messages apart may be lost without an error. Set maxmemory-policy to 'noeviction'"
    onEvent({ type: 'warning', message })
    return
  }
}
