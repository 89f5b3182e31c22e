import { beforeEach, describe, expect, it } from 'vitest'
import { append } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { claim } from './claim.ts'
import { nextClaimableMs } from './claim-idle.ts'
import { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { createGroup, destroyGroup } from './group-commands.ts'
import { formatId, ID_ZERO, parseId } from './id.ts'
import { expireAt, removeKey } from './keys.ts'
import { negativeAcknowledge } from './nack.ts'
import { readGroup } from './read-group.ts'
import { fixPositions, read } from './read-range.ts'
import { Waiters, type Wait } from './waiters.ts'

let database: Database
let waiters: Waiters
/** What each waiter was told, in the order in which it was. */
let told: string[]
let wait: ReturnType<typeof waitFor>

beforeEach(() => {
  database = new Database()
  waiters = new Waiters(database)
  told = []
  wait = waitFor()
})

/** Builders of blocked reads; `told` gets '<name> <ids>', '<name> timed out' or '<name> <error code>'. */
function waitFor(): {
  plain(name: string, keys: string[], deadlineMs?: number): Wait
  /** `claimMinIdleMs`: with CLAIM. */
  grouped(name: string, options?: { count?: number; keys?: string[]; claimMinIdleMs?: number }): Wait
} {
  type Look = (nowMs: number) => string
  const start = (
    name: string,
    what: Pick<Wait, 'keys' | 'isGroupRead' | 'deadlineMs' | 'claimableMs'>,
    look: Look,
  ): Wait => {
    const waiting: Wait = {
      ...what,
      timedOut: () => void told.push(`${name} timed out`),
      attempt: (nowMs) => {
        const found = look(nowMs)
        if (found !== '') told.push(`${name} ${found}`)
        return found !== ''
      },
    }
    waiters.add(waiting)
    return waiting
  }
  const ids = (found: readonly { entries: readonly { id: { ms: bigint; seq: bigint } }[] }[]): string =>
    found.flatMap(({ entries }) => entries.map(({ id }) => formatId(id))).join(' ')
  return {
    plain(name, keys, deadlineMs) {
      const positions = fixPositions(
        database,
        keys.map((key) => ({ key, from: '$' as const })),
        0,
      )
      return start(name, { keys, isGroupRead: false, deadlineMs }, (nowMs) =>
        ids(read(database, positions, Infinity, nowMs)),
      )
    },
    grouped(name, { count = Infinity, keys = ['s'], claimMinIdleMs } = {}) {
      const positions = keys.map((key) => ({ key, from: '>' as const }))
      const claim = claimMinIdleMs === undefined ? {} : { claimMinIdleMs }
      const claimableMs = (nowMs: number): number | undefined =>
        nextClaimableMs(database, { key: 's', group: 'g' }, claimMinIdleMs!, nowMs)
      const what = { keys, isGroupRead: true, deadlineMs: undefined, ...(claimMinIdleMs && { claimableMs }) }
      return start(name, what, (nowMs) => {
        try {
          return ids(readGroup(database, { group: 'g', consumer: name, positions, count, ...claim }, nowMs))
        } catch (error) {
          if (error instanceof EngineError) return error.code
          throw error
        }
      })
    },
  }
}

function add(key: string, ms: number): void {
  append(database, { key, fields: [Buffer.from('f'), Buffer.from('v')] }, ms)
}

describe('who waits for a group', () => {
  beforeEach(() => createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, 0))

  it('is served first come, first served, each entry once', () => {
    for (const name of ['0', '1', '2']) wait.grouped(name)
    for (const ms of [1, 2, 3]) {
      add('s', ms)
      waiters.serve(ms)
    }
    expect(told).toEqual(['0 1-0', '1 2-0', '2 3-0'])
    expect(waiters.size).toBe(0)
  })

  it('comes again behind those that are still waiting: 0, 1, 2, 0', () => {
    for (const name of ['0', '1', '2']) wait.grouped(name)
    for (const ms of [1, 2, 3, 4]) {
      add('s', ms)
      waiters.serve(ms)
      if (ms === 1) wait.grouped('0')
    }
    expect(told).toEqual(['0 1-0', '1 2-0', '2 3-0', '0 4-0'])
  })

  it('takes all that a transaction added when it asked for no count', () => {
    wait.grouped('0')
    wait.grouped('1')
    add('s', 1)
    add('s', 2)
    waiters.serve(2)
    expect(told).toEqual(['0 1-0 2-0'])
  })

  it('leaves the rest to the next in line when it asked for one', () => {
    wait.grouped('0', { count: 1 })
    wait.grouped('1', { count: 1 })
    add('s', 1)
    add('s', 2)
    waiters.serve(2)
    expect(told).toEqual(['0 1-0', '1 2-0'])
  })

  it('is told when the group is destroyed or the key removed', () => {
    wait.grouped('0')
    destroyGroup(database, { key: 's', group: 'g' }, 1)
    waiters.serve(1)
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO }, 1)
    wait.grouped('1')
    removeKey(database, 's', 2)
    waiters.serve(2)
    expect(told).toEqual(['0 NO_GROUP', '1 NO_GROUP'])
  })

  it('is told when the key expires', () => {
    expireAt(database, 's', 10, 0)
    wait.grouped('0')
    database.sweep(9, 100)
    waiters.serve(9)
    expect(told).toEqual([])
    database.sweep(10, 100)
    waiters.serve(10)
    expect(told).toEqual(['0 NO_GROUP'])
  })

  it('waits on when another took the entry before', () => {
    wait.grouped('0')
    add('s', 1)
    readGroup(database, { group: 'g', consumer: 'quick', positions: [{ key: 's', from: '>' }], count: 1 }, 1)
    waiters.serve(1)
    expect(told).toEqual([])
    expect(waiters.size).toBe(1)
  })

  it('keeps its turn over hundreds of entries', () => {
    const names = Array.from({ length: 50 }, (_, i) => String(i))
    for (const name of names) wait.grouped(name, { count: 1 })
    for (let ms = 1; ms <= 500; ms++) {
      add('s', ms)
      waiters.serve(ms)
      wait.grouped(names[(ms - 1) % 50]!, { count: 1 })
    }
    expect(told.map((line) => line.split(' ')[0])).toEqual(Array.from({ length: 500 }, (_, i) => names[i % 50]!))
  })
})

