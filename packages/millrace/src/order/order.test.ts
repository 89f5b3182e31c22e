/** Order by key: what a group's workers run, in which order, when some of it fails and workers come and go. */
import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import type { Millrace } from '../millrace.ts'
import type { Stream } from '../stream.ts'
import { embedded, gate, redisCluster, redisServer } from '../worker/testing/worker-rig.ts'
import type { Worker } from '../worker/worker.ts'
import type { WorkerEvent } from '../worker/worker-event.ts'
import type { WorkerOptions } from '../worker/worker-options.ts'
import { retryAfter } from '../worker/outcome.ts'
import { hash, partitionNames, partitionOf } from './partition.ts'
import { shareOf } from './share.ts'

interface Step {
  readonly key: string
  readonly n: number
}

const quick: WorkerOptions = { leaseMs: 1000, sweepMs: 100, blockMs: 200, concurrency: 8 }

/** A random generator that is the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function steps(keys: number, each: number): Step[] {
  return Array.from({ length: keys * each }, (_, i) => ({ key: `k${i % keys}`, n: Math.floor(i / keys) }))
}

function open(mr: Millrace, partitions?: number): Stream<Step> {
  return mr.stream<Step>('s', { orderingKey: ({ key }) => key, ...(partitions !== undefined && { partitions }) })
}

/** What was done of each key: first completions, in the order in which they were made. */
class Done {
  readonly all: Step[] = []
  readonly #seen = new Set<string>()

