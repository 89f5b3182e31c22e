import { execFileSync } from 'node:child_process'
import { type ClusterServer, type RedisServer, startCluster, startRedis } from '@millrace/testing'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { describeBackend } from '../conformance/conformance.ts'
import { knownDifferences } from '../differences.ts'
import { RedisBackend } from './redis-backend.ts'

// The list speaks of 7.0, the version that the tests run against; a later server is held to every case.
const is70 = execFileSync(process.env['REDIS_SERVER'] ?? 'redis-server', ['--version']).includes(' v=7.0.')
const differences = is70 ? knownDifferences : { redis: {}, cluster: {} }
const runner = { describe, it, beforeAll, afterAll }

async function blockedClients(redis: Redis): Promise<number> {
  return Number(/blocked_clients:(\d+)/.exec(await redis.info('clients'))?.[1])
}

describe('a redis-server', () => {
  let server: RedisServer
  let foreign: Redis

  beforeAll(async () => {
    server = await startRedis()
    foreign = new Redis(server.url)
  })
  afterAll(async () => {
    foreign.disconnect()
    await server.stop()
  })

  describeBackend('redis', () => RedisBackend.connect([server.url]), differences.redis, {
    ...runner,
    makeForeignKey: async (key) => void (await foreign.set(key, 'no stream')),
    waitingReads: async () => await blockedClients(foreign),
  })
})

describe('a Redis Cluster of three nodes', () => {
  let cluster: ClusterServer
  let foreign: Cluster

  beforeAll(async () => {
    cluster = await startCluster({ masters: 3 })
    foreign = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })))
  })
  afterAll(async () => {
    foreign.disconnect()
    await cluster.stop()
  })

  describeBackend('cluster', () => RedisBackend.connect(cluster.url.split(',')), differences.cluster, {
    ...runner,
    makeForeignKey: async (key) => void (await foreign.set(key, 'no stream')),
    waitingReads: async () => {
      const counts = await Promise.all(foreign.nodes('master').map(blockedClients))
      return counts.reduce((sum, count) => sum + count, 0)
    },
  })
})
