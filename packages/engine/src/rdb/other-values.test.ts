/** Values of other types in RDB files: refused by name, or passed over and counted, whatever their encoding. */
import { expect, it } from 'vitest'
import { Databases } from '../databases.ts'
import { readRdbNow, type RdbSummary } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import { byteOf, length, RdbBuilder, text, u64, type Part } from './testing/rdb-builder.ts'

const packed = text('any bytes')
const double: Part = [1, 2, 3, 4, 5, 6, 7, 8]
/** By the number of the type: its name, and a value. */
const values: readonly (readonly [type: number, name: string, value: Part])[] = [
  [1, 'list', [...length(2), ...text('a'), 0xc0, 5]],
  [2, 'set', [...length(2), ...text('a'), 0xc1, 5, 1]],
  [3, 'zset', [...length(4), ...text('a'), 1, 0x31, ...text('b'), 253, ...text('c'), 254, ...text('d'), 255]],
  [4, 'hash', [...length(1), ...text('a'), ...text('b')]],
  [5, 'zset', [...length(1), ...text('a'), ...double]],
  [7, 'module', [...u64(77n), 2, ...u64(9n), 1, 5, 3, 0, 0, 0, 0, 4, ...double, 5, ...text('part'), 0]],
  [9, 'hash', packed],
  [10, 'list', packed],
  [11, 'set', packed],
  [12, 'zset', packed],
  [13, 'hash', packed],
  [14, 'list', [...length(2), ...packed, 0xc3, 5, 3, 2, 1, 1, 1, 0]],
  [16, 'hash', packed],
  [17, 'zset', packed],
  [18, 'list', [...length(2), 1, ...text('plain'), 2, ...packed]],
  [20, 'set', packed],
  [24, 'hash', [...double, ...length(1), ...u64(3n), ...text('a'), ...text('b')]],
  [25, 'hash', [...double, ...packed]],
]

function load(file: Uint8Array, skipOtherTypes: boolean): RdbSummary & { readonly databases: Databases } {
  const databases = new Databases()
  return { ...readRdbNow(RdbSource.ofBytes(file, 'dump.rdb'), { databases, skipOtherTypes }), databases }
}

it('refuses each by its name and its key', () => {
  for (const [type, name, value] of values) {
    const file = new RdbBuilder(12).key(type, 'k', value).end()
    expect(() => load(file, false)).toThrow(`dump.rdb has the key 'k' of database 0 with a ${name}`)
  }
})

it('passes each over, and takes the key behind it', () => {
  for (const [type, name, value] of values) {
    const file = new RdbBuilder(12).add([0xfd, 1, 0, 0, 0]).key(type, 'k', value).key(0, 'next', text('v')).end()
    const { skipped, keys, databases } = load(file, true)
    expect([[...skipped], keys], `type ${type}`).toEqual([[[name, 1]], 1])
    expect([...databases.at(0).keys()]).toEqual(['next'])
    expect(databases.at(0).expiresAtMs('next')).toBeUndefined()
  }
})

it('counts them by name, with functions and the data of modules', () => {
  const builder = new RdbBuilder(12).add([0xf5], text('#!lua name=lib'))
  builder.add([0xf7], u64(5n), [2, 2, 5], text('data'), byteOf(0)).add([0xf4, 1, 2, 3])
  for (const [i, [type, , value]] of values.entries()) builder.key(type, `k${i}`, value)
  expect(Object.fromEntries(load(builder.end(), true).skipped)).toEqual({
    function: 1,
    hash: 6,
    list: 4,
    module: 1,
    'module data': 1,
    set: 3,
    zset: 4,
  })
})

it('refuses functions and the data of modules by name', () => {
  const library = new RdbBuilder().add([0xf5], text('#!lua name=lib')).end()
  expect(() => load(library, false)).toThrow('dump.rdb has a library of functions')
  const data = new RdbBuilder().add([0xf7], u64(5n), byteOf(0)).end()
  expect(() => load(data, false)).toThrow('dump.rdb has data of a module')
})

it('refuses a type that is not known, even to pass over', () => {
  for (const type of [6, 8, 22, 23, 26, 27, 28, 100, 243]) {
    const file = new RdbBuilder(12).key(type, 'k', text('v')).end()
    expect(() => load(file, true)).toThrow(/dump.rdb: the key 'k' holds .*type \d+/)
  }
  const stream = new RdbBuilder(12).key(26, 'k', text('v')).end()
  expect(() => load(stream, true)).toThrow('a stream of Redis 8.6 or later (type 26)')
})

it('refuses one that ends too early, anywhere', () => {
  for (const [type, , value] of values) {
    for (let end = 0; end < value.length; end++) {
      const file = new RdbBuilder(12).key(type, 'k', value.slice(0, end)).bytes()
      expect(() => load(file, true), `type ${type} cut at ${end}`).toThrow('is damaged at byte')
    }
  }
})
