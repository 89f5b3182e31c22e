/** Streams of which most is on disk: what is read, what is given back, and what happens when the disk fails. */
import { beforeEach, describe, expect, it } from 'vitest'
import { append, appendPacked, deleteEntries, trim } from '../append.ts'
import { claim } from '../claim.ts'
import { Databases } from '../databases.ts'
import { createGroup } from '../group-commands.ts'
import { ID_MAX, ID_ZERO, type StreamId } from '../id.ts'
import { streamInfo } from '../info.ts'
import { flush, removeKey, renameKey, restoreKey } from '../keys.ts'
import { packText } from './testing/pack-text.ts'
import { dumpValue } from '../rdb/dump-writer.ts'
import { withChecksum } from '../rdb/testing/rdb-builder.ts'
import { readGroup } from '../read-group.ts'
import { range } from '../read-range.ts'
import { ColdSegments, type ColdEvent, type ColdOptions } from './cold-segments.ts'
import { settled } from './testing/sim-env.ts'
import { SimFs } from './testing/sim-fs.ts'

const NOW = 1_700_000_000_000
const ROWS = 10

let fs: SimFs
let events: ColdEvent[]
let cold: ColdSegments
let databases: Databases

function start(options: Partial<ColdOptions> = {}): void {
  cold = new ColdSegments({
    fs,
    directory: '/cold',
    memoryBytes: 0,
    cacheBytes: 0,
    fileBytes: 2000,
    segmentBytesMin: 0,
    segmentRowsMax: ROWS,
    onEvent: (event) => events.push(event),
    ...options,
  })
  databases = new Databases({ cold })
}

beforeEach(() => {
  fs = new SimFs()
  events = []
  start()
})

const db = () => databases.at(0)
const idOf = (i: number): StreamId => ({ ms: BigInt(i), seq: 0n })
const valueOf = (i: number): string => `value ${i}`.padEnd(20, '.')

/** Entries 1-0, 2-0, … in segments of ten. */
function fill(key: string, from: number, to: number): void {
  for (let i = from; i <= to; i++) {
    appendPacked(db(), { key, fields: packText('f', valueOf(i)), id: { kind: 'exact', id: idOf(i) } }, NOW)
  }
}

function valuesOf(key: string, from = 1, to = Infinity): string[] {
  const query = { key, from: idOf(from), to: to === Infinity ? ID_MAX : idOf(to) }
  return range(db(), query, NOW).map(({ fields }) => Buffer.from(fields[1]!).toString())
}

const wanted = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => valueOf(from + i))

