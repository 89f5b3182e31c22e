/** What a handler's outcome does to its entry, on the embedded engine and on a redis-server. */

import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import type { Millrace } from '../millrace.ts'
import { ackWith, fail, retryAfter, schedule } from './outcome.ts'
import type { Handler } from './runner.ts'
import {
  embedded,
  fieldsOf,
  gate,
  hasty,
  losingReply,
  patient,
  redisCluster,
  redisServer,
  start,
  startBatches,
  untilDone,
} from './testing/worker-rig.ts'

const soon = { ...patient, retry: { initialMs: 0, maxAttempts: 3 } }

function retryTests(create: () => Promise<Millrace>): void {
  it('tries again after the time that the handler asked for, with the same ID', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await stream.add(1)
    const seen: [EntryId, number][] = []
    const { events } = start(stream, (entry, { attempt }) => {
      seen.push([entry.id, attempt])
      return attempt === 1 ? retryAfter(30) : undefined
    })
    await waitFor(() => seen.length === 2, { what: 'the second attempt' })
    await untilDone(millrace)
    expect(seen).toEqual([
      [id, 1],
      [id, 2],
    ])
    expect(events.find(({ type }) => type === 'retried')).toMatchObject({ id, attempt: 1, waitMs: 30 })
    await waitFor(async () => (await millrace.backend.range('{s}:retry:g')).length === 0, {
      what: 'the finished copy to go',
    })
  })

  it('gives an entry up after its attempts, with all that is known', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await millrace.backend.add('s', ['json', '7', 'mr:key', 'order-7', 'mr:h:trace', 'abc'])
    const { worker } = start(
      stream,
      () => {
        throw new TypeError('no tea')
      },
      soon,
    )
    await waitFor(() => worker.counts.deadLettered === 1, { what: 'the dead letter' })
    await untilDone(millrace)
    const [letter] = await fieldsOf(millrace, '{s}:dlq')
    expect(letter).toMatchObject({ json: '7', 'mr:id': id, 'mr:reason': 'failed', 'mr:attempts': '3', 'mr:group': 'g' })
    expect(letter).toMatchObject({ 'mr:key': 'order-7', 'mr:h:trace': 'abc', 'mr:stream': 's' })
    expect(letter).toMatchObject({ 'mr:error': 'TypeError: no tea', 'mr:consumer': worker.consumer })
    expect(letter?.['mr:stack']).toContain('outcomes.test.ts')
    expect(worker.counts).toMatchObject({ failed: 3, retried: 2, completed: 0 })
  })

  it('does not try again what the handler or isFatal calls fatal', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([1, 2])
    const handler: Handler<number> = ({ value }) => {
      if (value === 1) return fail('no such tea')
      throw new RangeError('far off')
    }
    const isFatal = (error: unknown): boolean => error instanceof RangeError
    const { worker } = start(stream, handler, { ...patient, retry: { isFatal } })
    await waitFor(() => worker.counts.deadLettered === 2, { what: 'two dead letters' })
    const letters = await fieldsOf(millrace, '{s}:dlq')
    expect(letters.map((letter) => letter['mr:reason'])).toEqual(['fatal', 'fatal'])
    expect(letters[0]?.['mr:error']).toContain('no such tea')
  })

  it('counts an attempt that waits in the worker, and keeps the entry where it is', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    const attempts: number[] = []
    const handler: Handler<number> = (_entry, { attempt }) => {
      attempts.push(attempt)
      if (attempt < 3) throw new Error('not yet')
    }
    const { worker } = start(stream, handler, { ...patient, retry: { initialMs: 20, wait: 'worker' } })
    await waitFor(() => worker.counts.completed === 1, { what: 'the third attempt' })
    expect(attempts).toEqual([1, 2, 3])
    expect(await millrace.backend.range('{s}:delayed')).toEqual([])
  })

  it('copies an entry once when the reply to the copy is lost', async () => {
    const millrace = await create()
    await millrace.stream<number>('s').add(1)
    const lossy = losingReply(millrace.backend, 'step')
    const { worker } = start(lossy.stream<number>('s'), () => fail('no'), patient)
    await waitFor(() => worker.counts.deadLettered === 1, { what: 'the dead letter' })
    expect(await fieldsOf(millrace, '{s}:dlq')).toHaveLength(1)
    expect(worker.counts.lost).toBe(0)
  })
}

