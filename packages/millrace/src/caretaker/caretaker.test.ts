/** What is due is moved, once, not early and hardly late; consumers that are gone are removed, others never. */

import { type RedisServer, startRedis, waitFor } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Backend, EntryId } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import { nodeClock } from '../clock.ts'
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { RedisBackend } from '../redis/redis-backend.ts'
import { SharedCaretakers } from './caretakers.ts'
import { type Due, DueIndex } from './due-index.ts'
import { Promoter } from './promoter.ts'
import { reap } from './reaper.ts'

let server: RedisServer

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ['embedded', async () => new EmbeddedBackend()],
  ['redis', async () => await RedisBackend.connect([server.url])],
]

let names = 0

describe.each(backends)('a caretaker on %s', (_, create) => {
  let backend: Backend
  let stream: string
  const ends: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    backend = await create()
    stream = `orders-${++names}`
    ends.push(async () => await backend.close())
  })
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  function tend(): { errors: unknown[]; close: () => Promise<void> } {
    const errors: unknown[] = []
    const tell = (event: CareEvent): void => {
      if (event.type === 'care-failed') errors.push(event.error)
    }
    const caretakers = new SharedCaretakers(backend, nodeClock, { lookMs: 20 }, tell)
    caretakers.tend(stream)
    const close = async (): Promise<void> => await caretakers.close()
    ends.push(close)
    return { errors, close }
  }

  const later = async (n: number, fields: readonly string[]): Promise<EntryId> =>
    (await backend.add(`{${stream}}:delayed`, ['n', String(n), ...fields]))!

  const arrived = async (where = stream): Promise<string[][]> =>
    (await backend.range(where)).map((entry) => entry.fields.map((field) => Buffer.from(field).toString()))

  it('moves entries when they are due, in the order of their times, to where they say', async () => {
    tend()
    const first = await later(1, ['mr:delay', '250', 'mr:h:trace', 'x'])
    await later(2, ['mr:delay', '60000'])
    await later(3, ['mr:delay', '20'])
    await later(4, ['mr:at', '1000', 'mr:to', `{${stream}}:retry:g`])
    await waitFor(async () => (await arrived()).length === 2, { what: 'two entries to arrive' })
    expect(await arrived()).toEqual([
      ['n', '3'],
      ['n', '1', 'mr:h:trace', 'x'],
    ])
    expect(await arrived(`{${stream}}:retry:g`)).toEqual([['n', '4']])
    const moved = (await backend.range(stream))[1]!
    const lateMs = Number(moved.id.split('-')[0]) - Number(first.split('-')[0]) - 250
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect((await backend.inspect(`{${stream}}:delayed`))?.length).toBe(1)
  })

  it('moves each entry once, however many look after the stream and come and go', async () => {
    const some = [tend(), tend(), tend()]
    for (let n = 0; n < 60; n++) await later(n, ['mr:delay', String((n % 7) * 20)])
    await waitFor(async () => (await arrived()).length > 5, { what: 'some to arrive' })
    await some[0]!.close()
    await waitFor(async () => (await arrived()).length >= 60, { what: 'all to arrive' })
    const all = (await arrived()).map(([, n]) => Number(n))
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_unused, n) => n))
  })

  it('does not move what was cancelled', async () => {
    tend()
    const cancelled = await later(1, ['mr:delay', '100'])
    await later(2, ['mr:delay', '150'])
    expect(await backend.delete(`{${stream}}:delayed`, [cancelled])).toBe(1)
    await waitFor(async () => (await arrived()).length === 1, { what: 'the other to arrive' })
    expect(await arrived()).toEqual([['n', '2']])
  })

  it('goes on with what was waiting when it begins', async () => {
    for (let n = 0; n < 5; n++) await later(n, ['mr:delay', '1'])
    tend()
    await waitFor(async () => (await arrived()).length === 5, { what: 'all to arrive' })
  })

  it('tells what cannot be moved, and moves the others', async () => {
    const { errors } = tend()
    await backend.step({ do: [{ kind: 'set', key: `{${stream}}:text`, value: 'x' }] })
    await later(1, ['mr:delay', '1', 'mr:to', `{${stream}}:text`])
    await later(2, ['mr:delay', '1'])
    await waitFor(async () => (await arrived()).length === 1 && errors.length > 0, { what: 'the other to arrive' })
    expect(errors[0]).toMatchObject({ code: 'WRONG_TYPE' })
    expect((await backend.inspect(`{${stream}}:delayed`))?.length).toBe(1)
  })

  it('removes consumers that are silent and own nothing, and no others', async () => {
    await backend.createGroup(stream, 'g')
    await backend.createGroup(`{${stream}}:retry:g`, 'g')
    const read = async (consumer: string, of = stream): Promise<EntryId> => {
      await backend.add(of, ['n', '1'])
      const found = await backend.readGroup({ group: 'g', consumer }, new Map([[of, '>']]))
      return found.get(of)![0]!.id
    }
    await backend.settle(stream, 'g', 'gone', [await read('gone')])
    await backend.settle(`{${stream}}:retry:g`, 'g', 'gone', [await read('gone', `{${stream}}:retry:g`)])
    await read('busy')
    const removed: string[] = []
    const tell = (event: CareEvent): void => {
      if (event.type === 'consumer-reaped') removed.push(`${event.stream} ${event.consumer}`)
    }
    await reap(backend, stream, 60_000, tell)
    expect(removed).toEqual([])
    await reap(backend, stream, -1, tell)
    expect(removed.toSorted()).toEqual([`${stream} gone`, `{${stream}}:retry:g gone`].toSorted())
    expect((await backend.inspect(stream))?.groups[0]?.consumers.map(({ name }) => name)).toEqual(['busy'])
    await reap(backend, `${stream}-missing`, 0, tell)
  })

  it('reads again what its index had no room for', async () => {
    const promoter = new Promoter(backend, stream, (error) => expect.unreachable(String(error)), 8)
    for (let n = 0; n < 50; n++) await later(n, ['mr:at', String(1000 + ((n * 37) % 50))])
    for (let now = 1000; now <= 1050; now++) {
      await promoter.run(now)
      const due = (await arrived()).map(([, n]) => (Number(n) * 37) % 50)
      expect(due.toSorted((a, b) => a - b)).toEqual(Array.from({ length: Math.min(50, now - 999) }, (_unused, i) => i))
    }
  })
})

describe('an index of what is due', () => {
  const due = (dueMs: number): Due => ({ id: `${dueMs}-0` as EntryId, dueMs })

  it('gives the first first, and keeps the earlier ones when it is full', () => {
    const index = new DueIndex(10)
    for (let n = 0; n < 100; n++) index.add(due((n * 53) % 100))
    const taken: number[] = []
    const horizonMs = index.horizonMs
    for (let next = index.take(Infinity); next !== undefined; next = index.take(Infinity)) taken.push(next.dueMs)
    expect(taken).toEqual(taken.toSorted((a, b) => a - b))
    // All of those before the horizon, each once.
    expect(taken).toEqual(Array.from({ length: taken.length }, (_unused, i) => i))
    expect(taken.length).toBe(horizonMs)
    expect(taken.length).toBeLessThanOrEqual(10)
  })

  it('keeps many of what is due at one moment, more of them than it holds', () => {
    const index = new DueIndex(10)
    for (let n = 0; n < 30; n++) index.add(due(5))
    expect(index.size).toBeGreaterThanOrEqual(5)
    expect(index.size).toBeLessThanOrEqual(10)
    expect(index.earliestMs).toBe(5)
    expect(index.horizonMs).toBe(6)
  })
})