describe('what is on disk', () => {
  it('is dumped, and goes to disk again where it is restored', () => {
    fill('s', 1, 200)
    const { segments } = cold.info()
    restoreKey(db(), { key: 't', payload: dumpValue(db().peek('s')!) }, NOW)
    expect(valuesOf('t')).toEqual(wanted(1, 200))
    expect(cold.info().segments).toBe(segments * 2)
    restoreKey(db(), { key: 's', payload: dumpValue(db().peek('t')!) }, NOW)
    removeKey(db(), 't', NOW)
    expect(valuesOf('s')).toEqual(wanted(1, 200))
    expect(cold.info().segments).toBe(segments)
  })

  it('is given back when the rest of a dumped value is refused', () => {
    fill('s', 1, 200)
    const payload = dumpValue(db().peek('s')!)
    // There is no group; now one is announced.
    payload[payload.length - 11] = 1
    const { segments } = cold.info()
    expect(() => restoreKey(db(), { key: 't', payload: withChecksum(payload) }, NOW)).toThrow('damaged')
    expect(cold.info().segments).toBe(segments)
  })

  it('is read back as it was', () => {
    fill('s', 1, 200)
    expect(cold.info().segments).toBe(19)
    expect(valuesOf('s')).toEqual(wanted(1, 200))
    expect(valuesOf('s', 95, 133)).toEqual(wanted(95, 133))
    expect(valuesOf('s', 7, 7)).toEqual(wanted(7, 7))
  })

  it('is counted, found and trimmed whole without a look at it', () => {
    fill('s', 1, 200)
    expect(db().find('s', NOW)!.firstId).toEqual(idOf(1))
    expect(db().find('s', NOW)!.length).toBe(200)
    createGroup(db(), { key: 's', group: 'g' }, { from: ID_ZERO }, NOW)
    expect(trim(db(), 's', { keep: { kind: 'min-id', id: idOf(101) } }, NOW)).toBe(100)
    expect(cold.info()).toMatchObject({ reads: 0, segments: 9 })
    expect(valuesOf('s')).toEqual(wanted(101, 200))
  })

  it('is read once while it is in the cache', () => {
    start({ cacheBytes: 100_000, memoryBytes: 20_000 })
    fill('s', 1, 2000)
    valuesOf('s', 1, 5)
    const { reads } = cold.info()
    valuesOf('s', 4, 9)
    expect(cold.info().reads).toBe(reads)
  })

  it('is deleted from without being written again', () => {
    fill('s', 1, 50)
    const { spills } = cold.info()
    expect(deleteEntries(db(), 's', [idOf(3), idOf(14), idOf(3)], NOW)).toBe(2)
    valuesOf('s', 30)
    expect(valuesOf('s', 1, 20)).toEqual(wanted(1, 20).filter((_, i) => i !== 2 && i !== 13))
    expect(cold.info().spills).toBe(spills)
  })

  it('is delivered and claimed as what is in memory', () => {
    fill('s', 1, 100)
    createGroup(db(), { key: 's', group: 'g' }, { from: ID_ZERO }, NOW)
    const positions = [{ key: 's', from: '>' as const }]
    const [found] = readGroup(db(), { group: 'g', consumer: 'a', positions, count: 100 }, NOW)
    expect(found!.entries.map(({ fields }) => Buffer.from(fields![1]!).toString())).toEqual(wanted(1, 100))
    const ids = [5, 55, 6, 56].map(idOf)
    const { entries } = claim(db(), { key: 's', group: 'g', consumer: 'b' }, { ids, minIdleMs: 0 }, NOW)
    expect(entries.map(({ fields }) => Buffer.from(fields![1]!).toString())).toEqual([5, 55, 6, 56].map(valueOf))
  })

  it('stays with who has its bytes, when it goes again and when it is trimmed', () => {
    fill('s', 1, 100)
    const [entry] = range(db(), { key: 's', count: 1 }, NOW)
    valuesOf('s')
    trim(db(), 's', { keep: { kind: 'max-len', entries: 0 } }, NOW)
    expect(Buffer.from(entry!.fields[1]!).toString()).toBe(valueOf(1))
  })

  it('is copied, and the copy is on disk as well', () => {
    fill('s', 1, 100)
    databases.copy({ key: 's', database: 0 }, { key: 't', database: 0 }, { replace: false }, NOW)
    expect(cold.info().segments).toBe(18)
    removeKey(db(), 's', NOW)
    expect(valuesOf('t')).toEqual(wanted(1, 100))
  })

  it('gets no more entries when it is the last that is left', () => {
    fill('s', 1, 11)
    deleteEntries(db(), 's', [idOf(11)], NOW)
    fill('s', 12, 30)
    expect(valuesOf('s')).toEqual([...wanted(1, 10), ...wanted(12, 30)])
  })

  it('is in a picture of the databases, though it is deleted and trimmed meanwhile', () => {
    fill('s', 1, 100)
    deleteEntries(db(), 's', [idOf(3)], NOW)
    cold.clearCache()
    const frozen = databases.freeze()
    // The picture of the stream is made before its first change, while the segment of the next one is on disk only.
    fill('s', 101, 101)
    deleteEntries(db(), 's', [idOf(2)], NOW)
    trim(db(), 's', { keep: { kind: 'max-len', entries: 1 } }, NOW)
    const { value } = frozen.databases[0]!.take(0)
    const entries = value.type === 'stream' ? value.range(ID_ZERO, ID_MAX, Infinity) : []
    expect(entries.map(({ fields }) => Buffer.from(fields[1]!).toString())).toEqual([
      ...wanted(1, 2),
      ...wanted(4, 100),
    ])
    frozen.release()
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, cachedBytes: 0 })
  })
})