function effectTests(create: () => Promise<Millrace>): void {
  it('acknowledges and acts in one step', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    const { worker } = start(stream, () =>
      ackWith([
        { kind: 'append', stream: '{s}:out', fields: ['made', 'tea'] },
        { kind: 'increment', key: '{s}:cups' },
        schedule('s', ['json', '2'], { delayMs: 3_600_000 }),
      ]),
    )
    await waitFor(() => worker.counts.completed === 1, { what: 'the effects' })
    expect(await fieldsOf(millrace, '{s}:out')).toEqual([{ made: 'tea' }])
    expect(await fieldsOf(millrace, '{s}:delayed')).toEqual([{ json: '2', 'mr:delay': '3600000', 'mr:to': 's' }])
    expect((await millrace.backend.step({ do: [{ kind: 'increment', key: '{s}:cups' }] })) as object).toMatchObject({
      results: [2],
    })
    expect(await millrace.backend.pending('s', 'g')).toEqual([])
  })

  it('does nothing of it for who has lost the entry, and refuses a fence', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await stream.add(1)
    const stolen = gate()
    const fences: unknown[] = []
    const { worker } = start(stream, async (_entry, { lease }) => {
      fences.push(await lease.fence(), lease.expiresInMs() > 0)
      await millrace.backend.claim('s', 'g', 'thief', { minIdleMs: 0, ids: [id] })
      const refused = await lease.fence().catch((error: unknown) => error)
      fences.push(refused, lease.expiresInMs())
      stolen.open()
      return ackWith([{ kind: 'increment', key: '{s}:cups' }])
    })
    await stolen.opened
    await waitFor(() => worker.counts.lost === 1, { what: 'the loss' })
    expect(fences).toEqual([1, true, expect.objectContaining({ code: 'LEASE_LOST' }), 0])
    expect(await millrace.backend.step({ do: [{ kind: 'get', key: '{s}:cups' }] })).toMatchObject({
      results: [undefined],
    })
    expect((await millrace.backend.pending('s', 'g')).map(({ consumer }) => consumer)).toEqual(['thief'])
  })

  it('counts effects that cannot be as a failure', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    const impossible = ackWith([{ kind: 'increment', key: 's' }])
    const { worker } = start(stream, () => impossible, { ...patient, retry: { maxAttempts: 1 } })
    await waitFor(() => worker.counts.deadLettered === 1, { what: 'the dead letter' })
    expect(await fieldsOf(millrace, '{s}:dlq')).toMatchObject([{ 'mr:reason': 'failed' }])
  })
}

function batchTests(create: () => Promise<Millrace>): void {
  it('handles batches, and each entry has its own outcome', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([0, 1, 2, 3])
    const sizes: number[] = []
    const { worker } = startBatches(
      stream,
      async (entries) => {
        sizes.push(entries.length)
        await Promise.resolve()
        return entries.map(({ value }) => (value === 1 ? fail('one') : value === 2 ? new Error('two') : undefined))
      },
      { size: 4, waitMs: 20, retry: { maxAttempts: 1 } },
    )
    await waitFor(() => worker.counts.deadLettered === 2 && worker.counts.completed === 2, { what: 'all outcomes' })
    const letters = await fieldsOf(millrace, '{s}:dlq')
    expect(letters.map((letter) => [letter['json'], letter['mr:reason']]).toSorted()).toEqual([
      ['1', 'fatal'],
      ['2', 'failed'],
    ])
    expect(Math.max(...sizes)).toBe(4)
  })

  it('takes outcomes by ID, and lets a throw or a wrong list count for all', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([0, 1])
    let calls = 0
    const { worker } = startBatches(
      stream,
      (entries) => {
        calls++
        if (calls === 1) throw new Error('all of it')
        if (calls === 2) return []
        return new Map([[entries[0]!.id, fail('by ID')]])
      },
      { size: 2, waitMs: 5000, retry: { initialMs: 0 } },
    )
    await waitFor(() => worker.counts.deadLettered === 1 && worker.counts.completed === 1, { what: 'the third batch' })
    expect(worker.counts).toMatchObject({ failed: 4, retried: 4 })
  })
}

