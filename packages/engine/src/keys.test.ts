import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries, trim } from './append.ts'
import { copyChange, type Change } from './change.ts'
import { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { expireAt, flush, keyMemoryBytes, persist, randomKey, removeKey, renameKey, restoreKey, scan } from './keys.ts'
import { dumpValue } from './rdb/dump-writer.ts'
import { length, range } from './read-range.ts'
import { getString, setString } from './strings.ts'

let database: Database
let changes: Change[]

beforeEach(() => {
  database = new Database()
  changes = []
  database.subscribe((change) => changes.push(copyChange(change)))
})

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const set = (key: string, value = 'v', expiresAtMs?: number | 'keep', nowMs = 0): void =>
  setString(database, { key, value: bytes(value), ...(expiresAtMs === undefined ? {} : { expiresAtMs }) }, nowMs)
const get = (key: string, nowMs = 0): string | undefined => {
  const value = getString(database, key, nowMs)
  return value && Buffer.from(value).toString('latin1')
}
const add = (key: string, ms = 1): unknown => append(database, { key, fields: [bytes('f'), bytes('v')] }, ms)

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof EngineError) return error.code
    throw error
  }
  return 'accepted'
}

describe('a string', () => {
  it('is what was set, copied, whatever becomes of the buffer', () => {
    const value = Buffer.from('before')
    setString(database, { key: 'k', value }, 0)
    value.write('after!')
    expect(get('k')).toBe('before')
    expect(database.value('k', 0)?.type).toBe('string')
  })

  it('holds any bytes, however many', () => {
    for (const length of [0, 1, 255, 1024, 1025, 100_000]) {
      const value = Uint8Array.from({ length }, (_, i) => i * 7)
      const given = Buffer.concat([Buffer.from('ab'), value])
      setString(database, { key: 'k', value: given.subarray(2) }, 0)
      given.fill(0)
      const found = getString(database, 'k', 0)!
      expect(Buffer.compare(found, value)).toBe(0)
      expect(database.memoryBytes).toBeGreaterThan(length)
    }
  })

  it('loses its expiry when it is set again, unless told to keep it', () => {
    set('k', '1', 100)
    set('k', '2', 'keep')
    expect(database.expiresAtMs('k')).toBe(100)
    set('k', '3')
    expect(database.expiresAtMs('k')).toBeUndefined()
    expect(database.expiringKeyCount).toBe(0)
    set('k', '4', 'keep')
    expect(database.expiresAtMs('k')).toBeUndefined()
  })

  it('set with an expiry that has passed is gone at once, together with what was there', () => {
    set('k', '1')
    set('k', '2', 50, 50)
    set('new', '2', 50, 50)
    expect([get('k', 50), get('new', 50), database.keyCount]).toEqual([undefined, undefined, 0])
    expect(changes.map(({ kind }) => kind)).toEqual(['string-set', 'key-removed'])
  })

  it('keeps nothing of an expired one', () => {
    set('k', '1', 100)
    set('k', '2', 'keep', 100)
    expect([get('k', 1000), database.expiresAtMs('k')]).toEqual(['2', undefined])
  })

  it('replaces a stream, and is refused by stream commands as a stream is by GET', () => {
    add('s')
    expect(refusal(() => get('s'))).toBe('WRONG_TYPE')
    set('s')
    expect(refusal(() => add('s'))).toBe('WRONG_TYPE')
    expect(refusal(() => length(database, 's', 0))).toBe('WRONG_TYPE')
    removeKey(database, 's', 0)
    add('s')
    expect(length(database, 's', 0)).toBe(1)
  })

  it('refuses an expiry that is no whole number', () => {
    expect(refusal(() => set('k', 'v', 1.5))).toBe('BAD_ARGUMENT')
  })
})

