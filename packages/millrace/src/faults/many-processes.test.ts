/**
 * Producers that send the same messages (T21), workers that are replaced one after another under load (T22), consumers that come
 * and go (T20), and many that sweep at once (T28).
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { startChild, waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import { pause } from '../pause.ts'
import { check } from '../simulation/checker.ts'
import { everywhere, howMany, servers } from './testing/fault-backends.ts'
import { historyOf } from './testing/history-log.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'
import type { Message } from './testing/worker-child.ts'
import { WorkerChildren } from './testing/worker-children.ts'

const PRODUCERS = howMany(3, 10)
const KEYS = 100
const CONSUMERS = howMany(100, 1000)
const SWEEPERS = 20
const ADDING = join(import.meta.dirname, 'testing/adding-keys-child.ts')

async function addKeys(target: string): Promise<string[]> {
  const node = ['--conditions=@millrace/source', '--import', 'tsx']
  const child = startChild(process.execPath, [...node, ADDING, target, 's', String(KEYS)])
  let [out, errors] = ['', '']
  child.stdout?.on('data', (bytes: Buffer) => (out += bytes.toString()))
  child.stderr?.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  await once(child, 'close')
  expect(errors).toBe('')
  return JSON.parse(out) as string[]
}

describe.each(servers)('on %s', (name, create) => {
  const restarts = howMany(2, name === 'redis-server' ? 500 : 100)

  it(`adds each of ${KEYS} messages once that ${PRODUCERS} processes send`, { timeout: 90_000 }, async () => {
    const place = await at(create)
    const told = await Promise.all(upTo(PRODUCERS).map(async () => await addKeys(place.target)))
    const stream = (await open(place.target)).stream<number>('s')
    expect(await stream.length()).toBe(KEYS)
    for (const ids of told) expect(ids).toEqual(told[0])
  })

  const title = `loses nothing and repeats nothing in ${restarts} restarts of workers under load`
  it(title, { timeout: restarts * 10_000 + 60_000 }, async () => {
    const place = await at(create)
    // With a lease that outlasts a restart: what is not handed back would be missed, and what is not waited for be repeated.
    const children = new WorkerChildren({ target: place.target, stream: 's', concurrency: 4, leaseMs: 5000 })
    atEnd(() => children.stop())
    const stream = (await open(place.target)).stream<Message>('s')
    let current = children.start()
    const over = new AbortController()
    const sent: string[] = []
    let count = 0
    const produce = async (): Promise<void> => {
      while (!over.signal.aborted) {
        sent.push(await stream.add({ n: count++ }))
        await pause(2, over.signal)
      }
    }
    const producing = produce()
    for (let restart = 1; restart <= restarts; restart++) {
      const next = children.start()
      await waitFor(() => children.log.lines('ready').length === restart + 1, { what: 'the next worker' })
      const ended = once(current, 'exit')
      current.kill('SIGTERM')
      expect((await ended)[0]).toBe(0)
      current = next
    }
    over.abort()
    await producing
    await waitFor(() => children.log.counts('end').size === count, { what: 'all of them', timeoutMs: 30_000 })
    expect(children.log.lines('stopped-in-order')).toHaveLength(restarts)
    expect([...children.log.counts('effect').values()].filter((count) => count !== 1)).toEqual([])
    expect(children.log.lines('lost')).toEqual([])
    expect(check(historyOf(children.log, sent))).toEqual([])
  })
})

// Starting a Cluster takes long: in a long run.
const places = everywhere.filter(([name]) => name !== 'cluster' || howMany(0, 1) === 1)

describe.each(places)('on %s', (_name, create) => {
  it(`takes over from ${CONSUMERS} consumers that are gone, and removes them`, { timeout: 90_000 }, async () => {
    const place = await at(create)
    const care = { reapMs: 100, consumerIdleMs: 400 }
    const millrace = await open(place.target, { care })
    const { backend } = millrace
    const stream = millrace.stream<number>('s')
    await backend.createGroup('s', 'g')
    await stream.addMany(upTo(CONSUMERS))
    const handled: number[] = []
    for (const i of upTo(CONSUMERS)) {
      const found = await backend.readGroup({ group: 'g', consumer: `pod-${i}` }, new Map([['s', '>' as const]]), {
        count: 1,
      })
      const [entry] = found.get('s') ?? []
      if (entry === undefined || i % 2 === 0) continue
      handled.push(i)
      await backend.settle('s', 'g', `pod-${i}`, [entry.id])
    }
    expect((await stream.group('g').inspect())?.consumers).toHaveLength(CONSUMERS)
    const worker = stream
      .group('g')
      .worker(({ value }) => void handled.push(value), { leaseMs: 400, sweepMs: 50, blockMs: 500 })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(async () => (await stream.group('g').inspect())?.consumers.length === 1, {
      what: 'them to be removed',
      timeoutMs: 30_000,
    })
    expect(handled.toSorted((a, b) => a - b)).toEqual(upTo(CONSUMERS))
    expect(await backend.pending('s', 'g')).toEqual([])
  })

  it(`has one winner for each entry when ${SWEEPERS} sweep`, { timeout: 60_000 }, async () => {
    const place = await at(create)
    const millrace = await open(place.target)
    const { backend } = millrace
    const stream = millrace.stream<number>('s')
    await backend.createGroup('s', 'g')
    await stream.addMany(upTo(200))
    await backend.readGroup({ group: 'g', consumer: 'dead' }, new Map([['s', '>' as const]]), { count: 200 })
    const handled: number[] = []
    // A lease that does not end while they work, but has ended for the dead one: it is a second older.
    const oldest = async (): Promise<number> => (await backend.pending('s', 'g', { count: 1 }))[0]?.idleMs ?? 0
    await waitFor(async () => (await oldest()) > 1500, { what: 'the lease to end' })
    const workers = upTo(SWEEPERS).map(() =>
      stream.group('g').worker(
        async ({ value }) => {
          await new Promise((resolve) => setImmediate(resolve))
          handled.push(value)
        },
        { leaseMs: 1500, sweepMs: 20, blockMs: 500 },
      ),
    )
    for (const worker of workers) atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(async () => (await backend.pending('s', 'g', { count: 1 })).length === 0, { what: 'all of it' })
    expect(handled.toSorted((a, b) => a - b)).toEqual(upTo(200))
    expect(workers.reduce((sum, worker) => sum + worker.counts.takenOver, 0)).toBe(200)
  })
})
