import { describe, expect, it } from 'vitest'
import { append, deleteEntries } from '../append.ts'
import { Databases } from '../databases.ts'
import { stateText, valueLines } from '../disk/state-text.ts'
import { createGroup } from '../group-commands.ts'
import { ID_ZERO } from '../id.ts'
import { negativeAcknowledge } from '../nack.ts'
import { readGroup } from '../read-group.ts'
import { setString } from '../strings.ts'
import { dumpVersion, readDump } from './dump-reader.ts'
import { dumpValue } from './dump-writer.ts'
import { applyExtras, EXTRAS_NAME } from './extras.ts'
import { readRdbNow } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import { writeRdb } from './rdb-writer.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const set = (databases: Databases, key: string, value: string, expiresAtMs?: number): void =>
  void setString(
    databases.at(0),
    { key, value: bytes(value), ...(expiresAtMs === undefined ? {} : { expiresAtMs }) },
    0,
  )

/** The chunks of a file, and how many bytes there were at each pause. */
function write(databases: Databases): { readonly chunks: Uint8Array[]; readonly pauses: number[] } {
  const chunks: Uint8Array[] = []
  const frozen = databases.freeze()
  const pauses = [...writeRdb(frozen, { nowMs: 1_700_000_000_123, write: (chunk) => chunks.push(chunk.slice()) })]
  frozen.release()
  return { chunks, pauses }
}

const add = (databases: Databases, ms: bigint, seq: bigint, value: string): void =>
  void append(
    databases.at(0),
    { key: 's', id: { kind: 'exact', id: { ms, seq } }, fields: [bytes('f'), bytes(value)] },
    0,
  )

const fileOf = (databases: Databases): Buffer => Buffer.concat(write(databases).chunks)

function readAgain(databases: Databases): Databases {
  const again = new Databases()
  const onAux = (name: string, value: Uint8Array, database: number): void => {
    if (name === EXTRAS_NAME) applyExtras(again, database, value)
  }
  readRdbNow(RdbSource.ofBytes(fileOf(databases), 'file'), { databases: again, onAux })
  return again
}

/** The file has all of it, and needs no extras for that. */
function expectSame(databases: Databases): void {
  const again = new Databases()
  readRdbNow(RdbSource.ofBytes(fileOf(databases), 'file'), { databases: again })
  expect(stateText(again)).toBe(stateText(databases))
}

/** The file's bytes behind the auxiliary fields, up to the checksum. */
function bodyOf(databases: Databases): string {
  const file = fileOf(databases)
  return file.subarray(file.indexOf(Uint8Array.of(0xfe, 0)), -8).toString('hex')
}

describe('a file', () => {
  it('begins with its version and who can read it', () => {
    const text = fileOf(new Databases()).toString('latin1')
    expect(text.slice(0, 9)).toBe('REDIS0010')
    expect(text).toContain('\xfa\x09redis-ver\x067.0.15')
    expect(text).toContain('\xfa\x05ctime\xc2\x00\xf1\x53\x65')
    expect(text.at(-9)).toBe('\xff')
  })

  it('has strings as integers where they are plain decimals of 32 bits', () => {
    const databases = new Databases()
    for (const [key, value] of Object.entries({
      a: '-128',
      b: '32767',
      c: '-2147483648',
      d: '007',
      e: '',
      f: '2147483648',
    })) {
      set(databases, key, value)
    }
    expect(bodyOf(databases)).toBe(
      [
        'fe00 fb06 00',
        '00 0161 c080',
        '00 0162 c1ff7f',
        '00 0163 c200000080',
        '00 0164 03303037',
        '00 0165 00',
        '00 0166 0a32313437343833363438',
        'ff',
      ]
        .join('')
        .replaceAll(' ', ''),
    )
  })

  it('tells when a key expires', () => {
    const databases = new Databases()
    set(databases, 'k', 'v', 2 ** 40 + 5)
    expect(bodyOf(databases)).toBe('fe00fb0101fc050000000001000000016b0176ff')
  })

  it('has a value of many bytes in pieces', () => {
    const databases = new Databases()
    set(databases, 'k', 'v'.repeat(1_000_000))
    const { chunks, pauses } = write(databases)
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(70_000)
    expect(pauses.length).toBeGreaterThan(10)
    expect(Math.max(...pauses.map((at, index) => at - (pauses[index - 1] ?? 0)))).toBeLessThan(140_000)
  })

  it('has pauses between keys, entries and pending entries', () => {
    const databases = new Databases()
    const database = databases.at(0)
    for (let i = 0; i < 10_000; i++) append(database, { key: 's', fields: [bytes('f'), bytes('v')] }, 1_700_000_000_000)
    const entries = write(databases).pauses.length
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO }, 0)
    const positions = [{ key: 's', from: '>' as const }]
    readGroup(database, { group: 'g', consumer: 'c', positions, count: 10_000 }, 0)
    const pending = write(databases).pauses.length
    for (let i = 0; i < 10_000; i++) set(databases, `key ${i}`, '')
    const keys = write(databases).pauses.length
    expect(entries).toBeGreaterThan(1)
    expect(pending).toBeGreaterThan(entries + 2)
    expect(keys).toBeGreaterThan(pending + 2)
  })

  it('has what redis-server has no place for in extras, and then only', () => {
    const databases = new Databases()
    set(databases, 'k', 'v', 5)
    add(databases, 1n, 0n, 'x')
    expect(fileOf(databases).includes(EXTRAS_NAME)).toBe(false)
    set(databases, 'k', 'v', 2 ** 63 + 2048)
    expect(fileOf(databases).includes(EXTRAS_NAME)).toBe(true)
    expect(readAgain(databases).at(0).expiresAtMs('k')).toBe(2 ** 63 + 2048)
  })
})

