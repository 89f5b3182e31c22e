import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries, trim } from './append.ts'
import { copyChange, type Change, type CrossChange } from './change.ts'
import { acknowledge } from './acknowledge.ts'
import { claim } from './claim.ts'
import type { Database } from './database.ts'
import { Databases } from './databases.ts'
import { EngineError } from './errors.ts'
import { createConsumer, createGroup, deleteConsumer } from './group-commands.ts'
import { formatId, ID_ZERO } from './id.ts'
import { appendOnce, expireIids } from './idempotency.ts'
import { fullStreamInfo } from './info.ts'
import { expireAt, flush, removeKey, renameKey, restoreKey } from './keys.ts'
import { negativeAcknowledge } from './nack.ts'
import { dumpValue } from './rdb/dump-writer.ts'
import { readGroup } from './read-group.ts'
import { fixPositions, length, read } from './read-range.ts'
import { getString, setString } from './strings.ts'
import { Waiters } from './waiters.ts'

let databases: Databases
let told: [number, Change | CrossChange][]

beforeEach(() => {
  databases = new Databases({ nodeEntriesMax: 4 })
  told = []
  databases.subscribe((index, change) => told.push([index, copyChange(change)]))
})

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const set = (index: number, key: string, value: string, expiresAtMs?: number): void =>
  setString(databases.at(index), { key, value: bytes(value), ...(expiresAtMs && { expiresAtMs }) }, 0)
const get = (index: number, key: string, nowMs = 0): string | undefined => {
  const value = getString(databases.at(index), key, nowMs)
  return value && Buffer.from(value).toString('latin1')
}
const add = (index: number, key: string, ms: number): void =>
  void append(databases.at(index), { key, fields: [bytes('f'), bytes(`v${ms}`)] }, ms)

