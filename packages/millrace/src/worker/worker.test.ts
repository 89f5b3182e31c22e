/** Workers on the embedded engine and on a redis-server: the same sentences for both. */

import { type Proxy, type RedisServer, startProxy, startRedis, waitFor } from '@millrace/testing'
import { afterEach, describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import { connect } from '../connect.ts'
import type { Millrace } from '../millrace.ts'
import type { Stream } from '../stream.ts'
import type { Handler } from './runner.ts'
import type { Worker } from './worker.ts'
import type { WorkerEvent } from './worker-event.ts'
import type { WorkerOptions } from './worker-options.ts'

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function open(url?: string): Promise<Millrace> {
  const millrace = await connect(url, { unavailableMs: 500 })
  ends.push(() => millrace.close())
  return millrace
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis()
  ends.push(() => server.stop())
  return server
}

async function lineTo(server: RedisServer): Promise<Proxy> {
  const proxy = await startProxy({ target: server.port })
  ends.push(() => proxy.stop())
  return proxy
}

/** A lease that is over soon and a sweep that looks often: takeovers within a fraction of a second. */
const hasty: WorkerOptions = { leaseMs: 200, sweepMs: 40, blockMs: 1000 }
/** A lease that does not end during a test. */
const patient: WorkerOptions = { leaseMs: 60_000, sweepMs: 40, blockMs: 1000 }

interface Started<T> {
  readonly worker: Worker<T>
  readonly events: WorkerEvent[]
}

function start<T>(stream: Stream<T>, handler: Handler<T>, options: WorkerOptions = patient): Started<T> {
  const events: WorkerEvent[] = []
  const worker = stream.group('g').worker(handler, { ...options, onEvent: (event) => events.push(event) })
  ends.push(() => worker.stop({ graceMs: 0 }))
  return { worker, events }
}

/** Waits until nothing is left to deliver or to acknowledge. */
async function untilDone(millrace: Millrace): Promise<void> {
  await waitFor(
    async () => {
      const group = (await millrace.backend.inspect('s'))?.groups[0]
      return group?.pending === 0 && group.lag === 0
    },
    { what: 'every entry to be acknowledged' },
  )
}

/** Delivers everything to a consumer that never does anything about it: a worker that died. */
async function deliverToDead(millrace: Millrace): Promise<void> {
  await millrace.backend.createGroup('s', 'g')
  await millrace.backend.readGroup({ group: 'g', consumer: 'dead' }, new Map([['s', '>']]))
}

/** The fields of what lies in the dead letters of `s`. */
async function deadLetters(millrace: Millrace): Promise<Record<string, string>[]> {
  const entries = await millrace.backend.range('{s}:dlq')
  return entries.map(({ fields }) => {
    const texts = fields.map((field) => Buffer.from(field).toString())
    return Object.fromEntries(texts.flatMap((text, i) => (i % 2 === 0 ? [[text, texts[i + 1]!]] : [])))
  })
}

/** A handler that does not return before it is told to, or its signal aborts. */
function heldHandler(): { handler: Handler<number>; release: () => void; signals: Map<EntryId, AbortSignal> } {
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  const signals = new Map<EntryId, AbortSignal>()
  const handler: Handler<number> = async (_entry, { id, signal }) => {
    signals.set(id, signal)
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([released, aborted])
  }
  return { handler, release, signals }
}

function workerTests(create: () => Promise<Millrace>): void {
  it('handles each entry once and acknowledges it', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    await stream.addMany([1, 2, 3])
    const { events } = start(stream, ({ value }) => void seen.push(value))
    await stream.addMany([4, 5, 6])
    await untilDone(millrace)
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
    const completed = events.map((event) => (event.type === 'completed' ? event.count : 0))
    expect(completed.reduce((sum, count) => sum + count, 0)).toBe(6)
    expect(events.filter(({ type }) => type !== 'completed')).toEqual([{ type: 'group-created' }])
  })

  it('shares the entries among the workers of a group', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    const handler: Handler<number> = ({ value }) => void seen.push(value)
    for (let i = 0; i < 3; i++) start(stream, handler)
    await stream.addMany(Array.from({ length: 500 }, (_, i) => i))
    await untilDone(millrace)
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i))
  })

  it('tells a handler its first attempt and the ID', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await stream.add(1)
    const contexts: [EntryId, number][] = []
    start(stream, (_entry, context) => void contexts.push([context.id, context.attempt]))
    await untilDone(millrace)
    expect(contexts).toEqual([[id, 1]])
  })

  it('runs at most as many handlers at once as it was told to', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    let running = 0
    let most = 0
    await stream.addMany(Array.from({ length: 40 }, (_, i) => i))
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
    }
    start(stream, handler, { ...patient, concurrency: 3 })
    await untilDone(millrace)
    expect(most).toBe(3)
  })

  it('leaves to others what it has no room for', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    await stream.addMany([1, 2, 3, 4, 5])
    start(stream, held.handler, { ...patient, concurrency: 2 })
    await waitFor(() => held.signals.size === 2, { what: 'two handlers to run' })
    const seen: number[] = []
    start(stream, ({ value }) => void seen.push(value))
    await waitFor(() => seen.length === 3, { what: 'the others to be handled elsewhere' })
    held.release()
    await untilDone(millrace)
  })

  it('retries what a handler threw at, and says so', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await stream.add(1)
    const attempts: number[] = []
    const handler: Handler<number> = (_entry, { attempt }) => {
      attempts.push(attempt)
      if (attempt < 3) throw new Error(`attempt ${attempt}`)
    }
    const { events, worker } = start(stream, handler, { ...patient, retry: { initialMs: 0 } })
    await waitFor(() => worker.counts.completed === 1, { what: 'the third attempt' })
    expect(attempts).toEqual([1, 2, 3])
    const retried = events.filter((event) => event.type === 'retried')
    expect(retried.map((event) => [event.id, event.attempt])).toEqual([
      [id, 1],
      [id, 2],
    ])
    const errors = events.filter((event) => event.type === 'error')
    expect(errors.map((event) => [event.id, String(event.error)])).toEqual([
      [id, 'Error: attempt 1'],
      [id, 'Error: attempt 2'],
    ])
  })

  it('puts what it cannot decode to the dead letters at once, and goes on with the rest', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const bad = await millrace.backend.add('s', ['json', '{"cut'])
    await stream.add(2)
    const seen: number[] = []
    const { events } = start(stream, ({ value }) => void seen.push(value))
    await waitFor(() => seen.length === 1, { what: 'the good entry' })
    await waitFor(() => events.some((event) => event.type === 'error' && event.id === bad), { what: 'the bad entry' })
    await untilDone(millrace)
    const [letter] = await deadLetters(millrace)
    expect(letter).toMatchObject({ json: '{"cut', 'mr:id': bad, 'mr:reason': 'undecodable', 'mr:attempts': '1' })
  })

  it('takes over what a dead worker left', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([1, 2, 3])
    await deliverToDead(millrace)
    const attempts: number[] = []
    start(stream, (_entry, { attempt }) => void attempts.push(attempt), hasty)
    await untilDone(millrace)
    expect(attempts).toEqual([2, 2, 2])
  })

  it('takes over more than it has room for, one after another', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany(Array.from({ length: 50 }, (_, i) => i))
    await deliverToDead(millrace)
    const seen = new Set<number>()
    start(stream, ({ value }) => void seen.add(value), { ...hasty, concurrency: 4 })
    await untilDone(millrace)
    expect(seen.size).toBe(50)
  })

  it('keeps the lease of a handler that takes longer than one', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    const id = await stream.add(1)
    const { worker } = start(stream, held.handler, hasty)
    const taken: number[] = []
    start(stream, ({ value }) => void taken.push(value), hasty)
    await waitFor(() => held.signals.size + taken.length === 1, { what: 'the handler to run' })
    const began = performance.now()
    await waitFor(() => performance.now() - began > 3 * hasty.leaseMs!, { what: 'three leases to pass' })
    if (held.signals.has(id)) {
      expect(taken).toEqual([])
      const [pending] = await millrace.backend.pending('s', 'g')
      expect(pending).toMatchObject({ consumer: worker.consumer, deliveries: 1 })
    }
    held.release()
    await untilDone(millrace)
  })

  it('aborts a handler whose lease was lost, and drops its result', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    const id = await stream.add(1)
    const { events } = start(stream, held.handler, { ...hasty, sweepMs: 60_000 })
    await waitFor(() => held.signals.size === 1, { what: 'the handler to run' })
    await millrace.backend.claim('s', 'g', 'thief', { minIdleMs: 0, ids: [id] })
    await waitFor(() => held.signals.get(id)?.aborted, { what: 'the signal to abort' })
    await waitFor(() => events.some((event) => event.type === 'lost' && event.id === id), { what: 'the event' })
    expect((await millrace.backend.pending('s', 'g')).map(({ consumer }) => consumer)).toEqual(['thief'])
  })

  it('says that an entry was deleted before it was acknowledged', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    const id = await stream.add(1)
    const { events } = start(stream, held.handler, hasty)
    await waitFor(() => held.signals.size === 1, { what: 'the handler to run' })
    await millrace.backend.delete('s', [id])
    await waitFor(() => events.some((event) => event.type === 'deleted' && event.ids[0] === id), { what: 'the event' })
    expect(held.signals.get(id)?.aborted).toBe(false)
    held.release()
    await waitFor(async () => (await millrace.backend.pending('s', 'g')).length === 0, {
      what: 'nothing to be pending',
    })
    expect(events.filter((event) => event.type === 'lost')).toEqual([])
  })

  it('lets its handlers finish when it stops, acknowledges, and leaves no consumer behind', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    await stream.add(1)
    const { worker } = start(stream, held.handler)
    await waitFor(() => held.signals.size === 1, { what: 'the handler to run' })
    const stopping = worker.stop()
    held.release()
    await stopping
    const group = (await millrace.backend.inspect('s'))?.groups[0]
    expect(group).toMatchObject({ pending: 0, consumers: [] })
  })

  it('hands back what is unfinished when its grace is over, so that others take it at once', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    await stream.addMany([1, 2, 3])
    const { worker } = start(stream, held.handler)
    await waitFor(() => held.signals.size === 3, { what: 'the handlers to run' })
    await worker.stop({ graceMs: 20 })
    expect([...held.signals.values()].every((signal) => signal.aborted)).toBe(true)
    const seen: number[] = []
    start(stream, ({ value }) => void seen.push(value))
    await untilDone(millrace)
    expect(seen.toSorted()).toEqual([1, 2, 3])
  })

  it('makes the group again when somebody has destroyed it', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    const { events } = start(stream, ({ value }) => void seen.push(value))
    await stream.add(1)
    await untilDone(millrace)
    await millrace.backend.destroyGroup('s', 'g')
    await stream.add(2)
    await waitFor(() => seen.includes(2), { what: 'the entry after the group was destroyed' })
    expect(events.filter((event) => event.type === 'group-created')).toHaveLength(2)
  })

  it('begins a new group where it was told to', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    const seen: number[] = []
    const { events } = start(stream, ({ value }) => void seen.push(value), { ...patient, from: '$' })
    await waitFor(() => events.length === 1, { what: 'the group' })
    await stream.add(2)
    await waitFor(() => seen.length === 1, { what: 'the new entry' })
    expect(seen).toEqual([2])
  })

  it('stops by itself when its backend is closed, and says so', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = heldHandler()
    const id = await stream.add(1)
    const { worker, events } = start(stream, held.handler)
    await waitFor(() => held.signals.size === 1, { what: 'the handler to run' })
    await millrace.close()
    await waitFor(() => held.signals.get(id)?.aborted, { what: 'the handler to be aborted' })
    await worker.stop()
    expect(events.some((event) => event.type === 'error' && /closed/.test(String(event.error)))).toBe(true)
  })

  it('is not disturbed by a listener that throws', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    const onEvent = (): never => {
      throw new Error('listener')
    }
    const worker = stream.group('g').worker(({ value }) => void seen.push(value), { ...patient, onEvent })
    ends.push(() => worker.stop())
    await stream.add(1)
    await untilDone(millrace)
    expect(seen).toEqual([1])
  })

  it('refuses bad options', async () => {
    const group = (await create()).stream('s').group('g')
    expect(() => group.worker(() => undefined, { concurrency: 0 })).toThrow('concurrency')
    expect(() => group.worker(() => undefined, { leaseMs: -1 })).toThrow('leaseMs')
    expect(() => group.worker(() => undefined, { blockMs: 0 })).toThrow('blockMs')
    expect(() => group.worker(() => undefined, { consumer: '' })).toThrow('consumer')
  })
}