describe('a restored key', () => {
  const dumped = (key: string): Uint8Array => dumpValue(database.value(key, 0)!)

  it('holds what was dumped, in place of what was there, and expires when it is told to', () => {
    add('s')
    set('k', 'v', 50)
    const payload = dumped('s')
    add('s', 2)
    restoreKey(database, { key: 'k', payload }, 10)
    expect([length(database, 'k', 10), database.expiresAtMs('k')]).toEqual([1, undefined])
    restoreKey(database, { key: 's', payload, expiresAtMs: 99 }, 10)
    expect([length(database, 's', 10), database.expiresAtMs('s')]).toEqual([1, 99])
    restoreKey(database, { key: 'k', payload: dumpValue(database.value('s', 10)!) }, 99)
    expect([length(database, 's', 99), length(database, 'k', 99)]).toEqual([0, 1])
  })

  it('is gone at once with an expiry that has passed, together with what was there', () => {
    set('k', '1')
    const payload = dumped('k')
    changes.length = 0
    restoreKey(database, { key: 'k', payload, expiresAtMs: 10 }, 10)
    restoreKey(database, { key: 'new', payload, expiresAtMs: 10 }, 10)
    expect([database.keyCount, changes.map(({ kind }) => kind)]).toEqual([0, ['key-removed']])
  })

  it('is not there when the payload is refused, and what was there stays', () => {
    set('k', '1')
    const payload = dumped('k')
    payload[1]! ^= 1
    changes.length = 0
    for (const key of ['k', 'new']) {
      expect(refusal(() => restoreKey(database, { key, payload }, 0))).toBe('CORRUPT')
      expect(refusal(() => restoreKey(database, { key, payload, expiresAtMs: -1 }, 0))).toBe('CORRUPT')
    }
    expect(refusal(() => restoreKey(database, { key: 'k', payload, expiresAtMs: 0.5 }, 0))).toBe('BAD_ARGUMENT')
    expect([get('k'), database.keyCount, changes]).toEqual(['1', 1, []])
  })

  it('is kept by whoever copies the change, as a string is, whatever becomes of the bytes', () => {
    add('s')
    const [payload, value] = [Buffer.from(dumped('s')), Buffer.from('before')]
    restoreKey(database, { key: 'k', payload }, 0)
    setString(database, { key: 'text', value }, 0)
    for (const given of [payload, value]) given.fill(1)
    const again = new Database()
    for (const change of changes) again.apply(change)
    expect(range(again, { key: 'k' }, 0)).toEqual(range(database, { key: 's' }, 0))
    expect(getString(again, 'text', 0)).toEqual(getString(database, 'text', 0))
  })

  it('touches who watches it', () => {
    add('s')
    const watches = ['s', 'k', 'other'].map((key) => database.watch(key, 0))
    for (const key of ['s', 'k']) restoreKey(database, { key, payload: dumped('s') }, 0)
    expect(watches.map((watch) => watch.isDirty(0))).toEqual([true, true, false])
  })
})

describe('the memory account', () => {
  it('includes what was restored, until it is replaced', () => {
    add('s')
    set('k', 'x'.repeat(5000))
    const payload = dumpValue(database.value('k', 0)!)
    removeKey(database, 'k', 0)
    const before = database.memoryBytes
    restoreKey(database, { key: 'k', payload }, 0)
    restoreKey(database, { key: 's', payload: dumpValue(database.value('s', 0)!) }, 0)
    expect(database.memoryBytes).toBe(keyMemoryBytes(database, 'k', 0)! + keyMemoryBytes(database, 's', 0)!)
    expect(database.memoryBytes).toBeGreaterThan(before + 5000)
    restoreKey(database, { key: 'k', payload: dumpValue(database.value('s', 0)!) }, 0)
    removeKey(database, 'k', 0)
    expect(database.memoryBytes).toBe(keyMemoryBytes(database, 's', 0))
  })

  it('includes strings, and is empty again when all keys are gone', () => {
    set('a', 'x'.repeat(1000), 50)
    add('s')
    const both = database.memoryBytes
    expect(keyMemoryBytes(database, 'a', 0)! + keyMemoryBytes(database, 's', 0)!).toBe(both)
    expect(keyMemoryBytes(database, 'a', 0)).toBeGreaterThan(1000)
    expect(keyMemoryBytes(database, 'none', 0)).toBeUndefined()
    renameKey(database, 's', 'a', 0)
    expect(database.memoryBytes).toBeLessThan(both - 1000)
    add('t')
    removeKey(database, 't', 0)
    removeKey(database, 'a', 0)
    expect(database.memoryBytes).toBe(0)
  })

  it('is empty after a flush', () => {
    set('a')
    add('s')
    expect(flush(database)).toBe(2)
    expect([database.memoryBytes, database.keyCount, database.expiringKeyCount]).toEqual([0, 0, 0])
    expect(flush(database)).toBe(0)
    expect(changes.at(-1)).toEqual({ kind: 'flushed' })
    expect(changes.filter(({ kind }) => kind === 'flushed')).toHaveLength(1)
  })
})

