import { startProxy, startRedis, waitFor } from '@millrace/testing'
import { afterEach, describe, expect, it } from 'vitest'
import type { EntryId } from './backend.ts'
import { fields, json } from './codec.ts'
import { connect } from './connect.ts'
import type { Millrace } from './millrace.ts'

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function open(url?: string | readonly string[]): Promise<Millrace> {
  const millrace = await connect(url)
  ends.push(() => millrace.close())
  return millrace
}

async function take<T>(values: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const value of values) if (taken.push(value) === count) break
  return taken
}

describe('connect', () => {
  it('is the embedded engine without a URL', async () => {
    expect((await open()).backend.label).toBe('embedded')
  })

  it('connects to a redis-server', async () => {
    const server = await startRedis()
    ends.push(() => server.stop())
    expect((await open(server.url)).backend.kind).toBe('redis')
  })

  it('uses the database that the URL names', async () => {
    const server = await startRedis()
    ends.push(() => server.stop())
    await (await open(`${server.url}/3`)).stream('s').add(1)
    expect(await (await open(server.url)).stream('s').length()).toBe(0)
    expect(await (await open(`${server.url}/3`)).stream('s').length()).toBe(1)
  })

  it('refuses URLs that it does not know, without repeating a password', async () => {
    await expect(connect('http://localhost')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(connect('localhost:6379')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(connect('')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(connect([])).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(connect('redis://localhost/abc')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(connect('http://user:hunter2@localhost')).rejects.not.toThrow('hunter2')
    await expect(connect('redis://a:1/2,redis://b:2')).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })
})

describe('a stream handle', () => {
  it('adds values and reads them back', async () => {
    const orders = (await open()).stream<{ item: string; count: number }>('orders')
    const id = await orders.add({ item: 'tea', count: 2 })
    expect(await orders.range()).toMatchObject([{ id, value: { item: 'tea', count: 2 }, headers: {} }])
    expect(await orders.length()).toBe(1)
  })

  it('keeps the order of many values', async () => {
    const stream = (await open()).stream<number>('s')
    const values = Array.from({ length: 1000 }, (_, i) => i)
    const ids = await stream.addMany(values)
    const entries = await stream.range()
    expect(entries.map((entry) => entry.value)).toEqual(values)
    expect(entries.map((entry) => entry.id)).toEqual(ids)
  })

  it('rejects addMany with the first failure', async () => {
    const stream = (await open()).stream<unknown>('s')
    await expect(stream.addMany([1, undefined, 3])).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  })

  it('appends nothing of a batch that holds a value which the codec refuses', async () => {
    const stream = (await open()).stream<unknown>('s')
    await expect(stream.addMany([1, 2, undefined])).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    expect(await stream.length()).toBe(0)
  })

  it('lets the event loop turn between the batches of addMany', async () => {
    const stream = (await open()).stream<number>('s')
    const values = Array.from({ length: 600 }, (_, i) => i)
    const adding = stream.addMany(values)
    const lengths: number[] = []
    const look = async (): Promise<void> => void lengths.push(await stream.length())
    setImmediate(() => void look())
    await adding
    expect(lengths).toEqual([256])
    expect(await stream.length()).toBe(600)
  })

  it('is an iterable that begins at the oldest entry and follows', async () => {
    const stream = (await open()).stream<number>('s')
    await stream.addMany([1, 2])
    const reading = take(stream, 4)
    await stream.addMany([3, 4])
    expect((await reading).map((entry) => entry.value)).toEqual([1, 2, 3, 4])
  })

  it('follows from an entry, or from now on', async () => {
    const stream = (await open()).stream<number>('s')
    const [first] = await stream.addMany([1, 2])
    expect((await take(stream.read({ after: first! }), 1))[0]?.value).toBe(2)
    let hasRead = false
    const reading = take(stream.read({ after: '$' }), 1).finally(() => (hasRead = true))
    // From which moment on it reads is not known here, so 3 is added until it has.
    await waitFor(async () => (await stream.add(3)) !== undefined && hasRead, { what: 'the follower' })
    expect((await reading)[0]?.value).toBe(3)
  })

  it('ends an iteration without an error when its signal aborts', async () => {
    const stream = (await open()).stream<number>('s')
    const controller = new AbortController()
    await stream.add(1)
    const seen: number[] = []
    for await (const { value } of stream.read({ signal: controller.signal })) {
      seen.push(value)
      setImmediate(() => controller.abort())
    }
    expect(seen).toEqual([1])
  })

  it('rejects an iteration when the backend is closed', async () => {
    const millrace = await connect()
    const reading = take(millrace.stream('s'), 1)
    const rejected = expect(reading).rejects.toMatchObject({ code: 'CLOSED' })
    await millrace.close()
    await rejected
  })

  it('follows over a line that breaks, nothing twice and nothing missing', async () => {
    const server = await startRedis()
    ends.push(() => server.stop())
    const proxy = await startProxy({ target: server.port })
    ends.push(() => proxy.stop())
    const [near, far] = [await open(server.url), await open(proxy.url)]
    const reading = take(far.stream<number>('s').read({ blockMs: 500 }), 300)
    for (let i = 0; i < 300; i++) {
      await near.stream<number>('s').add(i)
      if (i % 50 === 25) {
        proxy.cut()
        proxy.restore()
      }
    }
    expect((await reading).map((entry) => entry.value)).toEqual(Array.from({ length: 300 }, (_, i) => i))
  })

  it('trims', async () => {
    const stream = (await open()).stream<number>('s')
    await stream.addMany([1, 2, 3])
    expect(await stream.trim({ maxLen: 1 })).toBe(2)
    expect((await stream.range()).map((entry) => entry.value)).toEqual([3])
  })

  it('tells where a group stands', async () => {
    const millrace = await open()
    const group = millrace.stream('s').group('g')
    expect(await group.inspect()).toBeUndefined()
    await millrace.backend.createGroup('s', 'g')
    expect(await group.inspect()).toMatchObject({ name: 'g', pending: 0 })
  })

  it('names the entry that its codec does not understand', async () => {
    const millrace = await open()
    const id = await millrace.backend.add('s', ['json', '{'])
    await expect(millrace.stream('s').range()).rejects.toThrow(`Entry ${id} of 's'`)
  })
})

describe('a codec', () => {
  it('of JSON keeps every JSON value in one field', () => {
    const codec = json<unknown>()
    const values = [{ a: [1, 'é', null] }, 'text', 5, true, null]
    for (const value of values) expect(codec.decode(codec.encode(value).map(bytes))).toEqual(value)
    expect(codec.encode({ a: 1 })).toEqual(['json', '{"a":1}'])
    expect(() => codec.encode(undefined)).toThrow('JSON')
    expect(() => codec.decode([bytes('other'), bytes('1')])).toThrow("'json'")
  })

  it('of fields keeps a record of strings, whatever their names', () => {
    const record = JSON.parse('{"item":"tea","__proto__":"x","":""}') as Record<string, string>
    expect(fields.encode(record)).toEqual(['item', 'tea', '__proto__', 'x', '', ''])
    expect(fields.decode(fields.encode(record).map(bytes))).toEqual(record)
    expect(() => fields.encode({})).toThrow('at least one')
  })

  it('is given to a stream', async () => {
    const millrace = await open()
    const stream = millrace.stream('s', { codec: fields })
    const id: EntryId = await stream.add({ item: 'tea' })
    expect(await stream.range()).toMatchObject([{ id, value: { item: 'tea' } }])
  })
})

function bytes(value: string | Uint8Array): Uint8Array {
  return Buffer.from(value)
}