/** Source: redis.io/docs/latest/commands/xreadgroup (the CLAIM option), xnack; redis/redis #14402, #14797. */
describe('who waits for a group and claims', () => {
  const nack = (id: string): number =>
    negativeAcknowledge(database, { key: 's', group: 'g' }, { mode: 'fail', ids: [parseId(id)] }, 5)

  /** `x` got 1-0 and 2-0, at 10 and at 20. */
  beforeEach(() => {
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, 0)
    const positions = [{ key: 's', from: '>' as const }]
    for (const ms of [1, 2]) {
      add('s', ms)
      readGroup(database, { group: 'g', consumer: 'x', positions, count: 1 }, ms * 10)
    }
  })

  it('is served when an entry is given back, the others keep their places', () => {
    wait.grouped('a')
    wait.grouped('b', { claimMinIdleMs: 1000 })
    wait.grouped('c')
    nack('2-0')
    waiters.serve(30)
    add('s', 3)
    waiters.serve(30)
    expect(told).toEqual(['b 2-0', 'a 3-0'])
  })

  it('is served alone: who does not claim keeps its place for other keys too', () => {
    createGroup(database, { key: 't', group: 'g' }, { from: ID_ZERO, mkStream: true }, 0)
    wait.grouped('a', { keys: ['s', 't'] })
    wait.grouped('b', { keys: ['t'] })
    wait.grouped('c', { claimMinIdleMs: 1000 })
    nack('2-0')
    waiters.serve(30)
    add('t', 1)
    waiters.serve(30)
    expect(told).toEqual(['c 2-0', 'a 1-0'])
  })

  it('is served when an entry becomes old enough, one after the other', () => {
    wait.grouped('a', { claimMinIdleMs: 100 })
    wait.grouped('b', { claimMinIdleMs: 100 })
    expect(waiters.nextDeadlineMs(20)).toBe(110)
    waiters.expire(109)
    expect(told).toEqual([])
    waiters.expire(110)
    expect(told).toEqual(['a 1-0'])
    expect(waiters.nextDeadlineMs(110)).toBe(120)
    waiters.expire(120)
    expect(told).toEqual(['a 1-0', 'b 2-0'])
    expect(waiters.nextDeadlineMs(120)).toBeUndefined()
  })

  it('learns of what was delivered while it waited', () => {
    acknowledge(database, { key: 's', group: 'g' }, { ids: [parseId('1-0'), parseId('2-0')] }, 30)
    wait.grouped('a', { claimMinIdleMs: 100 })
    expect(waiters.nextDeadlineMs(30)).toBeUndefined()
    add('s', 3)
    readGroup(database, { group: 'g', consumer: 'x', positions: [{ key: 's', from: '>' }], count: 1 }, 40)
    waiters.serve(40)
    expect(waiters.nextDeadlineMs(40)).toBe(140)
    waiters.expire(140)
    expect(told).toEqual(['a 3-0'])
  })

  it('learns of an entry that a claim made pending', () => {
    acknowledge(database, { key: 's', group: 'g' }, { ids: [parseId('1-0'), parseId('2-0')] }, 30)
    wait.grouped('a', { claimMinIdleMs: 100 })
    expect(waiters.nextDeadlineMs(30)).toBeUndefined()
    const forced = { ids: [parseId('2-0')], minIdleMs: 0, force: true }
    claim(database, { key: 's', group: 'g', consumer: 'x' }, forced, 40)
    expect(waiters.nextDeadlineMs(40)).toBe(140)
  })

  it('learns of an entry that a claim made older', () => {
    wait.grouped('a', { claimMinIdleMs: 100 })
    expect(waiters.nextDeadlineMs(20)).toBe(110)
    const older = { ids: [parseId('2-0')], minIdleMs: 0, timeMs: 5 }
    claim(database, { key: 's', group: 'g', consumer: 'x' }, older, 30)
    expect(waiters.nextDeadlineMs(30)).toBe(105)
  })

  it('waits on when another was faster', () => {
    wait.grouped('a', { claimMinIdleMs: 100 })
    expect(waiters.nextDeadlineMs(20)).toBe(110)
    acknowledge(database, { key: 's', group: 'g' }, { ids: [parseId('1-0'), parseId('2-0')] }, 30)
    waiters.expire(110)
    expect([told, waiters.size, waiters.nextDeadlineMs(110)]).toEqual([[], 1, undefined])
  })

  it('is asked no more once it was cancelled', () => {
    waiters.cancel(wait.grouped('a', { claimMinIdleMs: 100 }))
    waiters.expire(500)
    expect([told, waiters.nextDeadlineMs(500)]).toEqual([[], undefined])
  })
})

