import { startCluster, startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { RedisBackend } from './redis-backend.ts'
import type { ClientEvent } from './redis-client.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function warnings(url: string): Promise<ClientEvent[]> {
  const events: ClientEvent[] = []
  const backend = await RedisBackend.connect(url.split(','), { onEvent: (event) => events.push(event) })
  await backend.close()
  return events.filter(({ type }) => type === 'warning')
}

async function serverWith(...args: string[]): Promise<string> {
  const server = await startRedis({ args })
  ends.push(() => server.stop())
  return server.url
}

describe('who connects to a server that evicts keys', () => {
  it('is told, with the policy and the limit', async () => {
    const told = await warnings(await serverWith('--maxmemory', '50mb', '--maxmemory-policy', 'allkeys-lru'))
    expect(told).toHaveLength(1)
    expect(told[0]?.message).toContain('52428800 bytes (maxmemory-policy allkeys-lru)')
  })

  it('is not told of one that refuses, or that has no limit', async () => {
    expect(await warnings(await serverWith('--maxmemory', '50mb'))).toEqual([])
    expect(await warnings(await serverWith('--maxmemory-policy', 'volatile-ttl'))).toEqual([])
  })

  it('is told once of a Cluster', async () => {
    const cluster = await startCluster({ masters: 3 })
    ends.push(() => cluster.stop())
    for (const { port } of cluster.nodes.slice(1)) {
      const redis = new Redis(port, '127.0.0.1')
      await redis.config('SET', 'maxmemory', '50mb', 'maxmemory-policy', 'volatile-lru')
      redis.disconnect()
    }
    expect(await warnings(cluster.url)).toHaveLength(1)
  }, 60_000)
})
