/** Sources: redis.io/docs/latest/commands/xread, xreadgroup (MAXCOUNT, MAXSIZE); redis/redis #15282. */
import { beforeEach, describe, expect, it } from 'vitest'
import { append } from './append.ts'
import { pendingSummary } from './claim.ts'
import { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { createGroup } from './group-commands.ts'
import { formatId, ID_ZERO } from './id.ts'
import type { ReadLimits } from './read-budget.ts'
import { readGroup, type ReadGroupFrom } from './read-group.ts'
import { read, type StreamEntries } from './read-range.ts'

const KEYS = ['a', 'b', 'c']
let database: Database

/** Three entries of 10 bytes in each of three streams, with a group. */
beforeEach(() => {
  database = new Database()
  for (const key of KEYS) {
    for (let ms = 1; ms <= 3; ms++) append(database, { key, fields: [Buffer.from('name'), Buffer.from('valued')] }, ms)
    createGroup(database, { key, group: 'g' }, { from: ID_ZERO }, 0)
  }
})

/** A key counts 5, an entry its fields' bytes. */
const upTo = (bytesMax: number): Pick<ReadLimits, 'size'> => ({
  size: {
    bytesMax,
    measure: (what) =>
      typeof what === 'string' ? 5 : (what.fields ?? []).reduce((sum, field) => sum + field.length, 0),
  },
})
const shown = (found: readonly StreamEntries<{ readonly id: typeof ID_ZERO }>[]): string =>
  found.map(({ key, entries }) => `${key} ${entries.map(({ id }) => formatId(id)).join(' ')}`).join(', ')
const plain = (limits: ReadLimits): string =>
  shown(
    read(
      database,
      KEYS.map((key) => ({ key, from: ID_ZERO })),
      limits,
      10,
    ),
  )
const grouped = (limits: ReadLimits, from: ReadGroupFrom = '>', more: object = {}): string =>
  shown(
    readGroup(
      database,
      { group: 'g', consumer: 'x', positions: KEYS.map((key) => ({ key, from })), ...limits, ...more },
      10,
    ),
  )
const pending = (key: string): number => pendingSummary(database, { key, group: 'g' }, 10).total

describe('a total of entries (MAXCOUNT)', () => {
  it('holds over all streams, each of them within its own count', () => {
    expect(plain({ count: 2, countTotal: 3 })).toBe('a 1-0 2-0, b 1-0')
    expect(plain({ count: Infinity, countTotal: 3 })).toBe('a 1-0 2-0 3-0')
    expect(grouped({ count: 2, countTotal: 5 })).toBe('a 1-0 2-0, b 1-0 2-0, c 1-0')
  })

  it('leaves what is beyond it undelivered', () => {
    grouped({ count: Infinity, countTotal: 4 })
    expect(KEYS.map(pending)).toEqual([3, 1, 0])
    expect(grouped({ count: Infinity })).toBe('b 2-0 3-0, c 1-0 2-0 3-0')
  })

  it('holds for a history, and for what is claimed', () => {
    grouped({ count: Infinity })
    expect(grouped({ count: 2, countTotal: 3 }, ID_ZERO)).toBe('a 1-0 2-0, b 1-0')
    expect(grouped({ count: Infinity, countTotal: 4 }, '>', { claimMinIdleMs: 0 })).toBe('a 1-0 2-0 3-0, b 1-0')
  })

  it('is a whole number above 0', () => {
    expect(() => plain({ count: 1, countTotal: 0 })).toThrow(EngineError)
    expect(() => plain({ count: 1, countTotal: 1.5 })).toThrow(EngineError)
  })
})

describe('a size of the reply (MAXSIZE)', () => {
  it('ends the reply with the entry that reaches it', () => {
    expect(plain({ count: Infinity, ...upTo(15) })).toBe('a 1-0')
    expect(plain({ count: Infinity, ...upTo(16) })).toBe('a 1-0 2-0')
    expect(plain({ count: Infinity, ...upTo(36) })).toBe('a 1-0 2-0 3-0, b 1-0')
    expect(plain({ count: 1, ...upTo(31) })).toBe('a 1-0, b 1-0, c 1-0')
  })

  it('lets one entry through, however large', () => {
    expect(plain({ count: Infinity, ...upTo(1) })).toBe('a 1-0')
    expect(grouped({ count: Infinity, ...upTo(1) })).toBe('a 1-0')
  })

  it('leaves what is beyond it undelivered', () => {
    expect(grouped({ count: Infinity, ...upTo(36) })).toBe('a 1-0 2-0 3-0, b 1-0')
    expect(KEYS.map(pending)).toEqual([3, 1, 0])
  })

  it('looks no further than it needs to', () => {
    for (let i = 0; i < 1000; i++)
      append(database, { key: 'a', fields: [Buffer.from('name'), Buffer.from('valued')] }, 4)
    let measured = 0
    const { size } = upTo(1000)
    const measure = (what: Parameters<NonNullable<typeof size>['measure']>[0]): number => {
      measured++
      return size!.measure(what)
    }
    read(database, [{ key: 'a', from: ID_ZERO }], { count: Infinity, size: { bytesMax: 1000, measure } }, 10)
    expect(measured).toBe(101)
  })
})