describe('a stream in a file', () => {
  it('has nodes that end where they did, though most of their entries are gone', () => {
    const databases = new Databases({ count: 1, nodeEntriesMax: 100, nodeBytesMax: 4096 })
    const database = databases.at(0)
    const names = [['f'], ['f'], ['a', 'b', 'c', 'd', 'e'], ['g', 'h']]
    for (let ms = 1; ms <= 2000; ms++) {
      const fields = names[ms % names.length]!.flatMap((name) => [bytes(name), bytes('x'.repeat((ms * 7) % 300))])
      append(database, { key: 's', id: { kind: 'exact', id: { ms: BigInt(ms), seq: 0n } }, fields }, 0)
    }
    const ids = Array.from({ length: 2000 }, (_, i) => ({ ms: BigInt(i + 1), seq: 0n }))
    deleteEntries(
      database,
      's',
      ids.filter(({ ms }) => ms % 13n !== 0n && ms < 1900n),
      0,
    )
    expectSame(databases)
  })

  it('has a stand-in as large as the entry that was deleted, whatever its size', () => {
    for (let size = 0; size < 300; size++) {
      for (const names of [1, 2, 3]) {
        for (const deleted of [0, 1]) {
          const databases = new Databases({ count: 1 })
          const fields = Array.from({ length: names }, (_, i) => [bytes(`${i}`), bytes('x'.repeat(size))]).flat()
          for (const ms of [1n, 2n]) {
            append(databases.at(0), { key: 's', id: { kind: 'exact', id: { ms, seq: 0n } }, fields }, 0)
          }
          deleteEntries(databases.at(0), 's', [{ ms: BigInt(deleted + 1), seq: 0n }], 0)
          expectSame(databases)
        }
      }
    }
  })

  it('has distances of IDs that wrap around as redis-server has them', () => {
    const databases = new Databases({ count: 1 })
    add(databases, 1n, 2n ** 64n - 1n, 'x')
    add(databases, 2n, 0n, 'x')
    add(databases, 2n ** 64n - 1n, 5n, 'x')
    expectSame(databases)
  })

  it('has in extras where a node ends that no listpack of its size can tell', () => {
    const databases = new Databases({ count: 1 })
    add(databases, 1n, 0n, '')
    add(databases, 5n, 0n, '')
    deleteEntries(databases.at(0), 's', [{ ms: 5n, seq: 0n }], 0)
    databases.at(0).apply({
      kind: 'id-set',
      key: 's',
      lastId: { ms: 4n, seq: 9_999_999_999n },
      entriesAdded: 2,
      maxDeletedId: ID_ZERO,
    })
    expect(fileOf(databases).includes(EXTRAS_NAME)).toBe(true)
    expect(stateText(readAgain(databases))).toBe(stateText(databases))
  })

  it('has counters of any size', () => {
    const databases = new Databases({ count: 1 })
    const database = databases.at(0)
    add(databases, 1n, 0n, 'x')
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO }, 0)
    const idSet = { kind: 'id-set', key: 's', lastId: { ms: 1n, seq: 0n }, maxDeletedId: ID_ZERO } as const
    for (const entriesAdded of [63, 64, 16_383, 16_384, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 62]) {
      database.apply({ ...idSet, entriesAdded })
      database.streamAt('s', 0)!.group('g')!.entriesRead = entriesAdded
      expectSame(databases)
    }
    database.streamAt('s', 0)!.group('g')!.entriesRead = 2 ** 62 + 1024
    expect(stateText(readAgain(databases))).toBe(stateText(databases))
  })

  it("gives nobody's entries to a consumer that is no other one, and back", () => {
    const databases = new Databases({ count: 1 })
    const database = databases.at(0)
    const ref = { key: 's', group: 'g' }
    for (let ms = 1n; ms <= 5n; ms++) add(databases, ms, 0n, 'x')
    createGroup(database, ref, { from: ID_ZERO }, 0)
    for (const consumer of ['nobody', 'nobody_']) {
      readGroup(database, { group: 'g', consumer, positions: [{ key: 's', from: '>' }], count: 2 }, 7)
    }
    const ids = [3n, 1n].map((ms) => ({ ms, seq: 0n }))
    negativeAcknowledge(database, ref, { mode: 'fail', ids, force: false }, 8)
    const raw = new Databases({ count: 1 })
    readRdbNow(RdbSource.ofBytes(fileOf(databases), 'file'), { databases: raw })
    const owners: string[] = []
    raw
      .at(0)
      .streamAt('s', 0)!
      .group('g')!
      .pending.scan(ID_ZERO, (row) => {
        owners.push(raw.at(0).streamAt('s', 0)!.group('g')!.ownerName(row)!)
        return true
      })
    expect(owners).toEqual(['nobody__', 'nobody', 'nobody__', 'nobody_'])
    expect(stateText(readAgain(databases))).toBe(stateText(databases))
  })
})

describe('a dumped value', () => {
  it('is read again', () => {
    const databases = new Databases()
    const database = databases.at(0)
    set(databases, 'k', 'some text')
    append(database, { key: 's', fields: [bytes('f'), bytes('-5')] }, 5)
    for (const key of ['k', 's']) {
      const payload = dumpValue(database.peek(key)!)
      expect(dumpVersion(payload)).toBe(10)
      expect([...valueLines(readDump(payload))]).toEqual([...valueLines(database.peek(key)!)])
    }
  })

  it('is what redis-server 7.0 gives of the same string', () => {
    const databases = new Databases()
    set(databases, 'k', '10')
    // DUMP of SET k 10.
    expect(Buffer.from(dumpValue(databases.at(0).peek('k')!)).toString('hex')).toBe('00c00a0a006e9f57450eae63bb')
  })
})