function restoreText(key: string): void {
  set(1, 'text', 'v')
  restoreKey(databases.at(0), { key, payload: dumpValue(databases.at(1).peek('text')!) }, 1)
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

/** A stream with tombstones, an emptied node, groups, gaps in its consumers' numbers, and pending entries of all ages. */
function richStream(database: Database, key: string): void {
  for (let ms = 1; ms <= 30; ms++) append(database, { key, fields: [bytes(`f${ms % 3}`), bytes(`v${ms}`)] }, ms)
  createGroup(database, { key, group: 'g' }, { from: ID_ZERO }, 0)
  createGroup(database, { key, group: 'h' }, { from: '$' }, 0)
  for (const consumer of ['a', 'b', 'c']) {
    const query = { group: 'g', consumer, positions: [{ key, from: '>' as const }], count: 6 }
    readGroup(database, query, 100 + consumer.charCodeAt(0))
  }
  deleteConsumer(database, { key, group: 'g', consumer: 'a' }, {}, 200)
  createConsumer(database, { key, group: 'g', consumer: 'd' }, 210)
  claim(database, { key, group: 'g', consumer: 'd' }, { ids: [{ ms: 8n, seq: 0n }], minIdleMs: 0 }, 300)
  acknowledge(database, { key, group: 'g' }, { ids: [{ ms: 13n, seq: 0n }] }, 310)
  const gone = [2, 5, 6, 7, 8, 9, 20, 30].map((ms) => ({ ms: BigInt(ms), seq: 0n }))
  deleteEntries(database, key, gone, 400)
  const given = { mode: 'fail' as const, ids: [15, 14].map((ms) => ({ ms: BigInt(ms), seq: 0n })) }
  negativeAcknowledge(database, { key, group: 'g' }, given, 410)
  appendOnce(database, { key, fields: [bytes('f'), bytes('once')], producer: 'p', iid: 'i' }, 420)
  expireAt(database, key, 5000, 420)
}

const picture = (index: number, key: string): unknown => {
  const { memoryBytes, ...info } = fullStreamInfo(databases.at(index), key, Infinity, 500)
  expect(memoryBytes).toBeGreaterThan(0)
  return plain(info)
}

/** Bytes as text: a Buffer and an array of the same bytes are the same here. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

describe('the databases', () => {
  it('are 16, made when they are asked for, each with keys of its own', () => {
    set(3, 'k', 'three')
    expect([get(3, 'k'), get(15, 'k')]).toEqual(['three', undefined])
    expect([...databases.made()].map(([index]) => index)).toEqual([3, 15])
    expect(databases.at(3)).toBe(databases.at(3))
    for (const index of [16, -1, 1.5, Number.NaN]) expect(refusal(() => databases.at(index))).toBe('BAD_ARGUMENT')
    expect(refusal(() => new Databases({ count: 0 }))).toBe('BAD_ARGUMENT')
  })

  it('count memory and changes together', () => {
    set(0, 'k', 'v')
    set(1, 'k', 'v')
    databases.swap(0, 1, 0)
    expect(databases.changeCount).toBe(3)
    expect(databases.memoryBytes).toBe(databases.at(0).memoryBytes + databases.at(1).memoryBytes)
    expect(databases.flush()).toBe(2)
    expect(databases.memoryBytes).toBe(0)
  })

  it('tell every change with its number, also of those made later, until that is ended', () => {
    const heard: string[] = []
    const end = databases.subscribe((index, { kind }) => heard.push(`${index} ${kind}`))
    set(0, 'k', 'v')
    databases.move('k', 0, 9, 0)
    set(9, 'l', 'v')
    end()
    set(9, 'l', 'w')
    set(10, 'l', 'w')
    expect(heard).toEqual(['0 string-set', '0 key-moved', '9 string-set'])
    expect(told).toHaveLength(5)
  })

  it('sweep expired keys wherever they are', () => {
    set(0, 'a', 'v', 30)
    set(5, 'b', 'v', 20)
    set(5, 'c', 'v', 10)
    expect(databases.nextExpiryMs()).toBe(10)
    expect(databases.sweep(50, 2)).toBe(2)
    expect(databases.sweep(50, 2)).toBe(1)
    expect(databases.nextExpiryMs()).toBeUndefined()
  })

  it('take new limits of nodes at any time', () => {
    databases.setNodeLimits({ entriesMax: 2, bytesMax: 0 })
    for (let ms = 1; ms <= 6; ms++) add(7, 's', ms)
    databases.at(7)
    expect(fullStreamInfo(databases.at(7), 's', 1, 0).nodeCount).toBe(3)
  })
})

describe('a move', () => {
  it('takes a key with its expiry, once, and not over another', () => {
    set(0, 'k', 'v', 100)
    const total = databases.memoryBytes
    expect(databases.move('k', 0, 1, 0)).toBe(true)
    expect([get(0, 'k'), get(1, 'k'), databases.at(1).expiresAtMs('k')]).toEqual([undefined, 'v', 100])
    expect(databases.at(0).memoryBytes).toBe(0)
    expect(databases.memoryBytes).toBe(total)
    expect(databases.move('k', 0, 1, 0)).toBe(false)
    set(0, 'k', 'w')
    expect(databases.move('k', 0, 1, 0)).toBe(false)
    expect(databases.move('k', 0, 1, 100)).toBe(true)
    expect(refusal(() => databases.move('k', 1, 1, 0))).toBe('BAD_ARGUMENT')
  })

  it('takes a stream whole', () => {
    richStream(databases.at(0), 's')
    const before = picture(0, 's')
    const bytesBefore = databases.memoryBytes
    databases.move('s', 0, 2, 0)
    expect(picture(2, 's')).toEqual(before)
    expect([databases.at(0).memoryBytes, databases.at(2).memoryBytes]).toEqual([0, bytesBefore])
    add(2, 's', 1000)
    removeKey(databases.at(2), 's', 0)
    expect(databases.memoryBytes).toBe(0)
  })
})

describe('a copy', () => {
  it('of a stream answers as the original does, and goes its own way', () => {
    richStream(databases.at(0), 's')
    const before = picture(0, 's')
    expect(databases.copy({ key: 's', database: 0 }, { key: 't', database: 1 }, { replace: false }, 500)).toBe(true)
    expect(picture(1, 't')).toEqual(before)
    const rule = { keep: { kind: 'max-len' as const, entries: 15 }, approximate: true, limit: 0 }
    const trimmed = [trim(databases.at(0), 's', rule, 600), trim(databases.at(1), 't', rule, 600)]
    expect(trimmed[0]).toBe(trimmed[1])
    expect(trimmed[0]).toBeGreaterThan(0)
    expect(picture(1, 't')).toEqual(picture(0, 's'))
    for (let ms = 700; ms < 710; ms++)
      for (const [index, key] of [
        [0, 's'],
        [1, 't'],
      ] as const)
        add(index, key, ms)
    expect(picture(1, 't')).toEqual(picture(0, 's'))
    const again = (index: number, key: string) =>
      appendOnce(databases.at(index), { key, fields: [bytes('f'), bytes('x')], producer: 'p', iid: 'i' }, 710)
    const repeated = again(1, 't')
    expect(repeated?.isDuplicate).toBe(true)
    expect(again(0, 's')).toEqual(repeated)
    // What was given back comes first, in that order, then what has been idle the longest.
    const claimIdle = (index: number, key: string): string[] => {
      const positions = [{ key, from: '>' as const }]
      const query = { group: 'g', consumer: 'd', positions, count: 4, claimMinIdleMs: 0 }
      return readGroup(databases.at(index), query, 750).flatMap(({ entries }) => entries.map(({ id }) => formatId(id)))
    }
    const claimed = claimIdle(1, 't')
    expect(claimed).toHaveLength(4)
    expect(claimed.slice(0, 2)).toEqual(['15-0', '14-0'])
    expect(claimIdle(0, 's')).toEqual(claimed)
    expect(picture(1, 't')).toEqual(picture(0, 's'))
    const untouched = picture(0, 's')
    acknowledge(databases.at(1), { key: 't', group: 'g' }, { ids: [{ ms: 14n, seq: 0n }] }, 800)
    deleteEntries(databases.at(1), 't', [{ ms: 15n, seq: 0n }], 800)
    createConsumer(databases.at(1), { key: 't', group: 'g', consumer: 'new' }, 800)
    deleteConsumer(databases.at(1), { key: 't', group: 'g', consumer: 'b' }, {}, 800)
    expect(picture(0, 's')).toEqual(untouched)
    const entries = length(databases.at(0), 's', 900)
    expect(trim(databases.at(0), 's', { keep: { kind: 'max-len', entries: 1 } }, 900)).toBe(entries - 1)
    for (const [index, key] of [
      [0, 's'],
      [1, 't'],
    ] as const)
      removeKey(databases.at(index), key, 0)
    expect(databases.memoryBytes).toBe(0)
  })

  it('of a stream shares nothing with it', () => {
    for (let ms = 1; ms <= 6; ms++) add(0, 's', ms)
    databases.copy({ key: 's', database: 0 }, { key: 't', database: 0 }, { replace: false }, 0)
    deleteEntries(
      databases.at(0),
      't',
      [2, 3, 6].map((ms) => ({ ms: BigInt(ms), seq: 0n })),
      0,
    )
    expect([length(databases.at(0), 's', 0), length(databases.at(0), 't', 0)]).toEqual([6, 3])
    for (const [key, removed] of [
      ['s', 4],
      ['t', 1],
    ] as const) {
      const keep = { kind: 'max-len' as const, entries: 2 }
      expect(trim(databases.at(0), key, { keep, approximate: true }, 0)).toBe(key === 's' ? removed : 0)
      expect(trim(databases.at(0), key, { keep }, 0)).toBe(key === 's' ? 0 : removed)
    }
  })

  it('remembers what producers sent, and so do a renamed and a moved one, each until it expires', () => {
    appendOnce(databases.at(0), { key: 's', fields: [bytes('f'), bytes('v')], producer: 'p', iid: 'i' }, 0)
    databases.copy({ key: 's', database: 0 }, { key: 's', database: 1 }, { replace: false }, 0)
    databases.copy({ key: 's', database: 0 }, { key: 'x', database: 0 }, { replace: false }, 0)
    renameKey(databases.at(0), 's', 'renamed', 0)
    databases.move('x', 0, 2, 0)
    set(0, 's', 'a string')
    const left = [0, 1, 2].map((index) => expireIids(databases.at(index), 99_999))
    expect(left).toEqual([true, true, true])
    const gone = [0, 1, 2].map((index) => expireIids(databases.at(index), 200_000))
    expect(gone).toEqual([false, false, false])
    const expired = told.filter(([, { kind }]) => kind === 'iids-expired')
    expect(expired.map(([index]) => index)).toEqual([0, 1, 2])
  })

  it('replaces another key only when told to', () => {
    set(0, 'a', 'A', 100)
    set(0, 'b', 'B')
    const [from, to] = [
      { key: 'a', database: 0 },
      { key: 'b', database: 0 },
    ]
    expect(databases.copy(from, to, { replace: false }, 0)).toBe(false)
    expect(databases.copy(from, to, { replace: true }, 0)).toBe(true)
    expect([get(0, 'a'), get(0, 'b'), databases.at(0).expiresAtMs('b')]).toEqual(['A', 'A', 100])
    expect(databases.copy({ key: 'none', database: 0 }, to, { replace: true }, 0)).toBe(false)
    expect(databases.copy(from, { key: 'c', database: 0 }, { replace: false }, 100)).toBe(false)
    expect(refusal(() => databases.copy(from, from, { replace: true }, 0))).toBe('BAD_ARGUMENT')
  })
})

describe('a swap', () => {
  it('exchanges the keys while the objects keep their numbers', () => {
    const [zero, one] = [databases.at(0), databases.at(1)]
    set(0, 'k', 'zero', 100)
    set(1, 'k', 'one')
    add(1, 's', 1)
    databases.swap(0, 1, 0)
    expect([databases.at(0), databases.at(1)]).toEqual([zero, one])
    expect([get(0, 'k'), get(1, 'k'), length(zero, 's', 0), one.expiresAtMs('k')]).toEqual(['one', 'zero', 1, 100])
    const before = databases.changeCount
    databases.swap(0, 0, 0)
    expect(databases.changeCount).toBe(before)
  })
})

it('replays everything that was told into the same databases', () => {
  richStream(databases.at(0), 's')
  set(1, 'k', 'v', 900)
  databases.copy({ key: 's', database: 0 }, { key: 't', database: 0 }, { replace: false }, 500)
  databases.swap(0, 3, 500)
  databases.move('k', 1, 0, 500)
  add(3, 't', 1000)
  renameKey(databases.at(3), 't', 'u', 500)
  flush(databases.at(7))
  const live = databases
  databases = new Databases({ nodeEntriesMax: 100 })
  for (const [index, change] of told) databases.apply(index, change)
  const replayed = [picture(3, 's'), picture(3, 'u'), get(0, 'k'), databases.at(0).expiresAtMs('k')]
  databases = live
  expect(replayed).toEqual([picture(3, 's'), picture(3, 'u'), 'v', 900])
})

describe('a watch', () => {
  it('sees a key come and go by move, copy and swap', () => {
    set(0, 'a', 'A')
    const gone = databases.at(0).watch('a', 0)
    const come = databases.at(1).watch('a', 0)
    const elsewhere = databases.at(2).watch('a', 0)
    databases.move('a', 0, 1, 0)
    expect([gone, come, elsewhere].map((watch) => watch.isDirty(0))).toEqual([true, true, false])
    const source = databases.at(1).watch('a', 0)
    const target = databases.at(1).watch('b', 0)
    databases.copy({ key: 'a', database: 1 }, { key: 'b', database: 1 }, { replace: false }, 0)
    expect([source, target].map((watch) => watch.isDirty(0))).toEqual([false, true])
    set(1, 'c', 'C')
    const namesake = databases.at(1).watch('c', 0)
    databases.copy({ key: 'a', database: 1 }, { key: 'c', database: 4 }, { replace: true }, 0)
    expect(namesake.isDirty(0)).toBe(false)
    const absent = databases.at(1).watch('none', 0)
    const [here, there] = [databases.at(1).watch('a', 0), databases.at(5).watch('a', 0)]
    databases.swap(1, 5, 0)
    expect([absent, here, there].map((watch) => watch.isDirty(0))).toEqual([false, true, true])
  })

  it('does not see a key that came here expired', () => {
    set(1, 'a', 'A', 100)
    const watch = databases.at(0).watch('a', 100)
    databases.swap(0, 1, 100)
    expect(watch.isDirty(100)).toBe(false)
    databases.sweep(100, 10)
    expect(watch.isDirty(100)).toBe(false)
  })
})

describe('who waits for a key in a database', () => {
  let waiters: Waiters
  let answers: string[]

  beforeEach(() => {
    waiters = new Waiters(databases.at(0))
    answers = []
    const look = (name: string, run: (nowMs: number) => readonly unknown[]) => (nowMs: number) => {
      let answer = ''
      try {
        answer = run(nowMs).length > 0 ? `${name} served` : ''
      } catch (error) {
        if (!(error instanceof EngineError)) throw error
        answer = `${name} ${error.code}`
      }
      if (answer !== '') answers.push(answer)
      return answer !== ''
    }
    createGroup(databases.at(0), { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, 0)
    const positions = fixPositions(databases.at(0), [{ key: 's', from: '$' }], 0)
    const query = { group: 'g', consumer: 'c', positions: [{ key: 's', from: '>' as const }], count: 10 }
    const wait = { keys: ['s'], timedOut: () => {}, deadlineMs: undefined }
    const plain = look('plain', (nowMs) => read(databases.at(0), positions, 10, nowMs))
    waiters.add({ ...wait, isGroupRead: false, attempt: plain })
    const grouped = look('group', (nowMs) => readGroup(databases.at(0), query, nowMs))
    waiters.add({ ...wait, isGroupRead: true, attempt: grouped })
  })

  function after(run: () => void): string[] {
    run()
    waiters.serve(1)
    return answers
  }

  it('is served when a stream with entries is renamed to it', () => {
    add(0, 'other', 5)
    expect(after(() => renameKey(databases.at(0), 'other', 's', 1))).toEqual(['plain served', 'group NO_GROUP'])
  })

  it('is served when one is moved there after the key vanished', () => {
    add(1, 's', 5)
    const run = (): void => {
      removeKey(databases.at(0), 's', 1)
      databases.move('s', 1, 0, 1)
    }
    expect(after(run)).toEqual(['plain served', 'group NO_GROUP'])
  })

  it('is served when one is copied over it', () => {
    add(1, 'x', 5)
    const run = (): void =>
      void databases.copy({ key: 'x', database: 1 }, { key: 's', database: 0 }, { replace: true }, 1)
    expect(after(run)).toEqual(['plain served', 'group NO_GROUP'])
  })

  it('is served when one is restored over it', () => {
    add(1, 'x', 5)
    const payload = dumpValue(databases.at(1).peek('x')!)
    expect(after(() => restoreKey(databases.at(0), { key: 's', payload }, 1))).toEqual([
      'plain served',
      'group NO_GROUP',
    ])
  })

  it('is served when one is swapped in', () => {
    add(1, 's', 5)
    expect(after(() => databases.swap(1, 0, 1))).toEqual(['plain served', 'group NO_GROUP'])
  })

  it('waits on when the stream is the source of a copy', () => {
    expect(
      after(() => void databases.copy({ key: 's', database: 0 }, { key: 's', database: 1 }, { replace: true }, 1)),
    ).toEqual([])
  })

  it.each<[string, () => void, string]>([
    ['moved away', () => void databases.move('s', 0, 1, 1), 'NO_GROUP'],
    ['renamed', () => renameKey(databases.at(0), 's', 'z', 1), 'NO_GROUP'],
    ['flushed', () => void flush(databases.at(0)), 'NO_GROUP'],
    ['swapped away', () => databases.swap(0, 1, 1), 'NO_GROUP'],
    ['set to a string', () => set(0, 's', 'v'), 'WRONG_TYPE'],
    ['restored as a string', () => restoreText('s'), 'WRONG_TYPE'],
  ])('gets an error for a group when the key is %s; a plain read waits on', (_, run, code) => {
    expect(after(run)).toEqual([`group ${code}`])
    expect(waiters.size).toBe(1)
  })
})
