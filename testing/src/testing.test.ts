import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { launchBrowser, startCluster, startProxy, startRedis, waitFor } from './index.ts'

const ends: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function client(port: number): Redis {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 20 })
  redis.on('error', () => undefined)
  ends.push(async () => redis.disconnect())
  return redis
}

describe('the parts for tests', () => {
  it('starts a redis-server that answers, and ends it', async () => {
    const server = await startRedis()
    ends.push(() => server.stop())
    expect(await client(server.port).ping()).toBe('PONG')
    await server.kill()
    expect(() => process.kill(server.pid, 0)).toThrow()
  })

  it('cuts and restores the line to a server', async () => {
    const server = await startRedis()
    ends.push(() => server.stop())
    const proxy = await startProxy({ target: server.port })
    ends.push(() => proxy.stop())
    const redis = client(proxy.port)
    await redis.set('a', '1')
    const closed = new Promise((resolve) => redis.once('close', resolve))
    proxy.cut()
    await closed
    proxy.restore()
    expect(await redis.get('a')).toBe('1')
  })

  it('moves new connections to another server', async () => {
    const [first, second] = await Promise.all([startRedis(), startRedis()])
    ends.push(
      () => first.stop(),
      () => second.stop(),
    )
    await client(second.port).set('who', 'second')
    const proxy = await startProxy({ target: first.port })
    ends.push(() => proxy.stop())
    const redis = client(proxy.port)
    await redis.ping()
    proxy.retarget(second.port)
    expect(await waitFor(async () => (await redis.get('who')) ?? false, { what: 'the other server' })).toBe('second')
  })

  it('starts a cluster that every node calls working', async () => {
    const cluster = await startCluster({ masters: 3, replicas: 1 })
    ends.push(() => cluster.stop())
    const info = String(await client(cluster.nodes[5]?.port ?? 0).call('CLUSTER', 'NODES'))
    expect(info.match(/[ ,]slave /g)).toHaveLength(3)
  }, 60_000)

  it('starts Chromium', async () => {
    const browser = await launchBrowser()
    ends.push(() => browser.close())
    const page = await browser.newPage()
    await page.setContent('<title>here</title>')
    expect(await page.title()).toBe('here')
  })

  it('tells what it waited for in vain', async () => {
    await expect(waitFor(() => false, { what: 'a miracle', timeoutMs: 30 })).rejects.toThrow(
      'Waited 30 ms for a miracle, in vain',
    )
  })
})
