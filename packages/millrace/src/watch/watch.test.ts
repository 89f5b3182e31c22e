/** The watch on real backends: its numbers against what was done, alerts to a real webhook, a real scrape. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { waitFor } from '@millrace/testing'
import { afterEach, describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import { connectFake } from '../testing/index.ts'
import { embedded, redisServer } from '../worker/testing/worker-rig.ts'
import type { Alert } from './alerts.ts'
import { prometheusHandler, prometheusMetrics } from './prometheus.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(server: Server): Promise<string> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.each([
  { name: 'embedded', start: embedded },
  { name: 'redis-server', start: redisServer },
])('a monitor, $name', ({ start }) => {
  it('tells what is there, as it is', async () => {
    const mr = await start()
    const stream = mr.stream<number>('s')
    await stream.addMany(Array.from({ length: 20 }, (_, n) => n))
    await mr.backend.createGroup('s', 'g')
    await mr.backend.readGroup({ group: 'g', consumer: 'a' }, new Map([['s', '>']]), { count: 6 })
    const rows = await mr.backend.pending('s', 'g')
    await mr.backend.claim('s', 'g', 'b', { minIdleMs: 0, ids: [rows[0]!.id] })
    await mr.backend.claim('s', 'g', 'b', { minIdleMs: 0, ids: [rows[0]!.id] })
    const monitor = mr.monitor({ streams: [stream, 'missing'], everyMs: 1_000_000 })
    const sample = (await monitor.sample()).get('s')!
    expect(sample).toMatchObject({ length: 20, entriesAdded: 20, deadLetters: 0, delayed: 0 })
    expect(sample.groups).toMatchObject([
      { group: 'g', lag: 14, isLagEstimated: false, pending: 6, maxDeliveries: 3, deliveries: { 1: 5, 2: 0, 3: 1 } },
    ])
    const consumers = sample.groups[0]!.consumers.map(({ name, pending, state }) => [name, pending, state])
    expect(consumers).toEqual([
      ['a', 5, 'live'],
      ['b', 1, 'live'],
    ])
    expect(monitor.latest.has('missing')).toBe(false)
    await monitor.stop()
  })

  it('counts the lag itself where the server cannot', async () => {
    const mr = await start()
    const stream = mr.stream<number>('s')
    const ids = await stream.addMany(Array.from({ length: 20 }, (_, n) => n))
    await mr.backend.createGroup('s', 'g')
    await mr.backend.readGroup({ group: 'g', consumer: 'a' }, new Map([['s', '>']]), { count: 5 })
    // A hole behind the group's place: from then on its lag is null.
    await mr.backend.delete('s', [ids[10]!])
    const monitor = mr.monitor({ streams: ['s'], everyMs: 1_000_000 })
    expect((await monitor.sample()).get('s')!.groups).toMatchObject([{ lag: 14, isLagEstimated: true }])
    await monitor.stop()
  })

  it('alerts when somebody leaves work, and when it is done', async () => {
    const mr = await start()
    const bodies: Alert[] = []
    let failures = 1
    const url = await listen(
      createServer((request, response) => {
        let body = ''
        request.on('data', (bytes: Buffer) => (body += bytes.toString()))
        request.on('end', () => {
          // The first is refused: it comes again.
          response.writeHead(failures-- > 0 ? 503 : 200).end()
          if (response.statusCode === 200) bodies.push(JSON.parse(body) as Alert)
        })
      }),
    )
    const told: Alert[] = []
    const monitor = mr.monitor({
      streams: ['s'],
      everyMs: 1_000_000,
      rules: { 'no-consumers': { forMs: 0 } },
      onAlert: (alert) => told.push(alert),
      webhook: { url, headers: { 'x-token': 't' } },
    })
    await mr.stream<number>('s').add(1)
    await mr.backend.createGroup('s', 'g')
    await monitor.sample()
    expect(told).toMatchObject([{ rule: 'no-consumers', state: 'firing', stream: 's', group: 'g' }])
    const found = await mr.backend.readGroup({ group: 'g', consumer: 'a' }, new Map([['s', '>']]))
    await mr.backend.settle(
      's',
      'g',
      'a',
      found.get('s')!.map(({ id }) => id),
    )
    await monitor.sample()
    expect(told).toMatchObject([{ state: 'firing' }, { state: 'resolved' }])
    await waitFor(() => bodies.length === 2, { what: 'the webhook to be told', timeoutMs: 10_000 })
    expect(bodies).toEqual(told)
    await monitor.stop()
  })

  it('hears of leases that its workers lose, and of losses', async () => {
    const mr = await start()
    const stream = mr.stream<number>('s')
    const told: string[] = []
    const monitor = mr.monitor({
      streams: [stream],
      everyMs: 1_000_000,
      onAlert: ({ rule, state }) => told.push(`${rule} ${state}`),
    })
    const ran = new Promise<EntryId>((resolve) => {
      stream.group('g').worker(async ({ id }) => {
        await mr.backend.claim('s', 'g', 'thief', { minIdleMs: 0, ids: [id] })
        resolve(id)
      })
    })
    await stream.add(1)
    await ran
    await waitFor(
      async () => {
        await monitor.sample()
        return told.includes('lease-pressure firing')
      },
      { what: 'the alert', timeoutMs: 10_000 },
    )
    await monitor.sample()
    expect(told).toContain('lease-pressure resolved')
    await monitor.stop()
  })

  it('is scraped', async () => {
    const mr = await start()
    await mr.stream<number>('s').addMany([1, 2, 3])
    await mr.backend.createGroup('s', 'g')
    const monitor = mr.monitor({ streams: ['s'], everyMs: 1_000_000 })
    await monitor.sample()
    const url = await listen(createServer(prometheusHandler(prometheusMetrics(monitor))))
    const response = await fetch(`${url}/metrics`)
    expect(response.headers.get('content-type')).toContain('text/plain')
    const text = await response.text()
    expect(text).toContain('millrace_stream_length{stream="s"} 3')
    expect(text).toContain('millrace_group_lag{stream="s",group="g"} 3')
    expect(text).toContain('millrace_group_consumers{stream="s",group="g",state="live"} 0')
    await monitor.stop()
  })
})

describe('a monitor', () => {
  it('samples again and again, and knows the rates', async () => {
    const { mr, clock } = connectFake()
    const stream = mr.stream<number>('s', { retention: 'none' })
    const monitor = mr.monitor({ streams: ['s'], everyMs: 1000 })
    const worker = stream.group('g').worker(
      ({ value }, { attempt }) => {
        if (value % 4 === 0 && attempt === 1) throw new Error('at first')
      },
      { retry: { initialMs: 1, maxMs: 1 } },
    )
    await stream.addMany(Array.from({ length: 100 }, (_, n) => n))
    await clock.advance(1000)
    await stream.addMany(Array.from({ length: 50 }, (_, n) => n + 100))
    await clock.advance(1000)
    const sample = monitor.latest.get('s')!
    expect(sample.addedPerSecond).toBeCloseTo(50)
    expect(sample.groups[0]).toMatchObject({ lag: 0, pending: 0, readPerSecond: 50 })
    expect(sample.groups[0]!.retries).toBeGreaterThan(20)
    const stopping = Promise.all([worker.stop(), monitor.stop()])
    await clock.advance(1000)
    await stopping
    await mr.close()
  })

  it('refuses what it cannot watch', async () => {
    const { mr } = connectFake()
    expect(() => mr.monitor({ streams: [] })).toThrow('from 1 to 10000 streams')
    expect(() => mr.monitor({ streams: ['s'], rules: { lag: false } as object })).toThrow("got 'lag'")
    await mr.close()
  })
})