  note(step: Step): void {
    const name = `${step.key}/${step.n}`
    if (this.#seen.has(name)) return
    this.#seen.add(name)
    this.all.push(step)
  }

  byKey(): Record<string, number[]> {
    const found: Record<string, number[]> = {}
    for (const { key, n } of this.all) (found[key] ??= []).push(n)
    return found
  }
}

function inOrder(keys: number, each: number): Record<string, number[]> {
  const all = Array.from({ length: each }, (_, n) => n)
  return Object.fromEntries(Array.from({ length: keys }, (_, i) => [`k${i}`, all]))
}

async function stopAll(workers: readonly Worker<Step>[]): Promise<void> {
  await Promise.all(workers.map(async (worker) => await worker.stop({ graceMs: 2000 })))
}

describe.each([
  { name: 'embedded', start: embedded },
  { name: 'redis-server', start: redisServer },
  { name: 'Cluster', start: redisCluster },
])('order by key, $name', ({ start }) => {
  it('keeps the order of each key over three workers, retries included, while other keys go on', async () => {
    const stream = open(await start(), 6)
    await stream.addMany(steps(20, 10))
    const done = new Done()
    const failed = new Set<string>()
    const handler = (entry: { value: Step }): unknown => {
      const { key, n } = entry.value
      // Each third of a key fails at first.
      if (n % 3 === 0 && !failed.has(`${key}/${n}`)) {
        failed.add(`${key}/${n}`)
        return retryAfter(20)
      }
      done.note(entry.value)
      return undefined
    }
    const workers = [1, 2, 3].map(() => stream.group('g').worker(handler, quick))
    await waitFor(() => done.all.length === 200, { what: 'all to be done', timeoutMs: 15_000 })
    expect(done.byKey()).toEqual(inOrder(20, 10))
    await stopAll(workers)
    expect(await stream.group('g').inspect()).toMatchObject({ pending: 0, lag: 0 })
  })

  it('does not let a key that waits hold up the others', async () => {
    const stream = open(await start())
    const { opened, open: letGo } = gate()
    await stream.addMany([...Array.from({ length: 50 }, (_, n) => ({ key: 'slow', n })), ...steps(10, 3)])
    const done = new Done()
    const worker = stream.group('g').worker(async ({ value }) => {
      if (value.key === 'slow' && value.n === 0) await opened
      done.note(value)
    }, quick)
    await waitFor(() => done.all.length === 30, { what: 'the other keys', timeoutMs: 15_000 })
    expect(done.byKey()).toEqual(inOrder(10, 3))
    letGo()
    await waitFor(() => done.all.length === 80, { what: 'all', timeoutMs: 15_000 })
    expect(done.byKey()['slow']).toEqual(Array.from({ length: 50 }, (_, n) => n))
    await worker.stop()
  })

  it('shares the partitions when workers come and go, and keeps the order', async () => {
    const stream = open(await start(), 4)
    const done = new Done()
    const held = new Map<string, Set<string>>()
    const begin = (consumer: string): Worker<Step> => {
      held.set(consumer, new Set())
      const onEvent = (event: WorkerEvent): void => {
        if (event.type === 'partition-taken') held.get(consumer)!.add(event.partition)
        if (event.type === 'partition-released') held.get(consumer)!.delete(event.partition)
      }
      const options = { ...quick, consumer, onEvent }
      return stream.group('g').worker(({ value }) => done.note(value), options)
    }
    const sizes = (): number[] => [...held.values()].map((own) => own.size).filter((size) => size > 0)
    const first = begin('a')
    await waitFor(() => sizes().join() === '4', { what: 'one worker to have all', timeoutMs: 10_000 })
    const second = begin('b')
    const adding = stream.addMany(steps(12, 10))
    await waitFor(() => sizes().join() === '2,2', { what: 'two workers to share', timeoutMs: 10_000 })
    await adding
    await first.stop()
    await waitFor(() => sizes().join() === '4', { what: 'the one that is left to have all', timeoutMs: 10_000 })
    await stream.addMany(Array.from({ length: 12 }, (_, i) => ({ key: `k${i}`, n: 10 })))
    await waitFor(() => done.all.length === 132, { what: 'all to be done', timeoutMs: 15_000 })
    expect(done.byKey()).toEqual(inOrder(12, 11))
    await second.stop()
  })

  it('takes over what a dead worker was given, in order, and counts only what is begun', async () => {
    const mr = await start()
    const stream = open(mr, 1)
    await stream.addMany(Array.from({ length: 6 }, (_, n) => ({ key: 'a', n })))
    const [part] = stream.streams
    await mr.backend.createGroup(part!, 'g')
    await mr.backend.readGroup({ group: 'g', consumer: 'dead' }, new Map([[part!, '>']]), { count: 4 })
    const seen: [number, number][] = []
    const options = { ...quick, retry: { initialMs: 10 } }
    const worker = stream.group('g').worker(({ value }, { attempt }) => void seen.push([value.n, attempt]), options)
    await waitFor(() => seen.length === 6, { what: 'all to be done', timeoutMs: 10_000 })
    expect(seen).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 1],
      [5, 1],
    ])
    await worker.stop()
  })

  it('looks for entries that a read of the former worker was given late, before it runs newer ones', async () => {
    const mr = await start()
    const stream = open(mr, 1)
    const [part] = stream.streams
    const seen: number[] = []
    const taken = gate()
    const onEvent = (event: WorkerEvent): void => {
      if (event.type === 'partition-taken') taken.open()
    }
    await mr.backend.createGroup(part!, 'g')
    // It waits first, so it is served first.
    const zombie = mr.backend.readGroup({ group: 'g', consumer: 'zombie' }, new Map([[part!, '>']]), {
      count: 1,
      blockMs: 10_000,
    })
    const worker = stream
      .group('g')
      .worker(({ value }) => void seen.push(value.n), { ...quick, onEvent, blockMs: 5000 })
    await taken.opened
    for (let n = 0; n < 4; n++) await stream.add({ key: 'a', n })
    await zombie
    await waitFor(() => seen.length === 4, { what: 'all to be done', timeoutMs: 10_000 })
    expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    expect(seen.indexOf(0)).toBe(0)
    await worker.stop()
  })

  it('gives up an entry after its attempts, lets its key go on, and runs it again when redriven', async () => {
    const stream = open(await start(), 2)
    const seen: number[] = []
    let isBroken = true
    const worker = stream.group('g').worker(
      ({ value }) => {
        if (value.n === 1 && isBroken) throw new Error('broken')
        seen.push(value.n)
      },
      { ...quick, retry: { maxAttempts: 2, initialMs: 10 } },
    )
    await stream.addMany(Array.from({ length: 3 }, (_, n) => ({ key: 'a', n })))
    await waitFor(() => seen.length === 2, { what: 'the others', timeoutMs: 10_000 })
    const [letter] = await stream.deadLetters.list()
    expect(letter).toMatchObject({
      reason: 'failed',
      attempts: 2,
      orderingKey: 'a',
      stream: stream.partitionOf('a').name,
    })
    isBroken = false
    expect(await stream.deadLetters.redrive({ ids: [letter!.id] })).toEqual({ redriven: 1, missing: 0 })
    await waitFor(() => seen.length === 3, { what: 'the redriven one', timeoutMs: 10_000 })
    expect(seen).toEqual([0, 2, 1])
    await worker.stop()
  })
})