describe('a picture that shares what is in memory', () => {
  /** The values that the picture of the only key has, its entries 1 to 100 being there. */
  function taken({ isReadBack = false } = {}): () => string[] {
    start({ memoryBytes: isReadBack ? 0 : 1e6, cacheBytes: 1e6 })
    fill('s', 1, 100)
    cold.memoryBytes = 1e6
    if (isReadBack) valuesOf('s')
    frozen = databases.freeze()
    const { value } = frozen.databases[0]!.take(0)
    if (value.type !== 'stream') throw new TypeError('the key is a stream')
    return () => value.range(ID_ZERO, ID_MAX, Infinity).map(({ fields }) => Buffer.from(fields[1]!).toString())
  }
  let frozen: ReturnType<Databases['freeze']>

  it('lets go of it when the stream does, and has its own deletions', () => {
    const values = taken()
    deleteEntries(db(), 's', [idOf(3), idOf(20)], NOW)
    cold.memoryBytes = 0
    expect(cold.info()).toMatchObject({ segments: 9, reads: 0 })
    expect(values()).toEqual(wanted(1, 100))
    expect(cold.info().reads).toBe(9)
    expect(valuesOf('s', 1, 5)).toEqual(wanted(1, 5).filter((_, i) => i !== 2))
    frozen.release()
    expect(cold.info().residentBytes).toBe(databases.memoryBytes)
  })

  it('has it for itself, within the budget, when the stream is trimmed', () => {
    const values = taken()
    const { memoryBytes } = databases
    trim(db(), 's', { keep: { kind: 'max-len', entries: 0 } }, NOW)
    expect(cold.info().residentBytes).toBeGreaterThan(memoryBytes * 0.7)
    expect(values()).toEqual(wanted(1, 100))
    cold.memoryBytes = 0
    expect(cold.info().segments).toBe(9)
    expect(cold.info().residentBytes).toBeLessThan(databases.memoryBytes + 9 * 1000)
    expect(values()).toEqual(wanted(1, 100))
    frozen.release()
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, residentBytes: databases.memoryBytes })
  })

  it('gives back what it had on disk once', () => {
    const values = taken({ isReadBack: true })
    trim(db(), 's', { keep: { kind: 'max-len', entries: 0 } }, NOW)
    expect(cold.info().segments).toBe(0)
    expect(values()).toEqual(wanted(1, 100))
    frozen.release()
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, residentBytes: databases.memoryBytes })
  })
})

describe('the budget', () => {
  it('is kept to, whatever is added', () => {
    start({ memoryBytes: 100_000, segmentRowsMax: 100 })
    fill('s', 1, 5000)
    expect(databases.memoryBytes).toBeLessThan(100_000)
    expect(cold.info().residentBytes).toBe(databases.memoryBytes)
    expect(cold.info().segments).toBeGreaterThan(30)
  })

  it('sends what is not looked at first', () => {
    start({ memoryBytes: 1e6 })
    fill('hot', 1, 50)
    fill('s', 1, 50)
    for (let i = 1; i <= 50; i += ROWS) db().find('hot', NOW)!.has(idOf(i))
    cold.memoryBytes = databases.memoryBytes * 1.5
    expect(valuesOf('hot')).toEqual(wanted(1, 50))
    expect(cold.info()).toMatchObject({ reads: 0 })
    expect(cold.info().spills).toBeGreaterThan(0)
  })

  it('is one for all databases that have it', () => {
    start({ memoryBytes: 30_000 })
    const beside = new Databases({ cold })
    append(beside.at(1), { key: 't', fields: [Buffer.from('f'), Buffer.alloc(20_000)] }, NOW)
    fill('s', 1, 1000)
    expect(databases.memoryBytes + beside.memoryBytes).toBe(cold.info().residentBytes)
    expect(cold.info().segments).toBeGreaterThan(80)
    beside.release()
    expect(databases.memoryBytes).toBe(cold.info().residentBytes)
  })

  it('asks for a collection when much has been let go', () => {
    let collections = 0
    start({ segmentRowsMax: 4096, fileBytes: 1 << 26, collect: () => collections++ })
    const large = Buffer.alloc(1 << 20, 'v')
    for (let i = 0; i < 70; i++) append(db(), { key: 's', fields: [Buffer.from('f'), large] }, NOW)
    expect(collections).toBe(2)
  })
})