function lifeTests(create: () => Promise<Millrace>): void {
  it('begins no more than its rate allows', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany(Array.from({ length: 30 }, (_, i) => i))
    const one = start(stream, () => undefined, { ...patient, rateLimit: { max: 5, perMs: 60_000 } })
    await waitFor(() => one.worker.counts.completed === 5, { what: 'the first five' })
    await one.worker.stop()
    expect(one.worker.counts.completed).toBe(5)
    const rateLimit = { max: 10, perMs: 60_000, scope: 'group' } as const
    const all = [1, 2, 3].map(() => start(stream, () => undefined, { ...patient, rateLimit }).worker)
    const sum = (): number => all.reduce((total, { counts }) => total + counts.completed, 0)
    await waitFor(() => sum() === 10, { what: 'ten of the group' })
    await Promise.all(all.map((worker) => worker.stop()))
    expect(sum()).toBe(10)
  })

  it('hands back what it has not begun when it pauses, and goes on when it is told to', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const held = gate()
    const attempts: number[] = []
    const { worker } = start(stream, () => held.opened, {
      ...patient,
      concurrency: 1,
      rateLimit: { max: 1, perMs: 50 },
    })
    await stream.addMany([1])
    await waitFor(() => worker.counts.running === 1, { what: 'the first to run' })
    await worker.pause()
    await stream.addMany([2, 3])
    const other = start(stream, (_entry, { attempt }) => void attempts.push(attempt))
    await waitFor(() => attempts.length === 2, { what: 'the other worker to take the rest' })
    await other.worker.stop()
    held.open()
    await waitFor(() => worker.counts.completed === 1, { what: 'the first to finish' })
    await stream.add(4)
    worker.resume()
    await waitFor(() => worker.counts.completed === 2, { what: 'the paused worker to go on' })
    expect(attempts).toEqual([1, 1])
  })

  it('hands back as if it had never been delivered', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([1, 2, 3])
    const { worker, events } = start(stream, ({ value }, { signal }) =>
      value === 0
        ? undefined
        : new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    )
    await waitFor(() => worker.counts.running === 3, { what: 'the handlers to run' })
    await worker.stop({ graceMs: 10 })
    expect(events.filter(({ type }) => type === 'lost')).toEqual([])
    const attempts: number[] = []
    start(stream, (_entry, { attempt }) => void attempts.push(attempt), { ...patient, sweepMs: 20 })
    await untilDone(millrace)
    expect(attempts).toEqual([1, 1, 1])
  })

  it('acknowledges again after a lost reply, and loses nothing', async () => {
    const millrace = await create()
    await millrace.stream<number>('s').addMany([1, 2, 3])
    const { worker } = start(losingReply(millrace.backend, 'settle').stream<number>('s'), () => undefined, hasty)
    await waitFor(() => worker.counts.completed === 3, { what: 'the acknowledgements' })
    expect(worker.counts.lost).toBe(0)
  })
}

describe.each([
  ['the embedded engine', embedded],
  ['a redis-server', redisServer],
])('outcomes on %s', (_name, create) => {
  retryTests(create)
  effectTests(create)
  batchTests(create)
  lifeTests(create)
})

it('retries and gives up on a Cluster, where all of it is in one slot', async () => {
  const millrace = await redisCluster()
  const stream = millrace.stream<number>('s')
  await stream.addMany([1, 2, 3])
  const handler: Handler<number> = ({ value }, { attempt }) => {
    if (value === 2) throw new Error('two')
    return value === 3 && attempt === 1 ? retryAfter(20) : undefined
  }
  const { worker } = start(stream, handler, soon)
  await waitFor(() => worker.counts.completed === 2 && worker.counts.deadLettered === 1, { what: 'all outcomes' })
  await untilDone(millrace)
  expect(await fieldsOf(millrace, '{s}:dlq')).toMatchObject([{ json: '2', 'mr:attempts': '3' }])
}, 60_000)

it('refuses outcomes and options that cannot be', async () => {
  expect(() => retryAfter(-1)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
  expect(() => ackWith('no' as never)).toThrow('list')
  expect(() => ackWith([{ kind: 'time' } as never])).toThrow("'time'")
  const group = (await embedded()).stream('s').group('g')
  const options = [
    { retry: { maxAttempts: 0 } },
    { retry: { factor: 0.5 } },
    { retry: { wait: 'no' as never } },
    { rateLimit: { max: 0, perMs: 1 } },
    { rateLimit: { max: 1, perMs: 1, scope: 'no' as never } },
  ]
  for (const option of options) {
    expect(() => group.worker(() => undefined, option)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
  }
  expect(() => group.batchWorker(() => undefined, { size: 0 })).toThrow('size')
})
