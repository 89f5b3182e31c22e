/** What workers do about what others left, and about groups and streams that are gone. */

import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import type { Millrace } from '../millrace.ts'
import {
  deliverToDead,
  embedded,
  fieldsOf,
  hasty,
  losingReply,
  patient,
  redisServer,
  start,
  untilDone,
} from './testing/worker-rig.ts'

function takeoverTests(create: () => Promise<Millrace>): void {
  it('runs one suspect at a time, and claims it only then', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany([1, 2, 3, 4, 5])
    await deliverToDead(millrace, 2)
    let running = 0
    let most = 0
    let claimed = 0
    const { worker } = start(
      stream,
      async () => {
        most = Math.max(most, ++running)
        const rows = await millrace.backend.pending('s', 'g')
        claimed = Math.max(claimed, rows.filter((row) => row.consumer === worker.consumer).length)
        running--
      },
      { ...hasty, concurrency: 4 },
    )
    await waitFor(() => worker.counts.completed === 5, { what: 'all suspects' })
    expect(most).toBe(1)
    expect(claimed).toBeLessThanOrEqual(2)
  })

  it('puts what killed its workers to the dead letters without running it', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    await deliverToDead(millrace, 5)
    const seen: number[] = []
    const { worker } = start(stream, ({ value }) => void seen.push(value), hasty)
    await waitFor(() => worker.counts.deadLettered === 1, { what: 'the dead letter' })
    expect(seen).toEqual([])
    expect(await fieldsOf(millrace, '{s}:dlq')).toMatchObject([
      { 'mr:reason': 'worker-died', 'mr:consumer': 'dead-5', json: '1' },
    ])
    expect(await millrace.backend.pending('s', 'g')).toEqual([])
  })

  it('has one winner when many sweep', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.addMany(Array.from({ length: 40 }, (_, i) => i))
    await deliverToDead(millrace)
    const seen: number[] = []
    for (let i = 0; i < 5; i++) start(stream, ({ value }) => void seen.push(value), { ...hasty, leaseMs: 1000 })
    await untilDone(millrace)
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })

  it('says what was deleted before it was done', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const id = await stream.add(1)
    await stream.add(2)
    await deliverToDead(millrace)
    await millrace.backend.delete('s', [id])
    const { events } = start(stream, () => undefined, hasty)
    await untilDone(millrace)
    expect(events.filter(({ type }) => type === 'deleted')).toEqual([{ type: 'deleted', ids: [id] }])
  })

  it('takes at once what a lost reply held', async () => {
    const millrace = await create()
    await millrace.stream<number>('s').addMany([1, 2, 3])
    const seen: [number, number][] = []
    const lossy = losingReply(millrace.backend, 'readGroup').stream<number>('s')
    start(lossy, ({ value }, { attempt }) => void seen.push([value, attempt]), patient)
    await waitFor(() => seen.length === 3, { what: 'all that the lost reply held' })
    expect(seen).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  })
}

function lossTests(create: () => Promise<Millrace>): void {
  it('goes on at the last known place when its group is destroyed, and says so', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    const { events, worker } = start(stream, ({ value }) => void seen.push(value))
    const ids = await stream.addMany([1, 2, 3])
    await waitFor(() => worker.counts.completed === 3, { what: 'the first three' })
    await millrace.backend.destroyGroup('s', 'g')
    await stream.addMany([4, 5])
    await waitFor(() => seen.length >= 5, { what: 'the entries after it' })
    expect(seen).toEqual([1, 2, 3, 4, 5])
    expect(events.find(({ type }) => type === 'data-loss-suspected')).toMatchObject({
      stream: 's',
      reason: 'group-missing',
      lastKnownId: ids[2],
      resumedAfter: ids[2],
    })
  })

  it('begins a stream that was deleted anew, and says so', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const seen: number[] = []
    const { events, worker } = start(stream, ({ value }) => void seen.push(value))
    await stream.add(1)
    await waitFor(() => worker.counts.completed === 1, { what: 'the first' })
    await millrace.backend.expire('s', 0)
    await millrace.backend.add('s', ['json', '2'], { id: '5-0' })
    await waitFor(() => seen.length === 2, { what: 'the entry after it' })
    const told = events.filter((event) => event.type === 'data-loss-suspected')
    expect(told).toHaveLength(1)
    expect(['stream-missing', 'stream-went-back']).toContain(told[0]?.reason)
    expect(told[0]?.resumedAfter).toBe('0-0')
  })

  it('says that a stream went back, whoever has made its group again', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    const { events, worker } = start(stream, () => undefined)
    const last = await stream.add(1)
    await waitFor(() => worker.counts.completed === 1, { what: 'the first' })
    await worker.pause()
    await millrace.backend.expire('s', 0)
    await millrace.backend.add('s', ['json', '2'], { id: '5-0' })
    await millrace.backend.createGroup('s', 'g', { from: '0-0' as EntryId })
    worker.resume()
    await waitFor(() => worker.counts.completed === 2, { what: 'the entry of the new stream' })
    const told = await waitFor(() => events.find((event) => event.type === 'data-loss-suspected'), {
      what: 'the event',
    })
    expect(told).toMatchObject({ reason: 'stream-went-back', lastKnownId: last, streamLastId: '5-0' })
  })

  it('lets handlers finish whose group is gone', async () => {
    const millrace = await create()
    const stream = millrace.stream<number>('s')
    await stream.add(1)
    let finish = (): void => undefined
    const held = new Promise<void>((resolve) => (finish = resolve))
    const { worker, events } = start(stream, async () => await held, hasty)
    await waitFor(() => worker.counts.running === 1, { what: 'the handler to run' })
    await millrace.backend.destroyGroup('s', 'g')
    await waitFor(() => events.some(({ type }) => type === 'data-loss-suspected'), { what: 'the event' })
    finish()
    await waitFor(() => worker.counts.completed === 1, { what: 'the handler to be done' })
    expect(worker.counts.lost).toBe(0)
  })
}

describe.each([
  ['the embedded engine', embedded],
  ['a redis-server', redisServer],
])('recovery on %s', (_name, create) => {
  takeoverTests(create)
  lossTests(create)
})