describe('a worker on the embedded engine', () => {
  workerTests(() => open())

  it('refuses times that no timer can count', async () => {
    const stream = (await open()).stream<number>('s')
    for (const option of ['leaseMs', 'sweepMs', 'blockMs']) {
      const starting = (): unknown => start(stream, () => undefined, { [option]: 2 ** 31 })
      expect(starting).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
    }
    const { worker } = start(stream, () => undefined)
    await expect(worker.stop({ graceMs: Infinity })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })
})

describe('a worker on a redis-server', () => {
  workerTests(async () => await open((await redis()).url))

  it('takes over from a process that vanished, whose own side then gives its entries up', async () => {
    const server = await redis()
    const proxy = await lineTo(server)
    const [here, there] = [await open(server.url), await open(proxy.url)]
    const held = heldHandler()
    const id = await here.stream<number>('s').add(1)
    const { events } = start(there.stream<number>('s'), held.handler, hasty)
    await waitFor(() => held.signals.size === 1, { what: 'the handler to run' })
    proxy.stall()
    const attempts: number[] = []
    start(here.stream<number>('s'), (_entry, { attempt }) => void attempts.push(attempt), hasty)
    await untilDone(here)
    expect(attempts).toEqual([2])
    // Its renewal still waits for a reply on the dead line.
    await waitFor(() => held.signals.get(id)?.aborted, { what: 'the vanished side to give up' })
    expect(events.filter((event) => event.type === 'lost')).toHaveLength(1)
  })

  it('handles everything at least once over a line that keeps breaking, and acknowledges it', async () => {
    const server = await redis()
    const proxy = await lineTo(server)
    const [here, there] = [await open(server.url), await open(proxy.url)]
    const seen = new Set<number>()
    start(there.stream<number>('s'), ({ value }) => void seen.add(value), { ...hasty, concurrency: 4 })
    const stream = here.stream<number>('s')
    for (let i = 0; i < 200; i++) {
      await stream.add(i)
      if (i % 40 === 20) {
        proxy.cut()
        proxy.restore()
      }
    }
    await untilDone(here)
    expect(seen.size).toBe(200)
  })

  it('begins when the server can be reached', async () => {
    const server = await redis()
    const proxy = await lineTo(server)
    const millrace = await open(proxy.url)
    proxy.cut()
    const seen: number[] = []
    start(millrace.stream<number>('s'), ({ value }) => void seen.push(value))
    const here = await open(server.url)
    await here.stream<number>('s').add(1)
    proxy.restore()
    await waitFor(() => seen.length === 1, { what: 'the entry' })
  })
})