describe('who waits for a stream', () => {
  it('gets the entry together with all the others', () => {
    wait.plain('a', ['s'])
    wait.plain('b', ['s', 't'])
    add('s', 1)
    waiters.serve(1)
    expect(told).toEqual(['a 1-0', 'b 1-0'])
  })

  it('sees nothing of what was added and removed in one go', () => {
    wait.plain('a', ['s'])
    add('s', 1)
    removeKey(database, 's', 1)
    waiters.serve(1)
    expect(told).toEqual([])
  })

  it('waits on when the key vanishes, and is served when it is back', () => {
    add('s', 1)
    wait.plain('a', ['s'])
    removeKey(database, 's', 2)
    waiters.serve(2)
    add('s', 3)
    waiters.serve(3)
    expect(told).toEqual(['a 3-0'])
  })

  it('is told once only, though it waited for several', () => {
    wait.plain('a', ['s', 't'])
    add('s', 1)
    add('t', 2)
    waiters.serve(2)
    expect(told).toEqual(['a 1-0 2-0'])
    expect(waiters.size).toBe(0)
  })
})

describe('the end of a wait', () => {
  it('comes with its deadline, the earliest first', () => {
    wait.plain('late', ['s'], 20)
    wait.plain('early', ['s'], 10)
    wait.plain('never', ['s'])
    expect(waiters.nextDeadlineMs(0)).toBe(10)
    waiters.expire(9)
    expect(told).toEqual([])
    waiters.expire(25)
    expect(told).toEqual(['early timed out', 'late timed out'])
    expect(waiters.nextDeadlineMs(0)).toBeUndefined()
    expect(waiters.size).toBe(1)
  })

  it('keeps its deadline when it goes to the tail', () => {
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO, mkStream: true }, 0)
    wait.plain('a', ['s'], 10)
    wait.grouped('g1')
    add('s', 1)
    waiters.serve(1)
    expect(told).toEqual(['a 1-0', 'g1 1-0'])
    expect(waiters.nextDeadlineMs(0)).toBeUndefined()
  })

  it('comes by cancelling, and then nothing is told', () => {
    const cancelled = wait.plain('a', ['s'], 10)
    expect(waiters.cancel(cancelled)).toBe(true)
    expect(waiters.cancel(cancelled)).toBe(false)
    add('s', 1)
    waiters.serve(1)
    waiters.expire(100)
    expect(told).toEqual([])
  })

  it('comes for all when it closes', () => {
    const both = [wait.plain('a', ['s'], 10), wait.plain('b', ['t'])]
    expect(waiters.close()).toEqual(both)
    add('s', 1)
    waiters.serve(1)
    expect(told).toEqual([])
  })
})