describe('renaming', () => {
  it('takes the value and its expiry along and replaces what was there', () => {
    set('a', 'A', 100)
    set('b', 'B', 200)
    renameKey(database, 'a', 'b', 0)
    expect([get('a'), get('b'), database.expiresAtMs('b'), database.keyCount]).toEqual([undefined, 'A', 100, 1])
    set('c', 'C')
    renameKey(database, 'c', 'b', 0)
    expect([get('b'), database.expiresAtMs('b'), database.nextExpiryMs()]).toEqual(['C', undefined, undefined])
  })

  it('refuses a key that is not there, and leaves one that keeps its name alone', () => {
    expect(refusal(() => renameKey(database, 'a', 'b', 0))).toBe('NO_SUCH_KEY')
    set('a', 'A', 100)
    const before = database.changeCount
    renameKey(database, 'a', 'a', 0)
    expect([get('a'), database.expiresAtMs('a'), database.changeCount]).toEqual(['A', 100, before])
    expect(refusal(() => renameKey(database, 'a', 'b', 100))).toBe('NO_SUCH_KEY')
  })

  it('keeps a stream as it was', () => {
    add('s', 5)
    renameKey(database, 's', 't', 0)
    expect(range(database, { key: 't' }, 0).map(({ id }) => id)).toEqual([{ ms: 5n, seq: 0n }])
    expect(trim(database, 't', { keep: { kind: 'max-len', entries: 0 } }, 0)).toBe(1)
  })
})

