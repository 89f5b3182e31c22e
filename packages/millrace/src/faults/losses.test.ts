/**
 * A server, a stream or a group that is suddenly not what it was, in six ways (T11): the group is made again at the right place,
 * what comes is handled once, nothing comes again, and it is told. Within five seconds.
 */
import { startRedis, startServe, waitFor } from '@millrace/testing'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import type { Millrace } from '../millrace.ts'
import type { WorkerEvent } from '../worker/worker-event.ts'
import { embeddedPlace, howMany, type Place, servers } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

/** {b} is in slot 3,300, which the first node of the Cluster holds. */
const STREAM = '{b}'

interface Scene {
  readonly place: Place
  readonly millrace: Millrace
}

async function admin({ place }: Scene, ...command: readonly [string, ...(string | number)[]]): Promise<unknown> {
  const redis = new Redis(place.server?.port ?? place.cluster?.nodes[0]?.port ?? 0, '127.0.0.1')
  try {
    return await redis.call(...(command as [string, ...string[]]))
  } finally {
    redis.disconnect()
  }
}

async function restart({ place }: Scene): Promise<void> {
  const port = place.server?.port ?? 0
  await place.server?.kill()
  const again = place.name === 'redis-server' ? await startRedis({ port }) : await startServe({ port })
  atEnd(() => again.stop())
}

/** Fills the memory, as far as the server is concerned, until the stream is gone. */
async function evict(scene: Scene): Promise<void> {
  await admin(scene, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random')
  await admin(scene, 'CONFIG', 'SET', 'maxmemory', 1)
  await waitFor(async () => (await admin(scene, 'EXISTS', STREAM)) === 0, { what: 'the eviction' })
  await admin(scene, 'CONFIG', 'SET', 'maxmemory', 0)
}

const everyServer = {
  'a group that is destroyed': async ({ millrace }: Scene) => void (await millrace.backend.destroyGroup(STREAM, 'g')),
  'a stream that is deleted': async (scene: Scene) => void (await admin(scene, 'DEL', STREAM)),
  'a stream that expires': async ({ millrace }: Scene) => {
    await millrace.backend.expire(STREAM, 1)
    await waitFor(async () => (await millrace.backend.inspect(STREAM)) === undefined, { what: 'its end' })
  },
  FLUSHALL: async (scene: Scene) => void (await admin(scene, 'FLUSHALL')),
}
const causes: Record<string, Record<string, (scene: Scene) => Promise<void>>> = {
  'redis-server': { ...everyServer, 'a restart without files': restart, 'an eviction': evict },
  // It refuses what does not fit rather than evict.
  'millrace serve': { ...everyServer, 'a restart without files': restart },
  // A node that starts again without its files is replaced: failover.test.ts.
  // Starting one takes long: those of every server only in a long run.
  cluster: { ...(howMany(0, 1) === 1 ? everyServer : {}), 'an eviction': evict },
  embedded: {
    'a group that is destroyed': everyServer['a group that is destroyed'],
    'a stream that expires': everyServer['a stream that expires'],
  },
}

describe.each([...servers, ['embedded', embeddedPlace] as const])('on %s', (name, create) => {
  it.each(Object.entries(causes[name] ?? {}))('goes on after %s', { timeout: 60_000 }, async (_cause, cause) => {
    const place = await at(create)
    const millrace = await open(place.target)
    const stream = millrace.stream<number>(STREAM)
    const handled: number[] = []
    const events: WorkerEvent[] = []
    const worker = stream.group('g').worker(({ value }) => void handled.push(value), {
      blockMs: 500,
      sweepMs: 100,
      onEvent: (event) => events.push(event),
    })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await stream.addMany(upTo(5))
    await waitFor(() => worker.counts.completed === 5, { what: 'the first five' })
    await cause({ place, millrace })
    const atMs = performance.now()
    for (const n of upTo(5, 5)) await stream.add(n, { key: `n${n}` })
    await waitFor(() => handled.length >= 10, { what: 'those after it' })
    expect(performance.now() - atMs).toBeLessThan(5000)
    await waitFor(() => worker.counts.completed === 10, { what: 'the acknowledgements' })
    expect(handled).toEqual(upTo(10))
    const told = events.find((event) => event.type === 'data-loss-suspected')
    expect(told).toMatchObject({ stream: STREAM })
  })
})
