/** Typed entries: schemas, keys, headers, sizes, delays, dead letters and what a stream keeps, on the engine and on a server. */

import { waitFor } from '@millrace/testing'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import type { Backend, EntryId } from './backend.ts'
import type { CareEvent } from './care-event.ts'
import { bytes } from './codec.ts'
import { EmbeddedBackend } from './embedded/embedded-backend.ts'
import { StreamError } from './errors.ts'
import { Millrace } from './millrace.ts'
import { embedded, redisServer, start } from './worker/testing/worker-rig.ts'
import { fail } from './worker/outcome.ts'

const places = [
  ['embedded', embedded],
  ['redis', redisServer],
] as const

describe.each([
  ['zod', z.object({ item: z.string(), lines: z.array(z.object({ price: z.number() })) })],
  ['valibot', v.object({ item: v.string(), lines: v.array(v.object({ price: v.number() })) })],
  ['arktype', type({ item: 'string', lines: type({ price: 'number' }).array() })],
])('a schema of %s', (_, schema) => {
  it('refuses what does not fit, by the path of the fault, and adds nothing', async () => {
    const orders = (await embedded()).stream('orders', { schema })
    await orders.add({ item: 'tea', lines: [{ price: 3 }] })
    const wrong = { item: 'tea', lines: [{ price: 3 }, { price: 'x' as unknown as number }] }
    await expect(orders.add(wrong)).rejects.toMatchObject({
      code: 'INVALID_ENTRY',
      message: expect.stringMatching(/lines\[1\]\.price/) as string,
    })
    await expect(orders.addMany([{ item: 'milk', lines: [] }, wrong])).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
    const found = await orders.range()
    expect(found.map(({ value }) => value)).toEqual([{ item: 'tea', lines: [{ price: 3 }] }])
    expectTypeOf(found[0]!.value.lines[0]!.price).toBeNumber()
  })
})

describe('a schema that transforms', () => {
  it('types and gives what goes in and what comes out', async () => {
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) })
    const events = (await embedded()).stream('events', { schema })
    expectTypeOf(events.add).parameter(0).toEqualTypeOf<{ at: string }>()
    await events.add({ at: '2026-01-02T03:04:05.000Z' })
    expect((await events.range())[0]?.value.at.getTime()).toBe(Date.UTC(2026, 0, 2, 3, 4, 5))
  })

  it('may be asynchronous when adding', async () => {
    const schema = z.string().refine(async (text) => text === 'yes')
    const answers = (await embedded()).stream('answers', { schema })
    await answers.add('yes')
    await expect(answers.add('no')).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
    expect(await answers.length()).toBe(1)
  })
})

/** A backend that loses the reply to the next `count` adds, which happen all the same. */
function forgetful(backend: Backend, count: number): Backend {
  let left = count
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (name !== 'add') return value.bind(target) as unknown
      return async (...args: Parameters<Backend['add']>) => {
        const id = await target.add(...args)
        if (left-- > 0) throw new StreamError('OUTCOME_UNKNOWN', 'The reply was lost')
        return id
      }
    },
  })
}

describe('an add', () => {
  it('under a key is sent again until it is known to be there, and is there once', async () => {
    const backend = forgetful(new EmbeddedBackend(), 3)
    const orders = new Millrace(backend).stream<{ n: number }>('orders')
    const id = await orders.add({ n: 1 }, { key: 'order-1' })
    expect((await orders.range()).map((entry) => [entry.id, entry.key])).toEqual([[id, 'order-1']])
    await backend.close()
  })

  it('without a key is sent once, and says that it is not known', async () => {
    const backend = forgetful(new EmbeddedBackend(), 1)
    const orders = new Millrace(backend).stream<{ n: number }>('orders')
    await expect(orders.add({ n: 1 })).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    expect(await orders.length()).toBe(1)
    await backend.close()
  })

  it('is refused when it is too large, or when too many wait', async () => {
    const backend = new EmbeddedBackend()
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const slow = new Proxy(backend, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'add') return value.bind(target) as unknown
        return async (...args: Parameters<Backend['add']>) => {
          await held
          return await target.add(...args)
        }
      },
    })
    const mr = new Millrace(slow)
    const small = mr.stream<string>('small', { maxEntryBytes: 20 })
    await expect(small.add('x'.repeat(30))).rejects.toMatchObject({ code: 'ENTRY_TOO_LARGE' })
    await expect(small.add('é'.repeat(8))).rejects.toMatchObject({ code: 'ENTRY_TOO_LARGE' })
    const narrow = mr.stream<number>('narrow', { maxInFlight: 2, maxWaiting: 3 })
    const adds = [1, 2, 3, 4, 5].map(async (n) => await narrow.add(n))
    await expect(narrow.add(6)).rejects.toMatchObject({ code: 'OVERLOADED' })
    release()
    await Promise.all(adds)
    expect((await narrow.range()).map(({ value }) => value)).toEqual([1, 2, 3, 4, 5])
    await mr.close()
  })
})