describe('order by key', () => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

  it(`keeps it whatever workers do (seed ${seed})`, async () => {
    const random = randomOf(seed)
    const mr = await embedded()
    const stream = open(mr, 5)
    const done = new Done()
    const workers: Worker<Step>[] = []
    const begin = (): void => {
      const handler = async ({ value }: { value: Step }): Promise<unknown> => {
        if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
        if (random() < 0.1) return retryAfter(Math.floor(random() * 20))
        done.note(value)
        return undefined
      }
      workers.push(stream.group('g').worker(handler, { ...quick, retry: { maxAttempts: 1000 } }))
    }
    begin()
    for (let n = 0; n < 40; n++) {
      await stream.addMany(Array.from({ length: 15 }, (_, i) => ({ key: `k${i}`, n })))
      if (random() < 0.2 && workers.length < 4) begin()
      if (random() < 0.2 && workers.length > 1) {
        const [leaver] = workers.splice(Math.floor(random() * workers.length), 1)
        await leaver!.stop({ graceMs: random() < 0.5 ? 0 : 1000 })
      }
    }
    await waitFor(() => done.all.length === 600, { what: 'all to be done', timeoutMs: 15_000 })
    expect(done.byKey()).toEqual(inOrder(15, 40))
    await stopAll(workers)
  })

  it('puts a key into the partition that it has always been in', () => {
    expect(['ada', 'grace', '', 'é', '7'].map((key) => partitionOf(key, 1024))).toEqual([526, 867, 11, 711, 93])
    expect(partitionNames('orders', 2)).toEqual(['orders:{0}', 'orders:{1}'])
    const counts = Array.from({ length: 16 }, () => 0)
    for (let i = 0; i < 16_000; i++) counts[hash(`user-${i}`) % 16]!++
    expect(Math.max(...counts)).toBeLessThan(1200)
    expect(Math.min(...counts)).toBeGreaterThan(800)
  })

  it('shares partitions evenly, each once, and moves few', () => {
    const partitions = partitionNames('s', 32)
    for (let count = 1; count <= 40; count++) {
      const workers = new Set(Array.from({ length: count }, (_, i) => `w${i}`))
      const shares = [...workers].map((worker) => [...shareOf(worker, partitions, workers)])
      expect(shares.flat().toSorted()).toEqual(partitions.toSorted())
      const sizes = shares.map((share) => share.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(2)
    }
    const [three, four] = [new Set(['a', 'b', 'c']), new Set(['a', 'b', 'c', 'd'])]
    const moved = [...three].flatMap((worker) => {
      const after = shareOf(worker, partitions, four)
      return [...shareOf(worker, partitions, three)].filter((partition) => !after.has(partition))
    })
    expect(moved.length).toBeLessThan(16)
    expect(shareOf('not-there', partitions, three)).toEqual(new Set())
  })

  it('refuses another number of partitions, braces in the name, and keys where no order is kept', async () => {
    const mr = await embedded()
    await open(mr, 4).add({ key: 'a', n: 0 })
    await expect(open(mr, 8).add({ key: 'a', n: 1 })).rejects.toThrow(
      "Expected 8 partitions (key '{s}:partitions'), but the stream has 4",
    )
    expect(() => mr.stream('a{b}', { partitions: 2 })).toThrow('without braces')
    expect(() => mr.stream('s', { partitions: 0 })).toThrow('partitions')
    await expect(mr.stream('plain').add({}, { orderingKey: 'a' })).rejects.toThrow('an orderingKey or partitions')
  })

  it('adds, ranges, follows and counts over all partitions', async () => {
    const mr = await embedded()
    const stream = open(mr, 3)
    const ids = await stream.addMany(steps(9, 2))
    expect(ids).toHaveLength(18)
    expect(await stream.length()).toBe(18)
    const found = await stream.range()
    expect(found.map(({ value }) => value)).toHaveLength(18)
    expect(await stream.range({ count: 4, reverse: true })).toHaveLength(4)
    const followed: Step[] = []
    for await (const { value } of stream.read({ after: '0-0' as EntryId, blockMs: 100 })) {
      followed.push(value)
      if (followed.length === 18) break
    }
    const order = new Done()
    for (const value of followed) order.note(value)
    expect(order.byKey()).toEqual(inOrder(9, 2))
    expect(await stream.trim({ maxLen: 0 })).toBe(18)
    expect(() => stream.delayed).toThrow('partitionOf(orderingKey).delayed')
  })
})
