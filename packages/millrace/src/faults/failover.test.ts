/**
 * Fail-overs that lose what was acknowledged (T12): told, with each ID; and with `replicas: 1` nothing that resolved is lost.
 */
import {
  type ClusterServer,
  type Proxy,
  type ReplicatedServer,
  startProxy,
  startReplicated,
  waitFor,
} from '@millrace/testing'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import type { Millrace } from '../millrace.ts'
import { inspectScript } from '../redis/scripts/inspect.ts'
import { clusterPlace, howMany } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

const FAILOVERS = howMany(2, 20)
type DataLoss = Extract<CareEvent, { type: 'data-loss' }>

interface Rig {
  readonly servers: ReplicatedServer
  readonly millrace: Millrace
  readonly told: DataLoss[]
  readonly proxy: Proxy
  /** The replica becomes the primary, with what it has, and the line leads there. */
  failOver(): Promise<void>
}

async function begin(): Promise<Rig> {
  const servers = await startReplicated()
  atEnd(() => servers.stop())
  const proxy = await startProxy({ target: servers.primary.port })
  atEnd(() => proxy.stop())
  const told: DataLoss[] = []
  const onEvent = (event: { readonly type: string }): void => {
    if (event.type === 'data-loss') told.push(event as DataLoss)
  }
  const millrace = await open(proxy.url, { onEvent })
  const failOver = async (): Promise<void> => {
    await servers.promote()
    proxy.retarget(servers.replica.port)
  }
  return { servers, millrace, told, proxy, failOver }
}

describe('a fail-over to a replica that lagged', () => {
  it(`is told with each entry that it lost, ${FAILOVERS} times`, { timeout: FAILOVERS * 20_000 }, async () => {
    for (let round = 0; round < FAILOVERS; round++) {
      const { servers, millrace, told, failOver } = await begin()
      const stream = millrace.stream<number>('s')
      await stream.addMany(upTo(20))
      await servers.caughtUp()
      servers.hold()
      const lost = await Promise.all(upTo(1 + round * 7).map(async (n) => await stream.add(n)))
      await failOver()
      const event = await waitFor(() => told[0], { what: 'the loss to be told' })
      const sorted = lost.toSorted(
        (a, b) =>
          Number(a.split('-')[0]) - Number(b.split('-')[0]) || Number(a.split('-')[1]) - Number(b.split('-')[1]),
      )
      expect(event).toEqual({ type: 'data-loss', stream: 's', ids: sorted, from: sorted[0], to: sorted.at(-1) })
      expect(told).toHaveLength(1)
    }
  })

  it(`loses nothing that resolved with replicas: 1, ${FAILOVERS} times`, { timeout: FAILOVERS * 20_000 }, async () => {
    for (let round = 0; round < FAILOVERS; round++) {
      const { servers, millrace, failOver } = await begin()
      const stream = millrace.stream<number>('s')
      const durability = { replicas: 1, timeoutMs: 300 }
      const adding = upTo(60).map(async (n) => {
        if (n === 30) servers.hold()
        return await stream.add(n, { durability })
      })
      const results = await Promise.allSettled(adding)
      const kept = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      const refused = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as { code: string }] : [],
      )
      expect(refused.length).toBeGreaterThan(0)
      expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['NOT_DURABLE']))
      await failOver()
      const there = await waitFor(async () => await stream.range(), { what: 'the new primary' })
      const present = new Set<EntryId>(there.map(({ id }) => id))
      expect(kept.filter((id) => !present.has(id))).toEqual([])
    }
  })

  it('lets workers go on with what is there, and says from where', { timeout: 30_000 }, async () => {
    const { servers, millrace, proxy, failOver } = await begin()
    const stream = millrace.stream<number>('s')
    const handled: number[] = []
    const events: string[] = []
    const worker = stream.group('g').worker(({ value }) => void handled.push(value), {
      blockMs: 500,
      sweepMs: 100,
      onEvent: (event) => events.push(event.type),
    })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await stream.addMany([0, 1, 2])
    await waitFor(() => worker.counts.completed === 3, { what: 'the first three' })
    await servers.caughtUp()
    servers.hold()
    await stream.addMany([3, 4])
    await waitFor(() => worker.counts.completed === 5, { what: 'those that will be lost' })
    // What is lost after the last look and followed by as many new ones can not be seen by anybody.
    let looks = 0
    proxy.onClientBytes = (bytes) => {
      if (bytes.includes(inspectScript.sha)) looks++
      return true
    }
    await waitFor(() => looks > 3, { what: 'the sweeps to have looked' })
    const atMs = performance.now()
    await failOver()
    await waitFor(async () => await stream.add(5, { key: 'five' }), { what: 'the new primary' })
    await waitFor(() => handled.includes(5), { what: 'the next entry' })
    expect(performance.now() - atMs).toBeLessThan(5000)
    expect(handled).toEqual([0, 1, 2, 3, 4, 5])
    await waitFor(() => events.includes('data-loss-suspected'), { what: 'the event' })
  })
})

/** What the replica of the first node does not have is on that node alone from now on. */
async function detachReplica(cluster: ClusterServer): Promise<() => Promise<void>> {
  const [master, replica] = [cluster.nodes[0], cluster.nodes[3]]
  const redis = new Redis(master?.port ?? 0, '127.0.0.1')
  await replica?.kill('SIGSTOP')
  await redis.call('CLIENT', 'KILL', 'TYPE', 'replica')
  redis.disconnect()
  return async () => {
    await master?.kill()
    await replica?.kill('SIGCONT')
  }
}

describe('a fail-over in a Cluster', () => {
  it('is told with each entry that it lost', { timeout: 90_000 }, async () => {
    const place = await at(clusterPlace)
    const told: DataLoss[] = []
    const onEvent = (event: { readonly type: string }): void => {
      if (event.type === 'data-loss') told.push(event as DataLoss)
    }
    const millrace = await open(place.target, { onEvent, unavailableMs: 20_000 })
    // {b} is in slot 3,300, which the first node holds.
    const stream = millrace.stream<number>('{b}')
    await stream.add(0, { durability: { replicas: 1 } })
    const failOver = await detachReplica(place.cluster!)
    const lost = await stream.addMany([1, 2, 3, 4, 5])
    await failOver()
    await waitFor(async () => (await stream.add(6, { key: 'six' })) !== undefined, {
      what: 'the new master',
      timeoutMs: 30_000,
    })
    await waitFor(() => told.length > 0, { what: 'the loss to be told' })
    expect(told.flatMap(({ ids }) => ids)).toEqual(lost)
  })
})
