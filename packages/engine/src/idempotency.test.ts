/** Sources: redis.io/docs/latest/commands/xadd, xcfgset, xidmprecord, xinfo-stream; redis/redis #14615, #14794. */
import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries } from './append.ts'
import { copyChange, type Change } from './change.ts'
import { Database } from './database.ts'
import { Databases } from './databases.ts'
import { EngineError } from './errors.ts'
import { formatId, ID_MAX, parseId } from './id.ts'
import { appendOnce, expireIids, recordIid, setIdempotency, type IdempotencyInfo } from './idempotency.ts'
import { streamInfo } from './info.ts'
import { renameKey } from './keys.ts'
import { length } from './read-range.ts'

let database: Database

beforeEach(() => {
  database = new Database()
})

const bytes = (texts: readonly string[]): Uint8Array[] => texts.map((text) => Buffer.from(text))

/** IDMP when there is an iid, else IDMPAUTO. A duplicate has a `=` before it. */
function once(producer: string, iid: string | undefined, nowMs: number, ...fields: string[]): string {
  const pairs = bytes(fields.length > 0 ? fields : ['f', 'v'])
  const { id, isDuplicate } = appendOnce(database, { key: 's', fields: pairs, producer, ...(iid && { iid }) }, nowMs)!
  return (isDuplicate ? '=' : '') + formatId(id)
}

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof EngineError) return error.code
    throw error
  }
  return 'accepted'
}

const info = (nowMs: number): IdempotencyInfo => streamInfo(database, 's', nowMs).idempotency

describe('an append with a producer (IDMP, IDMPAUTO)', () => {
  it('returns the original ID to a duplicate, and adds nothing', () => {
    expect([once('p', 'a', 1), once('p', 'a', 5), once('p', 'b', 5)]).toEqual(['1-0', '=1-0', '5-0'])
    expect(length(database, 's', 5)).toBe(2)
    expect(info(5)).toEqual({
      durationS: 100,
      sizeMax: 100,
      producersTracked: 1,
      iidsTracked: 2,
      iidsAdded: 2,
      iidsDuplicates: 1,
    })
  })

  it('keeps producers apart', () => {
    expect([once('p', 'a', 1), once('q', 'a', 2)]).toEqual(['1-0', '2-0'])
    expect(info(2)).toMatchObject({ producersTracked: 2, iidsTracked: 2 })
  })

  it('returns the original ID though the entry was deleted since', () => {
    once('p', 'a', 1)
    deleteEntries(database, 's', [parseId('1-0')], 1)
    expect(once('p', 'a', 2)).toBe('=1-0')
  })

  it('knows by itself an entry with the same pairs in another order', () => {
    expect(once('p', undefined, 1, 'a', '1', 'b', '2')).toBe('1-0')
    expect(once('p', undefined, 2, 'b', '2', 'a', '1')).toBe('=1-0')
    expect(once('p', undefined, 3, 'a', '1', 'b', '3')).toBe('3-0')
  })

  it('does not trim for a duplicate', () => {
    once('p', 'a', 1)
    once('p', 'b', 2)
    const trim = { keep: { kind: 'max-len', entries: 0 } } as const
    appendOnce(database, { key: 's', fields: bytes(['f', 'v']), producer: 'p', iid: 'a', trim }, 3)
    expect(length(database, 's', 3)).toBe(2)
  })

  it('finds a duplicate before it finds the IDs exhausted', () => {
    once('p', 'a', 1)
    append(database, { key: 's', fields: bytes(['f', 'v']), id: { kind: 'exact', id: ID_MAX } }, 1)
    expect(once('p', 'a', 2)).toBe('=1-0')
    expect(refusal(() => once('p', 'b', 2))).toBe('IDS_EXHAUSTED')
    expect(info(2).iidsAdded).toBe(1)
  })

  it('creates nothing with noMkStream, and refuses empty names', () => {
    const entry = { key: 's', fields: bytes(['f', 'v']), producer: 'p', iid: 'a' }
    expect(appendOnce(database, { ...entry, noMkStream: true }, 1)).toBeUndefined()
    expect(refusal(() => appendOnce(database, { ...entry, producer: '' }, 1))).toBe('BAD_ARGUMENT')
    expect(refusal(() => appendOnce(database, { ...entry, iid: '' }, 1))).toBe('BAD_ARGUMENT')
    expect(database.keyCount).toBe(0)
  })
})

