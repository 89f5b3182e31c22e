import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries, setLastId, trim, type AppendOptions } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { autoClaim, claim, pendingEntries, pendingSummary } from './claim.ts'
import { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { createConsumer, createGroup, deleteConsumer, destroyGroup, setGroup } from './group-commands.ts'
import { formatId, ID_MAX, ID_ZERO, parseId, parseNewId, type StreamId } from './id.ts'
import { consumerInfos, fullStreamInfo, groupInfos, streamInfo } from './info.ts'
import { expireAt, persist, removeKey } from './keys.ts'
import { readGroup, type ReadGroupFrom } from './read-group.ts'
import { fixPositions, length, range, read } from './read-range.ts'

const MAX = '18446744073709551615'
const ref = { key: 's', group: 'g' }
let database: Database

beforeEach(() => {
  database = new Database()
})

function add(id: string, options: Omit<AppendOptions, 'id'> = {}, nowMs = 1000): string | undefined {
  const fields = [Buffer.from('f'), Buffer.from(`value of ${id}`)]
  const added = append(database, { key: 's', fields, id: parseNewId(id), ...options }, nowMs)
  return added && formatId(added)
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

const ids = (entries: readonly { id: StreamId }[]): string[] => entries.map(({ id }) => formatId(id))
const parsed = (...texts: string[]): StreamId[] => texts.map(parseId)

/** Entries 1-0 to n-0, a group 'g' from the beginning. */
function group(entries: number): void {
  for (let i = 1; i <= entries; i++) add(`${i}-0`)
  createGroup(database, ref, { from: ID_ZERO, mkStream: true }, 0)
}

function deliver(
  consumer: string,
  options: { count?: number; from?: ReadGroupFrom; noAck?: boolean; nowMs?: number } = {},
): string[] {
  const { count = Infinity, from = '>', noAck = false, nowMs = 100 } = options
  const found = readGroup(database, { group: 'g', consumer, positions: [{ key: 's', from }], count, noAck }, nowMs)
  return found.flatMap(({ entries }) => ids(entries))
}

describe('append', () => {
  it('takes the clock, and the next sequence number while it stands or goes back', () => {
    expect([add('*', {}, 5), add('*', {}, 5), add('*', {}, 3), add('*', {}, 6)]).toEqual(['5-0', '5-1', '5-2', '6-0'])
  })

  it('goes on after the last sequence number of a millisecond with the next one', () => {
    add(`5-${MAX}`)
    expect(add('*', {}, 5)).toBe('6-0')
  })

  it('completes ms-* and refuses it when there is no room left', () => {
    expect([add('0-*'), add('0-*'), add('7-*')]).toEqual(['0-1', '0-2', '7-0'])
    expect(refusal(() => add('6-*'))).toBe('ID_TOO_SMALL')
    add(`7-${MAX}`)
    expect(refusal(() => add('7-*'))).toBe('ID_TOO_SMALL')
  })

  it('takes the last ID there can be, and then nothing more', () => {
    add(`${MAX}-${MAX}`)
    expect([refusal(() => add('*')), refusal(() => add(`${MAX}-*`)), refusal(() => add('9-9'))]).toEqual([
      'IDS_EXHAUSTED',
      'IDS_EXHAUSTED',
      'IDS_EXHAUSTED',
    ])
    expect(ids(range(database, { key: 's' }, 0))).toEqual([`${MAX}-${MAX}`])
  })

  it('refuses 0-0 and what is not above the last ID, and then leaves no key behind', () => {
    expect(refusal(() => add('0-0'))).toBe('ID_ZERO')
    expect(database.keyCount).toBe(0)
    add('5-5')
    expect(refusal(() => add('5-5'))).toBe('ID_TOO_SMALL')
  })

  it('never gives an ID twice, though the newest entry was deleted', () => {
    add('5-5')
    deleteEntries(database, 's', parsed('5-5'), 0)
    expect(refusal(() => add('5-5'))).toBe('ID_TOO_SMALL')
    expect(add('*', {}, 1)).toBe('5-6')
  })

  it('creates nothing with noMkStream', () => {
    expect(add('*', { noMkStream: true })).toBeUndefined()
    expect(database.keyCount).toBe(0)
  })

  it('checks the last ID in the same step', () => {
    expect(add('1-0', { ifLastId: ID_ZERO })).toBe('1-0')
    expect(refusal(() => add('2-0', { ifLastId: ID_ZERO }))).toBe('LAST_ID_MISMATCH')
    expect(add('2-0', { ifLastId: parseId('1-0') })).toBe('2-0')
    expect(length(database, 's', 0)).toBe(2)
  })

  it('refuses fields that are no pairs, and an entry of more than 1 GiB', () => {
    expect(refusal(() => append(database, { key: 's', fields: [] }, 0))).toBe('BAD_ARGUMENT')
    expect(refusal(() => append(database, { key: 's', fields: [Buffer.from('f')] }, 0))).toBe('BAD_ARGUMENT')
    const half = { length: 2 ** 29 + 1 } as Uint8Array
    expect(refusal(() => append(database, { key: 's', fields: [half, half] }, 0))).toBe('ENTRY_TOO_LARGE')
  })

  it('keeps the key when it trims everything away', () => {
    expect(add('1-0', { trim: { keep: { kind: 'max-len', entries: 0 } } })).toBe('1-0')
    expect(streamInfo(database, 's', 0)).toMatchObject({ length: 0, entriesAdded: 1, lastId: parseId('1-0') })
  })
})

describe('trim, delete and set the last ID', () => {
  it('trims to a length and below an ID, and does not count that as deletion', () => {
    group(9)
    expect(trim(database, 's', { keep: { kind: 'max-len', entries: 7 } }, 0)).toBe(2)
    expect(trim(database, 's', { keep: { kind: 'min-id', id: parseId('5') } }, 0)).toBe(2)
    expect(streamInfo(database, 's', 0)).toMatchObject({ firstId: parseId('5-0'), maxDeletedId: ID_ZERO, length: 5 })
  })

  it('refuses a limit without ~, and lengths that are none', () => {
    const keep = { kind: 'max-len', entries: 1 } as const
    expect(refusal(() => trim(database, 's', { keep, limit: 5 }, 0))).toBe('BAD_ARGUMENT')
    expect(refusal(() => trim(database, 's', { keep: { ...keep, entries: -1 } }, 0))).toBe('BAD_ARGUMENT')
    expect(refusal(() => trim(database, 's', { keep: { ...keep, entries: 1.5 } }, 0))).toBe('BAD_ARGUMENT')
  })

  it('deletes each ID once and remembers the highest', () => {
    group(5)
    expect(deleteEntries(database, 's', parsed('4-0', '2-0', '4-0', '9-0'), 0)).toBe(2)
    expect(ids(range(database, { key: 's' }, 0))).toEqual(['1-0', '3-0', '5-0'])
    expect(streamInfo(database, 's', 0).maxDeletedId).toEqual(parseId('4-0'))
    expect(deleteEntries(database, 'missing', parsed('1-0'), 0)).toBe(0)
  })

  it('sets the last ID, but never below what is there or was deleted', () => {
    expect(refusal(() => setLastId(database, { key: 's', lastId: ID_MAX }, 0))).toBe('NO_SUCH_KEY')
    group(5)
    const set = (lastId: string, more: object = {}): string =>
      refusal(() => setLastId(database, { key: 's', lastId: parseId(lastId), ...more }, 0))
    expect(set('4-0')).toBe('SET_ID_BELOW_LAST_ENTRY')
    expect(set('9-0', { entriesAdded: 4 })).toBe('SET_ID_BELOW_LENGTH')
    expect(set('9-0', { maxDeletedId: parseId('10-0') })).toBe('SET_ID_BELOW_MAX_DELETED')
    expect(set('9-0', { entriesAdded: 50, maxDeletedId: parseId('8-0') })).toBe('accepted')
    expect(streamInfo(database, 's', 0)).toMatchObject({
      entriesAdded: 50,
      lastId: parseId('9-0'),
      maxDeletedId: parseId('8-0'),
    })
    deleteEntries(database, 's', parsed('5-0'), 0)
    expect(set('7-0')).toBe('SET_ID_BELOW_MAX_DELETED')
  })
})

describe('range and read', () => {
  it('goes forward and backward between two IDs, up to a count', () => {
    group(9)
    const look = (options: object): string[] => ids(range(database, { key: 's', ...options }, 0))
    expect(look({ from: parseId('3-0'), to: parseId('5-0') })).toEqual(['3-0', '4-0', '5-0'])
    expect(look({ from: parseId('3-0'), count: 2 })).toEqual(['3-0', '4-0'])
    expect(look({ to: parseId('3-5'), count: 2, reverse: true })).toEqual(['3-0', '2-0'])
    expect(look({ from: parseId('5-0'), to: parseId('3-0') })).toEqual([])
    expect(range(database, { key: 'missing' }, 0)).toEqual([])
  })

  it('reads after an ID, from now on, and the last entry', () => {
    group(3)
    const look = (from: StreamId | '$' | '+'): string[] => {
      const positions = fixPositions(
        database,
        [
          { key: 's', from },
          { key: 'missing', from },
        ],
        0,
      )
      return read(database, positions, Infinity, 0).flatMap(({ entries }) => ids(entries))
    }
    expect(look(parseId('1-0'))).toEqual(['2-0', '3-0'])
    expect(look('$')).toEqual([])
    expect(look('+')).toEqual(['3-0'])
    expect(look(ID_MAX)).toEqual([])
  })

  it('keeps the bytes of names and values as they are, duplicates too', () => {
    const fields = [[0, 255], [], [0, 255], [10, 13]].map((bytes) => Uint8Array.from(bytes))
    append(database, { key: 's', fields }, 5)
    expect(range(database, { key: 's' }, 5)[0]!.fields.map((bytes) => [...bytes])).toEqual([
      [0, 255],
      [],
      [0, 255],
      [10, 13],
    ])
  })
})

describe('groups', () => {
  it('are created once, at the beginning or from now on', () => {
    expect(refusal(() => createGroup(database, ref, { from: '$' }, 0))).toBe('NO_SUCH_KEY')
    group(3)
    expect(refusal(() => createGroup(database, ref, { from: '$' }, 0))).toBe('GROUP_EXISTS')
    createGroup(database, { key: 's', group: 'late' }, { from: '$', entriesRead: 99 }, 0)
    const [g, late] = groupInfos(database, 's', 0)
    expect(g).toMatchObject({ name: 'g', lastId: ID_ZERO, entriesRead: undefined, lag: 3 })
    expect(late).toMatchObject({ name: 'late', lastId: parseId('3-0'), entriesRead: 3, lag: 0 })
  })

  it('are set and destroyed', () => {
    group(3)
    setGroup(database, ref, { from: '$' }, 0)
    expect(deliver('a')).toEqual([])
    setGroup(database, ref, { from: parseId('1-0'), entriesRead: 1 }, 0)
    expect(deliver('a')).toEqual(['2-0', '3-0'])
    expect([destroyGroup(database, ref, 0), destroyGroup(database, ref, 0)]).toEqual([true, false])
    expect(refusal(() => destroyGroup(database, { key: 'missing', group: 'g' }, 0))).toBe('NO_SUCH_KEY')
    expect(refusal(() => setGroup(database, ref, { from: '$' }, 0))).toBe('NO_GROUP')
    expect(refusal(() => createGroup(database, ref, { from: '$', entriesRead: -5 }, 0))).toBe('BAD_ARGUMENT')
  })

  it('list their consumers by bytes, with the time since they tried and since they got something', () => {
    group(2)
    for (const name of ['\xe9', 'b', 'B', 'a']) createConsumer(database, { ...ref, consumer: name }, 10)
    expect(createConsumer(database, { ...ref, consumer: 'a' }, 20)).toBe(false)
    deliver('a', { nowMs: 50 })
    deliver('b', { nowMs: 60 })
    expect(consumerInfos(database, ref, 100)).toEqual([
      { name: 'B', pendingCount: 0, idleMs: 90, inactiveMs: undefined },
      { name: 'a', pendingCount: 2, idleMs: 50, inactiveMs: 50 },
      { name: 'b', pendingCount: 0, idleMs: 40, inactiveMs: undefined },
      { name: '\xe9', pendingCount: 0, idleMs: 90, inactiveMs: undefined },
    ])
  })

  it('lose a consumer with what it owns, unless told only when it owns nothing', () => {
    group(3)
    deliver('a', { count: 2 })
    deliver('b')
    const remove = (onlyIfIdle: boolean): number | undefined =>
      deleteConsumer(database, { ...ref, consumer: 'a' }, { onlyIfIdle }, 0)
    expect(refusal(() => remove(true))).toBe('CONSUMER_BUSY')
    expect([remove(false), remove(false)]).toEqual([2, undefined])
    expect(pendingSummary(database, ref, 0)).toMatchObject({ total: 1, consumers: [{ name: 'b', pending: 1 }] })
  })
})

describe('reading as a group', () => {
  it('gives each entry to one consumer', () => {
    group(3)
    expect([deliver('a', { count: 2 }), deliver('b'), deliver('a')]).toEqual([['1-0', '2-0'], ['3-0'], []])
  })

  it('delivers nothing of any stream when one has no such group', () => {
    group(1)
    const positions = [
      { key: 's', from: '>' as const },
      { key: 't', from: '>' as const },
    ]
    expect(refusal(() => readGroup(database, { group: 'g', consumer: 'a', positions, count: 1 }, 0))).toBe('NO_GROUP')
    expect(pendingSummary(database, ref, 0).total).toBe(0)
  })

  it('makes nothing pending with noAck', () => {
    group(2)
    expect(deliver('a', { noAck: true })).toEqual(['1-0', '2-0'])
    expect(pendingSummary(database, ref, 0)).toEqual({ total: 0, first: undefined, last: undefined, consumers: [] })
    expect(consumerInfos(database, ref, 100)[0]).toMatchObject({ inactiveMs: undefined })
  })

  it('gives a consumer its own history, counts one more delivery, and says what is gone', () => {
    group(3)
    deliver('a', { nowMs: 10 })
    deleteEntries(database, 's', parsed('2-0'), 0)
    const found = readGroup(
      database,
      { group: 'g', consumer: 'a', positions: [{ key: 's', from: ID_ZERO }], count: 9 },
      20,
    )
    expect(found[0]!.entries.map(({ fields }) => fields === undefined)).toEqual([false, true, false])
    expect(pendingEntries(database, ref, { count: 9 }, 20)).toMatchObject([
      { idleMs: 0, deliveries: 2 },
      { idleMs: 10, deliveries: 1 },
      { idleMs: 0, deliveries: 2 },
    ])
    expect(deliver('b', { from: ID_ZERO })).toEqual([])
  })

  it('takes over what another has when the group was set back', () => {
    group(2)
    deliver('a', { nowMs: 10 })
    deliver('a', { from: ID_ZERO, nowMs: 15 })
    setGroup(database, ref, { from: ID_ZERO }, 20)
    expect(deliver('b', { nowMs: 30 })).toEqual(['1-0', '2-0'])
    expect(pendingEntries(database, ref, { count: 1 }, 35)).toMatchObject([{ consumer: 'b', idleMs: 5, deliveries: 1 }])
  })
})

describe('acknowledging and claiming', () => {
  it('ends what is pending, each once, and with an owner only what is its own', () => {
    group(3)
    deliver('a', { count: 2 })
    deliver('b')
    const ack = (texts: string[], ifOwner?: string): string[] =>
      acknowledge(database, ref, { ids: parsed(...texts), ...(ifOwner === undefined ? {} : { ifOwner }) }, 0).map(
        formatId,
      )
    expect(ack(['1-0', '3-0'], 'a')).toEqual(['1-0'])
    expect(ack(['3-0', '2-0', '3-0', '9-0'])).toEqual(['3-0', '2-0'])
    expect(acknowledge(database, { key: 'missing', group: 'g' }, { ids: parsed('1-0') }, 0)).toEqual([])
  })

  it('claims what has been idle long enough, and only from the owner that was named', () => {
    group(2)
    deliver('a', { nowMs: 10 })
    const take = (options: object, nowMs: number): string[] =>
      ids(
        claim(database, { ...ref, consumer: 'b' }, { ids: parsed('1-0', '2-0'), minIdleMs: 0, ...options }, nowMs)
          .entries,
      )
    expect(take({ minIdleMs: 11 }, 20)).toEqual([])
    expect(take({ ifOwner: 'c' }, 20)).toEqual([])
    expect(take({ ifOwner: 'a', minIdleMs: 10, idleMs: 5 }, 20)).toEqual(['1-0', '2-0'])
    expect(pendingEntries(database, ref, { count: 1 }, 20)).toMatchObject([{ consumer: 'b', idleMs: 5, deliveries: 2 }])
    expect(take({ ifOwner: 'a' }, 30)).toEqual([])
  })

  it('forces what is not pending, moves the group forward, and sets what it is told', () => {
    group(2)
    const forced = claim(
      database,
      { ...ref, consumer: 'a' },
      {
        ids: parsed('1-0', '7-0'),
        minIdleMs: 0,
        force: true,
        deliveries: 5,
        timeMs: 40,
        lastId: parseId('1-0'),
        justId: true,
      },
      100,
    )
    expect(forced).toEqual({ entries: [{ id: parseId('1-0'), fields: undefined, deliveries: 5 }], deleted: [] })
    expect(pendingEntries(database, ref, { count: 9 }, 100)).toMatchObject([{ idleMs: 60, deliveries: 5 }])
    expect(deliver('b')).toEqual(['2-0'])
  })

  it('scans for what is idle, reports what the stream has lost, and says where to go on', () => {
    group(5)
    deliver('a', { nowMs: 10 })
    deleteEntries(database, 's', parsed('2-0'), 0)
    const scan = (from: StreamId): unknown => {
      const { entries, deleted, next } = autoClaim(
        database,
        { ...ref, consumer: 'b' },
        { minIdleMs: 5, from, count: 3 },
        20,
      )
      return [ids(entries), deleted.map(formatId), formatId(next)]
    }
    expect(scan(ID_ZERO)).toEqual([['1-0', '3-0'], ['2-0'], '4-0'])
    expect(scan(parseId('4-0'))).toEqual([['4-0', '5-0'], [], '0-0'])
    expect(refusal(() => autoClaim(database, { ...ref, consumer: 'b' }, { minIdleMs: 0, count: 0 }, 0))).toBe(
      'BAD_ARGUMENT',
    )
  })

  it('lists what is pending by range, owner and idle time', () => {
    group(4)
    deliver('a', { count: 2, nowMs: 10 })
    deliver('b', { nowMs: 50 })
    const list = (options: object): string[] => ids(pendingEntries(database, ref, { count: 9, ...options }, 60))
    expect(list({ consumer: 'b' })).toEqual(['3-0', '4-0'])
    expect(list({ minIdleMs: 50 })).toEqual(['1-0', '2-0'])
    expect(list({ from: parseId('2-0'), to: parseId('3-0') })).toEqual(['2-0', '3-0'])
    expect(list({ consumer: 'nobody' })).toEqual([])
    expect(list({ count: 0 })).toEqual([])
    expect(refusal(() => pendingSummary(database, { key: 's', group: 'x' }, 0))).toBe('NO_GROUP')
  })
})

describe('lag', () => {
  const lag = (): (number | undefined)[] =>
    groupInfos(database, 's', 0).flatMap(({ entriesRead, lag }) => [entriesRead, lag])

  it('counts from what was read to what was added, also after a trim', () => {
    group(10)
    expect(lag()).toEqual([undefined, 10])
    deliver('a', { count: 4 })
    expect(lag()).toEqual([4, 6])
    trim(database, 's', { keep: { kind: 'max-len', entries: 3 } }, 0)
    expect(lag()).toEqual([4, 3])
    deliver('a', { count: 1 })
    expect(lag()).toEqual([8, 2])
  })

  it('is unknown while a deleted entry lies ahead, and known again at the end', () => {
    group(5)
    deliver('a', { count: 1 })
    deleteEntries(database, 's', parsed('3-0'), 0)
    expect(lag()).toEqual([1, undefined])
    deliver('a', { count: 1 })
    expect(lag()).toEqual([undefined, undefined])
    deliver('a')
    expect(lag()).toEqual([5, 0])
  })

  it('is nothing in an empty stream', () => {
    group(0)
    expect(lag()).toEqual([undefined, 0])
  })
})

describe('keys', () => {
  it('expire for whoever looks, at their time and not before', () => {
    group(2)
    expect(expireAt(database, 's', 50, 10)).toBe(true)
    expect(length(database, 's', 49)).toBe(2)
    expect(streamInfo(database, 's', 49).expiresAtMs).toBe(50)
    expect(length(database, 's', 50)).toBe(0)
    expect(database.keyCount).toBe(0)
    expect(database.memoryBytes).toBe(0)
    expect([expireAt(database, 's', 90, 60), removeKey(database, 's', 60), persist(database, 's', 60)]).toEqual([
      false,
      false,
      false,
    ])
  })

  it('go at once when their time is past, and stay when told to', () => {
    group(1)
    expireAt(database, 's', 50, 10)
    expect([persist(database, 's', 10), persist(database, 's', 10)]).toEqual([true, false])
    expect(length(database, 's', 60)).toBe(1)
    expireAt(database, 's', 60, 60)
    expect(database.keyCount).toBe(0)
  })

  it('are swept so many at a time, the earliest first', () => {
    for (let i = 0; i < 10; i++) {
      append(database, { key: `k${i}`, fields: [Buffer.from('f'), Buffer.from('v')] }, 0)
      expireAt(database, `k${i}`, 100 - i, 0)
    }
    expect(database.nextExpiryMs()).toBe(91)
    expect([database.sweep(90, 99), database.sweep(200, 4), database.keyCount]).toEqual([0, 4, 6])
    expect([...database.keys()]).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5'])
  })
})

it('tells everything about a stream in one picture', () => {
  group(3)
  deliver('a', { count: 2, nowMs: 10 })
  const full = fullStreamInfo(database, 's', 2, 20)
  expect(full).toMatchObject({ length: 3, nodeCount: 1, groupCount: 1, entriesAdded: 3 })
  expect(ids(full.entries)).toEqual(['1-0', '2-0'])
  expect(full.groups[0]).toMatchObject({
    pendingCount: 2,
    pending: [{ consumer: 'a', deliveredAtMs: 10, deliveries: 1 }, { consumer: 'a' }],
    consumers: [{ name: 'a', seenMs: 10, activeMs: 10, pendingCount: 2 }],
  })
  expect([full.firstEntry?.id, full.lastEntry?.id]).toEqual(parsed('1-0', '3-0'))
})
