import { expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import { EmbeddedBackend } from './embedded-backend.ts'

const reader = { group: 'g', consumer: 'c' }
const news = new Map([['s', '>' as const]])

async function withEntries(values: readonly (string | Uint8Array)[]): Promise<EmbeddedBackend> {
  const backend = new EmbeddedBackend()
  await backend.createGroup('s', 'g')
  for (const value of values) await backend.add('s', ['field', value])
  return backend
}

it('gives each reader bytes of its own', async () => {
  const backend = await withEntries(['one', 'two'])
  const [first, second] = (await backend.readGroup(reader, news)).get('s')!
  first!.fields![1]!.fill(0x78)
  expect(Buffer.from(second!.fields![1]!).toString()).toBe('two')
  expect((await backend.range('s')).map(({ fields }) => Buffer.from(fields[1]!).toString())).toEqual(['one', 'two'])
})

it('delivers values of every size byte for byte', async () => {
  const sizes = [0, 1, 3, 4, 5, 191, 192, 193, 1024, 4095, 4096, 4097, 16_384, 100_000]
  const values = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 7 + size) % 256))
  const backend = await withEntries(values)
  const found = (await backend.readGroup(reader, news)).get('s')!
  expect(found.map(({ fields }) => Buffer.from(fields![1]!))).toEqual(values.map((value) => Buffer.from(value)))
})

it('keeps the names of entries apart when they change within a page', async () => {
  const backend = await withEntries([])
  await backend.add('s', ['a', '1'])
  await backend.add('s', ['b', '2', 'ü', '3'])
  await backend.add('s', ['a', '4'])
  const found = (await backend.readGroup(reader, news)).get('s')!
  const texts = found.map(({ fields }) => fields!.map((bytes) => Buffer.from(bytes).toString()))
  expect(texts).toEqual([
    ['a', '1'],
    ['b', '2', 'ü', '3'],
    ['a', '4'],
  ])
})

it('settles what its consumer owns, whatever the order of the IDs and whoever owns the others', async () => {
  const backend = await withEntries(['1', '2', '3', '4'])
  const ids = (await backend.readGroup(reader, news, { count: 3 })).get('s')!.map(({ id }) => id)
  const other = (await backend.readGroup({ group: 'g', consumer: 'd' }, news)).get('s')!.map(({ id }) => id)
  expect(await backend.settle('s', 'g', 'c', [ids[1]!, other[0]!, ids[0]!, ids[0]!])).toEqual([ids[1], ids[0]])
  expect(await backend.settle('s', 'g', 'c', [ids[2]!])).toEqual([ids[2]])
  expect(await backend.settle('s', 'g', 'c', [ids[2]!])).toEqual([])
  expect((await backend.pending('s', 'g')).map(({ id }) => id)).toEqual(other)
})

it('settles IDs as they were delivered, however few of them and whatever follows', async () => {
  const backend = await withEntries(Array.from({ length: 1500 }, (_, i) => String(i)))
  const ids = (await backend.readGroup(reader, news, { count: 1500 })).get('s')!.map(({ id }) => id)
  const parts = [ids.slice(3, 5), ids.slice(0, 2), [ids[2]!, ids[6]!], ids.slice(7, 1400)]
  for (const part of parts) expect(await backend.settle('s', 'g', 'c', part)).toEqual(part)
  expect((await backend.pending('s', 'g', { count: 1 })).map(({ id }) => id)).toEqual([ids[5]])
  expect(await backend.settle('s', 'g', 'c', [ids[5]!])).toEqual([ids[5]])
  expect((await backend.pending('s', 'g', { count: 200 })).map(({ id }) => id)).toEqual(ids.slice(1400))
})

it('settles all of a long delivery at once', async () => {
  const backend = await withEntries(Array.from({ length: 1500 }, (_, i) => String(i)))
  const ids = (await backend.readGroup(reader, news, { count: 1500 })).get('s')!.map(({ id }) => id)
  expect(await backend.settle('s', 'g', 'c', [...ids.slice(0, 3), '5-5' as EntryId, ...ids.slice(3)])).toEqual(ids)
  expect(await backend.pending('s', 'g')).toEqual([])
})

it('settles IDs beyond what a number holds', async () => {
  const backend = await withEntries([])
  const wide = '18446744073709551615-18446744073709551615' as EntryId
  await backend.add('s', ['field', 'value'], { id: wide })
  expect((await backend.readGroup(reader, news)).get('s')!.map(({ id }) => id)).toEqual([wide])
  expect(await backend.settle('s', 'g', 'c', [wide])).toEqual([wide])
})

it('refuses what is no list of IDs, by its name', async () => {
  const backend = await withEntries(['1'])
  await expect(backend.settle('s', 'g', 'c', ['1-1' as EntryId, 'x' as EntryId])).rejects.toThrow("got 'x'")
  await expect(backend.settle('s', 'g', 'c', 'x' as never)).rejects.toThrow('Expected a list of entry IDs')
})

it('adds under two names in turn', async () => {
  const backend = await withEntries(['1'])
  await backend.add('ü', ['field', '2'])
  await backend.add('s', ['field', '3'])
  expect((await backend.range('s')).length).toBe(2)
  expect((await backend.range('ü')).length).toBe(1)
})