describe('what is remembered', () => {
  it('is forgotten when its ID is as old as the duration', () => {
    once('p', 'a', 1_000)
    expect(once('p', 'a', 100_999)).toBe('=1000-0')
    expect(once('p', 'a', 101_000)).toBe('101000-0')
    expect(info(101_000)).toMatchObject({ iidsTracked: 1, iidsAdded: 2, iidsDuplicates: 1 })
  })

  it('is forgotten by the clock, also under keys that nobody looks at', () => {
    once('p', 'a', 1_000)
    once('q', 'b', 50_000)
    expect(expireIids(database, 100_999)).toBe(true)
    expect(database.find('s', 0)!.producers).toMatchObject({ producerCount: 2, tracked: 2 })
    expect(expireIids(database, 101_000)).toBe(true)
    expect(database.find('s', 0)!.producers).toMatchObject({ producerCount: 1, tracked: 1 })
    expect(expireIids(database, 150_000)).toBe(false)
    expect(database.find('s', 0)!.producers).toMatchObject({ producerCount: 0, tracked: 0, added: 2 })
  })

  it('is forgotten by the clock a few streams at a time, each in its turn', () => {
    const keys = ['k0', 'k1', 'k2', 'k3', 'k4']
    for (const key of keys) appendOnce(database, { key, fields: bytes(['f', 'v']), producer: 'p', iid: 'a' }, 1_000)
    const tracked = (): number[] => keys.map((key) => database.find(key, 0)!.producers!.tracked)
    expect(expireIids(database, 2_000, 3)).toBe(true)
    expect(expireIids(database, 101_000, 2)).toBe(true)
    expect(tracked()).toEqual([1, 1, 1, 0, 0])
    expect(expireIids(database, 101_000, 2)).toBe(true)
    expect(tracked()).toEqual([0, 0, 1, 0, 0])
    expect(expireIids(database, 101_000, 2)).toBe(false)
  })

  it('is at most so much of each producer, the oldest goes first', () => {
    once('p', 'x', 1)
    setIdempotency(database, 's', { sizeMax: 2 }, 1)
    for (const iid of ['a', 'b', 'c']) once('p', iid, 2)
    expect([once('p', 'c', 3), once('p', 'b', 3), once('p', 'a', 3)]).toEqual(['=2-2', '=2-1', '3-0'])
    expect(info(3).iidsTracked).toBe(2)
  })

  it('is forgotten in time though it was recorded behind something newer', () => {
    for (const ms of [1, 90]) append(database, { key: 's', fields: bytes(['f', 'v']) }, ms * 1000)
    recordIid(database, { key: 's', producer: 'p', iid: 'new', id: parseId('90000-0') }, 90_000)
    recordIid(database, { key: 's', producer: 'p', iid: 'old', id: parseId('1000-0') }, 90_000)
    expect(once('p', 'old', 102_000)).toBe('102000-0')
    expect(once('p', 'new', 102_000)).toBe('=90000-0')
  })

  it('is forgotten in time when what was newer has been evicted', () => {
    for (const ms of [1, 90, 91]) append(database, { key: 's', fields: bytes(['f', 'v']) }, ms * 1000)
    setIdempotency(database, 's', { sizeMax: 2 }, 0)
    for (const ms of [90, 1, 91]) {
      recordIid(database, { key: 's', producer: 'p', iid: `${ms}`, id: parseId(`${ms}000-0`) }, 91_000)
    }
    expect(info(91_000).iidsTracked).toBe(2)
    expect(info(101_000).iidsTracked).toBe(1)
  })

  it('vanishes with the key', () => {
    once('p', 'a', 1)
    database.commit({ kind: 'key-removed', key: 's', reason: 'deleted' })
    expect(expireIids(database, 2)).toBe(false)
    expect(once('p', 'a', 2)).toBe('2-0')
    expect(info(2)).toMatchObject({ iidsAdded: 1 })
  })
})