describe('files', () => {
  it('go when what is in them is trimmed, removed, replaced or flushed', () => {
    fill('s', 1, 300)
    expect(fs.list('/cold').length).toBeGreaterThan(2)
    trim(db(), 's', { keep: { kind: 'max-len', entries: 10 } }, NOW)
    expect(fs.list('/cold')).toEqual([])
    fill('s', 301, 400)
    fill('t', 1, 100)
    fill('u', 1, 100)
    removeKey(db(), 's', NOW)
    renameKey(db(), 't', 'u', NOW)
    expect(cold.info().segments).toBe(9)
    expect(valuesOf('u')).toEqual(wanted(1, 100))
    flush(db())
    expect(cold.info()).toMatchObject({ segments: 0, recordBytes: 0, fileBytes: 0 })
    expect(fs.list('/cold')).toEqual([])
  })

  it('are gone when the end is: the next one gives the same names', async () => {
    let letGo = (): void => undefined
    const removeSoon = fs.removeSoon.bind(fs)
    fs.removeSoon = async (path) => {
      await new Promise<void>((resolve) => (letGo = resolve))
      await removeSoon(path)
    }
    fill('s', 1, 11)
    let hasEnded = false
    const end = cold.close().then(() => (hasEnded = true))
    await settled()
    expect(hasEnded).toBe(false)
    letGo()
    await end
    expect(fs.list('/cold')).toEqual([])
  })

  it('of an earlier process are removed, and nothing else', () => {
    fill('s', 1, 100)
    fs.open('/cold/notes', 'create').close()
    start()
    expect(fs.list('/cold')).toEqual(['notes'])
  })

  it('that are mostly empty give their space back', () => {
    for (let i = 0; i < 40; i++) {
      fill('kept', i * 10 + 1, i * 10 + 10)
      fill('trimmed', i * 100 + 1, i * 100 + 100)
      trim(db(), 'trimmed', { keep: { kind: 'max-len', entries: 20 } }, NOW)
    }
    const { fileBytes, recordBytes } = cold.info()
    expect(fileBytes).toBeLessThan(3 * recordBytes)
    expect(valuesOf('kept')).toEqual(wanted(1, 400))
  })

  it('stay while somebody holds what was in them', () => {
    fill('s', 1, 100)
    const segment = db().find('s', NOW)!.segments[0]!
    const letGo = cold.hold()
    trim(db(), 's', { keep: { kind: 'max-len', entries: 0 } }, NOW)
    const { memoryBytes } = databases
    expect(Buffer.from(segment.fieldsAt(4)[1]!).toString()).toBe(valueOf(5))
    expect(databases.memoryBytes).toBe(memoryBytes)
    // Brought once more after it has left again.
    cold.clearCache()
    expect(Buffer.from(segment.fieldsAt(5)[1]!).toString()).toBe(valueOf(6))
    cold.clearCache()
    letGo()
    expect(() => segment.fieldsAt(4)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
    expect(cold.info()).toMatchObject({ files: 0, cachedBytes: 0 })
  })

  it('are all removed at the end', async () => {
    fill('s', 1, 100)
    await cold.close()
    expect(fs.list('/cold')).toEqual([])
  })
})

describe('a disk that fails', () => {
  it('takes no more: entries stay in memory, which is told once, and go when it does', () => {
    fs.quotaBytes = 0
    fill('s', 1, 100)
    expect(cold.info()).toMatchObject({ segments: 0, files: 0, failure: expect.stringContaining('ENOSPC') as string })
    expect(events.map(({ kind }) => kind)).toEqual(['spill-failed'])
    expect(valuesOf('s')).toEqual(wanted(1, 100))
    fs.heal()
    fill('s', 101, 111)
    expect(events.map(({ kind }) => kind)).toEqual(['spill-failed', 'spill-resumed'])
    expect(cold.info()).toMatchObject({ segments: 11, failure: undefined })
    expect(valuesOf('s')).toEqual(wanted(1, 111))
  })

  it('is not asked again by each read', () => {
    start({ cacheBytes: 100_000 })
    fill('s', 1, 50)
    fs.inject({ kind: 'write', error: 'EIO', times: Infinity })
    fill('s', 51, 61)
    const { operations } = fs
    valuesOf('s', 1, 5)
    expect(fs.trace.slice(-1)[0]!.kind).toBe('read')
    expect(fs.operations).toBeGreaterThan(operations)
    expect(fs.trace.slice(operations).filter(({ kind }) => kind === 'open')).toEqual([])
  })

  it('tells of each read that it refuses, with file and offset, and nothing has changed', () => {
    fill('s', 1, 100)
    fs.inject({ kind: 'read', error: 'EIO', times: Infinity })
    expect(() => valuesOf('s')).toThrow(/Reading \d+ bytes of \/cold\/cold-000001 at offset 0: EIO/)
    expect(() => deleteEntries(db(), 's', [idOf(15)], NOW)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
    expect(() => trim(db(), 's', { keep: { kind: 'max-len', entries: 55 } }, NOW)).toThrow('EIO')
    expect(db().find('s', NOW)!.length).toBe(100)
    fs.heal()
    expect(valuesOf('s')).toEqual(wanted(1, 100))
    expect(streamInfo(db(), 's', NOW).length).toBe(100)
  })

  it('gives other bytes than were written: each flipped bit is found', () => {
    fill('s', 1, 11)
    const record = cold.info().recordBytes
    for (let bit = 0; bit < record * 8; bit++) {
      let left = bit
      // The record is read in pieces.
      fs.inject({
        kind: 'read',
        flipBit: 0,
        matches: ({ bytes = 0 }) => {
          const isHere = left >= 0 && left < bytes * 8
          left -= bytes * 8
          return isHere
        },
      })
      expect(() => valuesOf('s', 1, 1)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
      fs.heal()
    }
    expect(valuesOf('s')).toEqual(wanted(1, 11))
  })

  it('has lost the end of a file', () => {
    fill('s', 1, 11)
    const file = fs.open('/cold/cold-000001', 'update')
    file.truncate(file.size() - 1)
    expect(() => valuesOf('s')).toThrow(/cold-000001 ends at offset \d+/)
  })

  it('fails between two segments of a delivery: nothing is delivered', () => {
    fill('s', 1, 100)
    createGroup(db(), { key: 's', group: 'g' }, { from: ID_ZERO }, NOW)
    const deliver = () =>
      readGroup(db(), { group: 'g', consumer: 'a', positions: [{ key: 's', from: '>' }], count: 100 }, NOW)
    const reads = fs.trace.filter(({ kind }) => kind === 'read').length
    expect(deliver()[0]!.entries.length).toBe(100)
    const needed = fs.trace.filter(({ kind }) => kind === 'read').length - reads
    for (let after = 0; after < needed; after++) {
      databases.release()
      start()
      fill('s', 1, 100)
      createGroup(db(), { key: 's', group: 'g' }, { from: ID_ZERO }, NOW)
      fs.inject({ kind: 'read', error: 'EIO', after })
      expect(deliver).toThrow('EIO')
      const group = db().find('s', NOW)!.group('g')!
      expect([group.pending.size, group.lastId]).toEqual([0, ID_ZERO])
      expect(deliver()[0]!.entries.length).toBe(100)
    }
  })

  it('fails at the segment that a trim ends in: nothing is trimmed', () => {
    start({ segmentRowsMax: 15 })
    fill('s', 1, 300)
    const approximate = { keep: { kind: 'min-id', id: idOf(101) }, approximate: true } as const
    fs.inject({ kind: 'read', error: 'EIO' })
    expect(() => trim(db(), 's', approximate, NOW)).toThrow('EIO')
    expect(db().find('s', NOW)!.nodes.count).toBe(3)
    expect(valuesOf('s')).toEqual(wanted(1, 300))
    expect(trim(db(), 's', approximate, NOW)).toBe(100)
  })

  it('does not let a file go: that is told', async () => {
    fill('s', 1, 100)
    fs.inject({ kind: 'remove', error: 'EIO', times: Infinity })
    removeKey(db(), 's', NOW)
    await settled()
    expect(new Set(events.map(({ kind }) => kind))).toEqual(new Set(['file-left']))
  })
})
