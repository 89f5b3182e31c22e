/** Reading RDB files: what is in one of redis-server's, what older and newer ones have, and that damage is refused. */
import { expect, it } from 'vitest'
import { deleteEntries, trim } from '../append.ts'
import { Databases } from '../databases.ts'
import type { OpenFile } from '../disk/files.ts'
import { EngineError } from '../errors.ts'
import { ID_MAX, ID_ZERO, formatId } from '../id.ts'
import { fullStreamInfo } from '../info.ts'
import { getString } from '../strings.ts'
import { readRdb, readRdbNow, type RdbSummary } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import { RdbBuilder, text, withChecksum } from './testing/rdb-builder.ts'
import { rdbFixture } from './testing/rdb-fixture.ts'

function load(file: Uint8Array, skipOtherTypes = false): Databases {
  const databases = new Databases()
  readRdbNow(RdbSource.ofBytes(file, 'dump.rdb'), { databases, skipOtherTypes })
  return databases
}

function summary(file: Uint8Array): RdbSummary {
  const databases = new Databases()
  return readRdbNow(RdbSource.ofBytes(file, 'dump.rdb'), { databases, skipOtherTypes: true })
}

/** What is refused, and how; undefined: it is not. */
function refusal(file: Uint8Array): EngineError | undefined {
  try {
    load(file)
    return undefined
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

function textAt(databases: Databases, index: number, key: string): string {
  return Buffer.from(getString(databases.at(index), key, 0)!).toString('latin1')
}

/** A file that is read from memory as one on a disk is. */
function fileOf(bytes: Uint8Array): OpenFile {
  const refuse = (): never => {
    throw new Error('the file is only read')
  }
  return {
    read(into, position) {
      const some = bytes.subarray(position, position + into.length)
      into.set(some)
      return some.length
    },
    size: () => bytes.length,
    write: refuse,
    sync: refuse,
    syncNow: refuse,
    truncate: refuse,
    close: refuse,
  }
}

/** Looks at, deletes and trims whatever was loaded: nothing that a file says breaks what is built on it. */
function exercise(databases: Databases): void {
  for (const [, database] of databases.made()) {
    for (const key of database.keys()) {
      const stream = database.peek(key)
      if (stream?.type !== 'stream') continue
      fullStreamInfo(database, key, Infinity, -Infinity)
      const ids = stream.range(ID_ZERO, ID_MAX, Infinity).map(({ id }) => id)
      deleteEntries(database, key, ids.slice(0, 1), -Infinity)
      trim(database, key, { keep: { kind: 'max-len', entries: 1 } }, -Infinity)
      deleteEntries(database, key, ids.slice(-1), -Infinity)
    }
  }
}

it('reads the strings and databases of redis-server', () => {
  const databases = load(rdbFixture)
  expect(textAt(databases, 0, 'text')).toBe('value')
  expect(databases.at(0).expiresAtMs('text')).toBe(1895478846369)
  expect(['n', 'big', 'b', 'z'].map((key) => textAt(databases, 3, key))).toEqual([
    '12',
    '100000',
    '1000',
    'z'.repeat(43),
  ])
})

it('reads the entries and counters of a stream', () => {
  const info = fullStreamInfo(load(rdbFixture).at(0), 's', Infinity, 0)
  expect(
    info.entries.map(({ id, fields }) => [formatId(id), ...fields.map((field) => Buffer.from(field).toString())]),
  ).toEqual([
    ['1-1', 'f', 'one', 'n', '7'],
    ['2-0', 'g', '18446744073709551615'],
    ['18446744073709551615-3', 'f', 'a'.repeat(40)],
  ])
  expect(formatId(info.lastId)).toBe('18446744073709551615-3')
  expect(formatId(info.maxDeletedId)).toBe('1-2')
  expect(info.entriesAdded).toBe(4)
  expect(info.nodeCount).toBe(2)
})

it('reads groups, consumers and what is pending, of a deleted entry too', () => {
  const { groups } = fullStreamInfo(load(rdbFixture).at(0), 's', Infinity, 0)
  const told = groups.map((group) => ({
    name: group.name,
    last: formatId(group.lastId),
    read: group.entriesRead,
    pending: group.pending.map(({ id, consumer, deliveries }) => [formatId(id), consumer, deliveries]),
    consumers: group.consumers.map(({ name, pendingCount }) => [name, pendingCount]),
  }))
  expect(told).toEqual([
    {
      name: 'g',
      last: '2-0',
      read: 3,
      pending: [
        ['1-1', 'alice', 1],
        ['1-2', 'alice', 1],
        ['2-0', 'bob', 1],
      ],
      consumers: [
        ['alice', 2],
        ['bob', 1],
        ['carol', 0],
      ],
    },
    { name: 'h', last: '18446744073709551615-3', read: undefined, pending: [], consumers: [] },
  ])
  const [alice] = groups[0]!.consumers
  expect([alice!.seenMs, alice!.activeMs]).toEqual([alice!.pending[0]!.deliveredAtMs, alice!.seenMs])
})

it('tells what it has read', () => {
  expect(summary(rdbFixture)).toEqual({ version: 10, keys: 6, streams: 1, skipped: new Map(), isChecked: true })
})

it('reads the same through a window', () => {
  const databases = new Databases()
  readRdbNow(RdbSource.ofFile(fileOf(rdbFixture), 'dump.rdb'), { databases })
  expect(fullStreamInfo(databases.at(0), 's', 9, 0)).toEqual(fullStreamInfo(load(rdbFixture).at(0), 's', 9, 0))
})

it('reads strings that are larger than the window, and small ones behind them', () => {
  const builder = new RdbBuilder()
  const sizes = [10, 262_135, 262_144, 700_000, 3, 900_000, 0]
  for (const [i, size] of sizes.entries()) builder.key(0, `k${i}`, text(String(i).repeat(size)))
  const databases = new Databases()
  readRdbNow(RdbSource.ofFile(fileOf(builder.end()), 'dump.rdb'), { databases })
  expect(sizes.map((_, i) => textAt(databases, 0, `k${i}`).length)).toEqual(sizes)
  expect(textAt(databases, 0, 'k5')).toBe('5'.repeat(900_000))
})

it('pauses, and tells how far it is', () => {
  const builder = new RdbBuilder()
  for (let i = 0; i < 40; i++) builder.key(0, `k${i}`, text('v'.repeat(50_000)))
  const file = builder.end()
  const offsets = [...readRdb(RdbSource.ofBytes(file, 'dump.rdb'), { databases: new Databases() })]
  expect(offsets.length).toBeGreaterThan(5)
  expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
  expect(offsets.at(-1)).toBeLessThanOrEqual(file.length)
})

it('tells of auxiliary fields, with the database that is selected by then', () => {
  const file = new RdbBuilder().aux('a', 'one').add([0xfe, 3]).aux('b', '').end()
  const told: unknown[] = []
  const onAux = (name: string, value: Uint8Array, database: number): void => {
    told.push([name, Buffer.from(value).toString(), database])
  }
  readRdbNow(RdbSource.ofBytes(file, 'dump.rdb'), { databases: new Databases(), onAux })
  expect(told).toEqual([
    ['a', 'one', 0],
    ['b', '', 3],
  ])
})

it('refuses a file with any bit flipped', () => {
  for (let bit = 0; bit < rdbFixture.length * 8; bit++) {
    const flipped = rdbFixture.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(refusal(flipped), `bit ${bit}`).toBeDefined()
  }
})

it('refuses a file that ends too early, anywhere', () => {
  for (let end = 0; end < rdbFixture.length; end++) {
    const error = refusal(rdbFixture.subarray(0, end))
    expect(error?.code, `cut at ${end}`).toBe('CORRUPT')
  }
})

it('refuses, or takes whole, a file with a bit flipped and the checksum made right again', () => {
  let taken = 0
  for (let bit = 0; bit < (rdbFixture.length - 8) * 8; bit++) {
    const flipped = rdbFixture.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const file = withChecksum(flipped)
    if (refusal(file) !== undefined) continue
    exercise(load(file))
    taken++
  }
  // Bits of names, values, times and counts.
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(rdbFixture.length * 4)
})

it('refuses, or takes whole, a file with any byte replaced', () => {
  for (let at = 9; at < rdbFixture.length - 8; at++) {
    for (const byte of [0, 1, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xf0, 0xf4, 0xfe, 0xff]) {
      const changed = rdbFixture.slice()
      changed[at] = byte
      const file = withChecksum(changed)
      if (refusal(file) === undefined) exercise(load(file))
    }
  }
})

it('names the file, the place and the key of what is damaged', () => {
  const file = new RdbBuilder().key(0, 'orders', [0x80, 0, 0, 1, 0]).end()
  expect(refusal(file)?.message).toBe(
    "dump.rdb is damaged at byte 22 (database 0, key 'orders'): 256 more bytes were expected, the file has 9 until its end",
  )
})

it('takes a file without a checksum, and says so', () => {
  const unchecked = rdbFixture.slice()
  unchecked.fill(0, -8)
  expect(summary(unchecked).isChecked).toBe(false)
  const old = new RdbBuilder(4).key(0, 'k', text('v')).add([0xff]).bytes()
  expect(summary(old)).toMatchObject({ version: 4, keys: 1, isChecked: false })
})

it('refuses what is no RDB file, and one of a newer version', () => {
  expect(refusal(Buffer.from('PK\x03\x04 and so on'))?.message).toContain('begins with REDIS')
  expect(refusal(new RdbBuilder(13).end())?.code).toBe('NEWER_FORMAT')
  expect(refusal(new RdbBuilder(12).end())).toBeUndefined()
  expect(refusal(new RdbBuilder(0).end())?.code).toBe('CORRUPT')
})

it('refuses bytes behind the end', () => {
  expect(refusal(Uint8Array.from([...rdbFixture, 0]))?.message).toContain('1 bytes come behind the end')
})

it('refuses a key that comes twice, and a code where a key has to come', () => {
  const twice = new RdbBuilder().key(0, 'k', text('a')).key(0, 'k', text('b')).end()
  expect(refusal(twice)?.message).toContain("key 'k'): the key comes twice")
  const elsewhere = new RdbBuilder().key(0, 'k', text('a')).add([0xfe, 1]).key(0, 'k', text('b')).end()
  expect(refusal(elsewhere)).toBeUndefined()
  const withoutKey = new RdbBuilder().add([0xfd, 1, 0, 0, 0, 0xff])
  expect(refusal(withoutKey.end())?.message).toContain('a key was expected')
})

it('reads when a key expires, in milliseconds and in seconds, and nothing of it for the next', () => {
  const file = new RdbBuilder()
    .add([0xfc, 1, 2, 0, 0, 0, 0, 0, 0])
    .key(0, 'a', text('v'))
    .add([0xfd, 7, 0, 0, 0, 0xf8, 9, 0xf9, 5])
    .key(0, 'b', text('v'))
    .key(0, 'c', text('v'))
    .end()
  const database = load(file).at(0)
  expect(['a', 'b', 'c'].map((key) => database.expiresAtMs(key))).toEqual([513, 7000, undefined])
})

it('refuses more databases than there are', () => {
  expect(refusal(new RdbBuilder().add([0xfe, 16]).end())?.code).toBe('BAD_ARGUMENT')
})

it('says that a file cannot be read, and not that it is damaged', () => {
  const failing = { ...fileOf(rdbFixture), read: () => Number(expect.fail('EIO: i/o error')) }
  const reading = (): unknown => readRdbNow(RdbSource.ofFile(failing, 'dump.rdb'), { databases: new Databases() })
  expect(reading).toThrow(/dump.rdb cannot be read at byte 0: .*EIO/)
})