describe('settings (XCFGSET)', () => {
  it('forget everything when a value changes, and nothing when none does', () => {
    once('p', 'a', 1)
    setIdempotency(database, 's', { durationS: 100, sizeMax: 100 }, 1)
    expect(once('p', 'a', 2)).toBe('=1-0')
    setIdempotency(database, 's', { durationS: 200 }, 2)
    expect(info(2)).toMatchObject({ durationS: 200, sizeMax: 100, producersTracked: 0, iidsTracked: 0, iidsAdded: 1 })
    expect(once('p', 'a', 3)).toBe('3-0')
  })

  it('are refused outside their ranges, without a value, and without the key', () => {
    const set = (wanted: object): string => refusal(() => setIdempotency(database, 's', wanted, 1))
    expect(set({ durationS: 1 })).toBe('NO_SUCH_KEY')
    once('p', 'a', 1)
    const wrong = [{}, { durationS: 0 }, { durationS: 86_401 }, { sizeMax: 0 }, { sizeMax: 10_001 }]
    expect(wrong.map(set)).toEqual(wrong.map(() => 'BAD_ARGUMENT'))
    expect([set({ durationS: 86_400 }), set({ sizeMax: 10_000 })]).toEqual(['accepted', 'accepted'])
  })

  it('come from the database for new streams, and stay what they were for old ones', () => {
    const changes: Change[] = []
    database.subscribe((change) => changes.push(copyChange(change)))
    once('p', 'a', 1)
    database.idempotency = { durationS: 7, sizeMax: 8 }
    append(database, { key: 't', fields: bytes(['f', 'v']) }, 1)
    const replayed = new Database()
    for (const change of changes) replayed.apply(change)
    for (const one of [database, replayed]) {
      expect(streamInfo(one, 't', 1).idempotency).toMatchObject({ durationS: 7, sizeMax: 8 })
      expect(streamInfo(one, 's', 1).idempotency).toMatchObject({ durationS: 100, sizeMax: 100 })
    }
  })
})

describe('settings of all databases', () => {
  it('hold in those that are made later too, and their IDs survive a rename, a copy and a swap', () => {
    const databases = new Databases()
    databases.at(0)
    databases.setIdempotency({ durationS: 3, sizeMax: 4 })
    for (const index of [0, 1]) {
      append(databases.at(index), { key: 's', fields: bytes(['f', 'v']) }, 1)
      expect(streamInfo(databases.at(index), 's', 1).idempotency).toMatchObject({ durationS: 3, sizeMax: 4 })
    }
    appendOnce(databases.at(0), { key: 's', fields: bytes(['f', 'v']), producer: 'p', iid: 'a' }, 10)
    renameKey(databases.at(0), 's', 't', 10)
    databases.copy({ key: 't', database: 0 }, { key: 'u', database: 0 }, { replace: false }, 10)
    databases.swap(0, 1, 10)
    for (const key of ['t', 'u']) {
      const entry = { key, fields: bytes(['f', 'v']), producer: 'p', iid: 'a' }
      expect(appendOnce(databases.at(1), entry, 20)).toEqual({ id: parseId('10-0'), isDuplicate: true })
    }
    expect(expireIids(databases.at(1), 3010)).toBe(false)
    expect(streamInfo(databases.at(1), 'u', 20).idempotency).toMatchObject({ iidsTracked: 0, iidsAdded: 1 })
  })
})

describe('recording one (XIDMPRECORD)', () => {
  const record = (iid: string, id: string): string =>
    refusal(() => recordIid(database, { key: 's', producer: 'p', iid, id: parseId(id) }, 5))

  it('makes an entry known that is there', () => {
    append(database, { key: 's', fields: bytes(['f', 'v']) }, 1)
    expect(record('a', '1-0')).toBe('accepted')
    expect(once('p', 'a', 5)).toBe('=1-0')
  })

  it('is refused without the key, without the entry, and for an ID that means another entry', () => {
    expect(record('a', '1-0')).toBe('NO_SUCH_KEY')
    for (const ms of [1, 2]) append(database, { key: 's', fields: bytes(['f', 'v']) }, ms)
    expect(record('a', '3-0')).toBe('NO_SUCH_ENTRY')
    expect([record('a', '1-0'), record('a', '1-0'), record('a', '2-0')]).toEqual(['accepted', 'accepted', 'IID_TAKEN'])
    expect(info(5).iidsAdded).toBe(1)
  })
})
