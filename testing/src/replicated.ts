/**
 * A primary with one replica, and a line between them that can fall behind.
 *
 *   primary ◄── Proxy ◄── replica        hold():    the replica hears nothing any more, and still seems connected
 *      └──── promote(): the primary is killed, the replica takes its place with what it has
 */
import { Redis } from 'ioredis'
import { type Proxy, startProxy } from './proxy.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { waitFor } from './wait-for.ts'

export interface ReplicatedServer {
  readonly primary: RedisServer
  readonly replica: RedisServer
  /** Resolves when the replica has all that the primary has. */
  caughtUp(): Promise<void>
  /** From now on nothing reaches the replica: what the primary acknowledges is on it alone. */
  hold(): void
  /** Kills the primary; the replica is a primary when this resolves. */
  promote(): Promise<void>
  stop(): Promise<void>
}

/** Starts both; the replica follows when this resolves. */
export async function startReplicated(): Promise<ReplicatedServer> {
  const primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
  const line: Proxy = await startProxy({ target: primary.port })
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(line.port)] })
  const stop = async (): Promise<void> => {
    await line.stop()
    await replica.stop()
    await primary.stop()
  }
  const caughtUp = async (): Promise<void> => {
    await waitFor(async () => await isEqual(primary.port, replica.port), { what: 'the replica to follow' })
  }
  try {
    await caughtUp()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    primary,
    replica,
    caughtUp,
    stop,
    hold: () => line.stall(),
    promote: async () => {
      await primary.kill()
      await asking(replica.port, async (redis) => await redis.replicaof('NO', 'ONE'))
    },
  }
}

async function isEqual(primary: number, replica: number): Promise<boolean> {
  const offset = (info: string, name: string): string | undefined => new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]
  const of = async (port: number): Promise<string> =>
    await asking(port, async (redis) => await redis.info('replication'))
  const [first, second] = [await of(primary), await of(replica)]
  if (!second.includes('master_link_status:up') || !first.includes('state=online')) return false
  return offset(first, 'master_repl_offset') === offset(second, 'slave_repl_offset')
}

async function asking<T>(port: number, ask: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 0, retryStrategy: null })
  redis.on('error', () => undefined)
  try {
    return await ask(redis)
  } finally {
    redis.disconnect()
  }
}