describe.each(places)('a stream on %s', (_, open) => {
  it('keeps headers, key and ordering key beside the value, of any codec', async () => {
    const mr = await open()
    const raw = mr.stream('raw', { codec: bytes, orderingKey: (value) => `k${value.length}` })
    await raw.add(Uint8Array.of(0, 255, 13, 10), { key: 'a', headers: { traceparent: '00-1', __proto__x: 'y' } })
    const [entry] = await raw.range()
    expect(Buffer.from(entry!.value).toString('hex')).toBe('00ff0d0a')
    expect(entry).toMatchObject({ key: 'a', orderingKey: 'k4', headers: { traceparent: '00-1', __proto__x: 'y' } })
  })

  it('adds later, and not what was cancelled', async () => {
    const mr = await open()
    const orders = mr.stream<string>('orders')
    const cancelled = await orders.add('never', { delayMs: 200 })
    await orders.add('later', { delayMs: 100, headers: { a: 'b' }, key: 'k' })
    const past = await orders.add('past', { at: new Date(1000) })
    const [first] = await orders.delayed.list()
    expect(first).toMatchObject({ id: cancelled, value: 'never', isRetry: false })
    expect(first!.dueMs).toBe(Number(cancelled.split('-')[0]) + 200)
    expect(await orders.delayed.cancel(cancelled)).toBe(true)
    expect(await orders.delayed.cancel(cancelled)).toBe(false)
    await waitFor(async () => (await orders.length()) === 2, { what: 'both to arrive' })
    expect((await orders.range()).map(({ value, headers }) => [value, headers])).toEqual([
      ['past', {}],
      ['later', { a: 'b' }],
    ])
    expect(await orders.delayed.cancel(past)).toBe(false)
    for (const options of [{ delayMs: -1 }, { delayMs: 4e12 }, { at: Number.NaN }, { at: 1, delayMs: 1 }])
      await expect(orders.add('x', options)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('shows dead letters, gives them back to their group and discards them', async () => {
    const mr = await open()
    const orders = mr.stream<{ n: number }>('orders')
    let isMended = false
    const handled: number[] = []
    const { events } = start(orders, ({ value }) => {
      if (!isMended) return fail('the printer is on fire')
      handled.push(value.n)
      return undefined
    })
    const added: EntryId[] = []
    for (let n = 1; n <= 4; n++) added.push(await orders.add({ n }, { key: `k${n}`, headers: { n: String(n) } }))
    const { deadLetters } = orders
    await waitFor(async () => (await deadLetters.length()) === 4, { what: 'four dead letters' })
    const letters = await deadLetters.list()
    expect(letters.map(({ originalId }) => originalId)).toEqual(added)
    expect(letters[0]).toMatchObject({
      group: 'g',
      reason: 'fatal',
      attempts: 1,
      key: 'k1',
      headers: { n: '1' },
      error: expect.stringContaining('printer') as string,
    })
    expect(letters[0]!.value()).toEqual({ n: 1 })
    expect(await deadLetters.list({ group: 'other' })).toEqual([])
    isMended = true
    expect(await deadLetters.redrive({ filter: ({ key }) => key !== 'k3', ratePerSecond: 100 })).toEqual({
      redriven: 3,
      missing: 0,
    })
    await waitFor(async () => handled.length === 3, { what: 'three to be handled' })
    expect(handled.toSorted((a, b) => a - b)).toEqual([1, 2, 4])
    expect(await deadLetters.redrive({ ids: [letters[0]!.id] })).toEqual({ redriven: 0, missing: 1 })
    expect(await deadLetters.discard([letters[2]!.id])).toBe(1)
    expect(await deadLetters.length()).toBe(0)
    await expect(deadLetters.redrive({})).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    expect(events.filter((event) => event.type === 'dead-lettered')).toHaveLength(4)
  })
})

describe.each(places)('what a stream keeps on %s', (_, open) => {
  async function kept(retention: Parameters<Millrace['stream']>[1], setUp: (mr: Millrace) => Promise<void>) {
    const events: CareEvent[] = []
    const { backend } = await open()
    const mr = new Millrace(backend, { care: { trimMs: 20, lookMs: 20 }, onEvent: (event) => events.push(event) })
    await setUp(mr)
    const stream = mr.stream('s', retention)
    return { stream, events, backend }
  }
  const fill = async (mr: Millrace): Promise<void> => {
    await mr.backend.addMany(
      's',
      Array.from({ length: 200 }, () => ['json', JSON.stringify('x'.repeat(100))]),
    )
  }
  const group = async (mr: Millrace, read: number, acknowledged: number): Promise<void> => {
    await mr.backend.createGroup('s', 'g')
    const reader = { group: 'g', consumer: 'c' }
    const found = (await mr.backend.readGroup(reader, new Map([['s', '>']]), { count: read })).get('s')!
    await mr.backend.settle(
      's',
      'g',
      'c',
      found.slice(0, acknowledged).map(({ id }) => id),
    )
  }

  it('is what a group has not finished, by default', async () => {
    const { stream } = await kept({ retention: 'acked' }, async (mr) => {
      await fill(mr)
      await group(mr, 100, 60)
    })
    await waitFor(async () => (await stream.length()) === 140, { what: 'what is finished to go' })
  })

  it('is a number of entries, but not fewer than are unfinished', async () => {
    const { stream } = await kept({ retention: { maxLen: 50 } }, async (mr) => {
      await fill(mr)
      await group(mr, 100, 80)
    })
    await waitFor(async () => (await stream.length()) === 120, { what: 'what is finished to go' })
  })

  it('is a number of entries, an age, a size, where no group is', async () => {
    const { stream, backend } = await kept({ retention: { maxLen: 50 } }, fill)
    await waitFor(async () => (await stream.length()) === 50, { what: 'the stream to be short' })
    await backend.add('old', ['json', '1'], { id: '1000-0' })
    await backend.add('old', ['json', '2'])
    const old = new Millrace(backend, { care: { trimMs: 20 } }).stream('old', { retention: { maxAgeMs: 3_600_000 } })
    await waitFor(async () => (await old.length()) === 1, { what: 'the old one to go' })
  })

  it('is less than what is unfinished only within a memory budget, and that is counted and told', async () => {
    const { events, backend } = await kept({ retention: { memoryBudgetBytes: 8000 } }, async (mr) => {
      await fill(mr)
      await group(mr, 100, 10)
    })
    await waitFor(async () => events.some(({ type: what }) => what === 'trimmed-unfinished'), { what: 'it to be told' })
    const counted = async (): Promise<number> => {
      const taken = await backend.step({ do: [{ kind: 'get', key: '{s}:lost' }] })
      const [bytesFound] = taken.isTaken ? taken.results : []
      return bytesFound instanceof Uint8Array ? Number(Buffer.from(bytesFound)) : 0
    }
    await waitFor(async () => (await counted()) > 0, { what: 'it to be counted' })
    const length = (await backend.inspect('s'))!.length
    expect(length).toBeLessThan(190)
    expect(await counted()).toBe(190 - length)
  })

  it('is everything, with none', async () => {
    const { stream } = await kept({ retention: 'none' }, async (mr) => {
      await fill(mr)
      await group(mr, 200, 200)
    })
    expect(await stream.length()).toBe(200)
  })
})