describe('expiry', () => {
  it('holds for strings as for streams', () => {
    set('a')
    add('s')
    for (const key of ['a', 's']) {
      expect(expireAt(database, key, 100, 0)).toBe(true)
      expect(persist(database, key, 0)).toBe(true)
      expect(persist(database, key, 0)).toBe(false)
      expireAt(database, key, 100, 0)
    }
    expect(database.expiringKeyCount).toBe(2)
    expect([get('a', 99), get('a', 100), database.value('s', 100)]).toEqual(['v', undefined, undefined])
    expect(database.keyCount).toBe(0)
  })

  it('is swept the earliest first, no more than asked', () => {
    for (let i = 0; i < 10; i++) set(`k${i}`, 'v', 100 - i)
    expect(database.sweep(95, 3)).toBe(3)
    expect([...database.keys()].sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6'])
    expect(database.sweep(95, 100)).toBe(2)
    expect(database.nextExpiryMs()).toBe(96)
  })
})

describe('a random key', () => {
  it('is any of those that have not expired', () => {
    for (let i = 0; i < 5; i++) set(`k${i}`, 'v', i < 3 ? 100 : undefined)
    const seen = new Set<string | undefined>()
    let turn = 0
    for (let i = 0; i < 50; i++) seen.add(randomKey(database, () => (turn++ % 10) / 10, 100))
    expect([...seen].sort()).toEqual(['k3', 'k4'])
    expect(database.keyCount).toBe(2)
  })

  it('is none when all have expired', () => {
    set('a', 'v', 10)
    set('b', 'v', 10)
    expect(randomKey(database, () => 0.999, 10)).toBeUndefined()
  })
})

describe('a scan', () => {
  /** A whole walk; `between` is called after each step. */
  function walk(countMax: number, between: () => void = () => {}, nowMs = 0): string[] {
    const seen: string[] = []
    let cursor = 0
    do {
      const step = scan(database, cursor, countMax, nowMs)
      seen.push(...step.keys)
      cursor = step.cursor
      between()
    } while (cursor !== 0)
    return seen
  }

  it('gives every key once when nothing changes, in steps of any size', () => {
    for (let i = 0; i < 25; i++) set(`k${i}`)
    for (const countMax of [1, 7, 25, 1000]) {
      const seen = walk(countMax)
      expect(seen).toHaveLength(25)
      expect(new Set(seen).size).toBe(25)
    }
  })

  it('ends although a key is added for each that it gives', () => {
    for (let i = 0; i < 20; i++) set(`k${i}`)
    let added = 0
    const seen = walk(1, () => set(`later${added++}`))
    for (let i = 0; i < 20; i++) expect(seen).toContain(`k${i}`)
    expect(seen).toHaveLength(20)
  })

  it('gives a key that others are renamed over', () => {
    for (let i = 0; i < 20; i++) set(`k${i}`)
    set('fresh')
    const first = scan(database, 0, 10, 0)
    // 'k0' has yet to come; it is replaced, which puts the last key into a gap.
    renameKey(database, 'fresh', 'k0', 0)
    const rest = scan(database, first.cursor, 100, 0)
    expect(rest.keys).toContain('k0')
  })

  it('leaves out what has expired and gives all the others', () => {
    for (let i = 0; i < 30; i++) set(`k${i}`, 'v', i % 3 === 0 ? 10 : undefined)
    expect(new Set(walk(4, undefined, 10)).size).toBe(20)
    expect(database.keyCount).toBe(20)
  })

  it('goes on from any cursor and refuses what is none', () => {
    set('a')
    expect(scan(database, 12_345, 10, 0)).toEqual({ cursor: 0, keys: ['a'] })
    for (const cursor of [-1, 0.5, 2 ** 53]) expect(refusal(() => scan(database, cursor, 1, 0))).toBe('BAD_ARGUMENT')
    for (const count of [0, 1.5]) expect(refusal(() => scan(database, 0, count, 0))).toBe('BAD_ARGUMENT')
    flush(database)
    expect(scan(database, 0, 10, 0)).toEqual({ cursor: 0, keys: [] })
  })
})

describe('watching', () => {
  it('sees its key set, changed, removed, renamed, given an expiry, and nothing else', () => {
    const touches: readonly (() => unknown)[] = [
      () => set('a', 'new'),
      () => removeKey(database, 'a', 0),
      () => renameKey(database, 'a', 'z', 0),
      () => renameKey(database, 'b', 'a', 0),
      () => expireAt(database, 'a', 100, 0),
      () => flush(database),
    ]
    for (const touch of touches) {
      set('a')
      set('b')
      const [watch, other] = [database.watch('a', 0), database.watch('b', 0)]
      add('s')
      getString(database, 'a', 0)
      expect([watch.isDirty(0), other.isDirty(0)]).toEqual([false, false])
      touch()
      expect(watch.isDirty(0)).toBe(true)
      watch.end()
      other.end()
    }
    expect([...database.watchedKeys()]).toEqual([])
  })

  it('sees a stream get and lose entries, but not an empty trim', () => {
    add('s')
    const trimmed = (entries: number): number => trim(database, 's', { keep: { kind: 'max-len', entries } }, 0)
    const first = database.watch('s', 0)
    expect([trimmed(1), first.isDirty(0)]).toEqual([0, false])
    expect([trimmed(0), first.isDirty(0)]).toEqual([1, true])
    const second = database.watch('s', 0)
    add('s', 9)
    expect(second.isDirty(0)).toBe(true)
  })

  it('does not see a trim that only clears a node whose entries had gone', () => {
    for (const ms of [1, 2, 3]) add('s', ms)
    const trimmed = (ms: bigint): number => trim(database, 's', { keep: { kind: 'min-id', id: { ms, seq: 0n } } }, 0)
    deleteEntries(database, 's', [{ ms: 3n, seq: 0n }], 0)
    expect(trimmed(3n)).toBe(2)
    const watch = database.watch('s', 0)
    const before = database.changeCount
    expect([trimmed(9n), database.changeCount - before, watch.isDirty(0)]).toEqual([0, 1, false])
  })

  it('sees its key expire, looked at or not', () => {
    set('a', 'v', 100)
    const [first, second] = [database.watch('a', 0), database.watch('a', 0)]
    expect([first.isDirty(99), first.isDirty(100)]).toEqual([false, true])
    database.sweep(100, 10)
    set('a')
    expect(second.isDirty(0)).toBe(true)
  })

  it('takes a key that had expired before for one that is not there', () => {
    set('a', 'v', 100)
    const watch = database.watch('a', 100)
    database.sweep(1000, 10)
    flush(database)
    expect(watch.isDirty(1000)).toBe(false)
    set('a')
    expect(watch.isDirty(1000)).toBe(true)
  })

  it('is over when it is ended', () => {
    const [ended, kept] = [database.watch('a', 0), database.watch('a', 0)]
    ended.end()
    ended.end()
    set('a')
    expect([ended.isDirty(0), kept.isDirty(0)]).toEqual([false, true])
  })
})

it('counts the changes, of a refused or idle command none', () => {
  set('a')
  add('s')
  const before = database.changeCount
  expect(before).toBe(3)
  removeKey(database, 'none', 0)
  persist(database, 'a', 0)
  refusal(() => add('a'))
  expect(database.changeCount).toBe(before)
})

it('replays a recorded history into the same keys', () => {
  set('a', 'A', 100)
  add('s')
  renameKey(database, 's', 't', 0)
  set('b')
  flush(database)
  set('c', 'C', 300)
  add('u')
  renameKey(database, 'c', 'd', 0)
  const replayed = new Database()
  for (const change of changes) replayed.apply(change)
  expect([...replayed.keys()].sort()).toEqual(['d', 'u'])
  expect(replayed.expiresAtMs('d')).toBe(300)
  expect(replayed.memoryBytes).toBe(database.memoryBytes)
})

it('tells who watches a key of an expiry that is set again to the same time', () => {
  set('watched')
  expireAt(database, 'watched', 1000, 0)
  const watch = database.watch('watched', 0)
  expireAt(database, 'watched', 1000, 0)
  expect(watch.isDirty(0)).toBe(true)
  watch.end()
})
