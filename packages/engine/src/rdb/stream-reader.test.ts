/** Streams in RDB files: the layouts, what a node may be, and that no contradiction is taken. */
import { expect, it } from 'vitest'
import type { Database } from '../database.ts'
import { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { formatId } from '../id.ts'
import { toStreamId } from '../number-id.ts'
import type { Stream } from '../stream.ts'
import { readRdbNow } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import {
  entry,
  id,
  length,
  rawId,
  RdbBuilder,
  stream,
  text,
  time,
  u64,
  type Part,
  type PlainId,
  type StreamParts,
} from './testing/rdb-builder.ts'

const NEVER = u64(2n ** 64n - 1n)
/** First ID, highest deleted ID, entries added. */
const counters = (added: number): Part => [...id([1, 0]), ...id([0, 0]), ...length(added)]
/** A node with the entries 1-0 and 2-0, and one between them that is deleted. */
const node = {
  first: [1, 0] as const,
  elements: [2, 1, 1, 'f', 0, ...entry(2, [0, 0], ['a']), ...entry(3, [0, 5], ['x']), ...entry(0, [1, 0], ['g', 7])],
}
const usual: StreamParts = { nodes: [node], length: 2, last: [2, 0], counters: counters(3) }

function load(type: number, parts: StreamParts): { readonly stream: Stream; readonly database: Database } {
  const databases = new Databases()
  const file = new RdbBuilder(11).key(type, 's', stream(parts)).end()
  readRdbNow(RdbSource.ofBytes(file, 'dump.rdb'), { databases })
  const database = databases.at(0)
  return { stream: database.peek('s') as Stream, database }
}

function refusal(parts: StreamParts, type = 19): string {
  try {
    load(type, parts)
    return 'taken'
  } catch (error) {
    if (error instanceof EngineError && error.code === 'CORRUPT') return error.message
    throw error
  }
}

/** The nodes as `live@last`. */
function nodesOf(from: Stream): string[] {
  const told: string[] = []
  from.nodes.walk((live, last) => told.push(`${live}@${formatId(toStreamId(last))}`) > 0)
  return told
}

function firsts(from: Stream): string[] {
  const told: string[] = []
  for (const first of from.nodes.firstIds()) told.push(formatId(toStreamId(first)))
  return told
}

interface GroupParts {
  readonly name?: string
  readonly last?: PlainId
  readonly read?: Part
  readonly pending?: readonly PlainId[]
  readonly consumers?: readonly Part[]
}

function group({ name = 'g', last = [2, 0], read = NEVER, pending = [], consumers = [] }: GroupParts): Part {
  return [
    ...text(name),
    ...id(last),
    ...read,
    ...length(pending.length),
    ...pending.flatMap((one) => [...rawId(one), ...time(5000), ...length(3)]),
    ...length(consumers.length),
    ...consumers.flat(),
  ]
}

/** `times`: seen, and in the newest layout active. */
function consumer(name: string, ids: readonly PlainId[], times: readonly number[] = [6000]): Part {
  return [...text(name), ...times.flatMap(time), ...length(ids.length), ...ids.flatMap(rawId)]
}

it('reads the layout of Redis 5.0, and reckons what it does not tell', () => {
  const alice = consumer('alice', [[1, 0]])
  const groups = [
    group({ read: [], pending: [[1, 0]], consumers: [alice] }),
    group({ name: 'h', last: [0, 0], read: [] }),
  ]
  const { stream: read } = load(15, { ...usual, counters: [], groups })
  expect([read.length, read.entriesAdded, formatId(read.maxDeletedId), formatId(read.lastId)]).toEqual([
    2,
    2,
    '0-0',
    '2-0',
  ])
  expect([read.group('g')!.entriesRead, read.group('h')!.entriesRead]).toEqual([2, 0])
})

it('reads when a consumer was active, which Redis tells since 7.2, and before takes for when it was seen', () => {
  const now = load(21, {
    ...usual,
    groups: [group({ consumers: [consumer('a', [], [7, 5]), consumer('b', [], [8, -1])] })],
  })
  const told = now.stream
    .group('g')!
    .consumers()
    .map(({ name, seenMs, activeMs }) => [name, seenMs, activeMs])
  expect(told).toEqual([
    ['a', 7, 5],
    ['b', 8, undefined],
  ])
  const before = load(19, { ...usual, groups: [group({ consumers: [consumer('a', [], [7])] })] })
  expect(before.stream.group('g')!.consumer('a')!.activeMs).toBe(7)
})

it('keeps nodes as they are, deleted entries counted', () => {
  const other = {
    first: [5, 0] as const,
    elements: [1, 1, 1, 'f', 0, ...entry(2, [0, 0], ['a']), ...entry(3, [4, 4], ['b'])],
  }
  const { stream: read } = load(19, { ...usual, nodes: [node, other], length: 3, last: [9, 9] })
  expect(nodesOf(read)).toEqual(['2@2-0', '1@9-4'])
  expect(firsts(read)).toEqual(['1-0', '5-0'])
})

it('keeps a first node that a trim has emptied', () => {
  const emptied = { first: [1, 0] as const, elements: [0, 1, 1, 'f', 0, ...entry(3, [0, 0], ['a'])] }
  const { stream: read } = load(19, { nodes: [emptied], last: [9, 0], counters: counters(4) })
  expect([read.length, nodesOf(read), firsts(read)]).toEqual([0, ['0@1-0'], ['1-0']])
})

it('takes entries that came below deleted ones, after XSETID has set the last ID back', () => {
  const back = {
    first: [5, 0] as const,
    elements: [2, 1, 1, 'f', 0, ...entry(2, [0, 0], ['a']), ...entry(3, [5, 0], ['b']), ...entry(2, [1, 0], ['c'])],
  }
  const below = {
    first: [9, 0] as const,
    elements: [1, 1, 1, 'f', 0, ...entry(3, [0, 0], ['a']), ...entry(2, [-1, 0], ['b'])],
  }
  const { stream: read, database } = load(19, { nodes: [back, below], length: 3, last: [8, 0], counters: counters(5) })
  expect([nodesOf(read), firsts(read)]).toEqual([
    ['2@6-0', '1@8-0'],
    ['5-0', '8-0'],
  ])
  for (const ms of [5n, 8n, 6n]) database.commit({ kind: 'entries-deleted', key: 's', ids: [{ ms, seq: 0n }] })
  expect([read.length, nodesOf(read)]).toEqual([0, []])
})

it('ends a node before the next one where its deleted entries had higher IDs', () => {
  const above = {
    first: [5, 0] as const,
    elements: [1, 1, 1, 'f', 0, ...entry(2, [0, 0], ['a']), ...entry(3, [4, 0], ['b'])],
  }
  const later = { first: [7, 0] as const, elements: [1, 0, 1, 'f', 0, ...entry(2, [0, 0], ['a'])] }
  const { stream: read } = load(19, { nodes: [above, later], length: 2, last: [7, 0], counters: counters(3) })
  expect(nodesOf(read)).toEqual(['1@5-0', '1@7-0'])
  expect(read.removeThrough({ ms: 8n, seq: 0n })).toBe(2)
})

it('forgets an emptied node that is not the first', () => {
  const emptied = { first: [9, 0] as const, elements: [0, 1, 1, 'f', 0, ...entry(3, [0, 0], ['a'])] }
  const { stream: read } = load(19, { ...usual, nodes: [node, emptied] })
  expect(nodesOf(read)).toEqual(['2@2-0'])
})

it('forgets an emptied first node when entries came below it', () => {
  const emptied = { first: [5, 0] as const, elements: [0, 1, 1, 'f', 0, ...entry(3, [0, 0], ['a'])] }
  const below = {
    first: [6, 0] as const,
    elements: [1, 1, 1, 'f', 0, ...entry(3, [0, 0], ['a']), ...entry(2, [-3, 0], ['b'])],
  }
  const { stream: read } = load(19, { nodes: [emptied, below], length: 1, last: [3, 0], counters: counters(5) })
  expect([nodesOf(read), firsts(read)]).toEqual([['1@3-0'], ['3-0']])
})

it('reads counts that go beyond what a number can be exactly', () => {
  const added = [...id([1, 0]), ...id([0, 0]), ...u64(2n ** 63n + 5n)]
  const read = load(19, { ...usual, counters: added, groups: [group({ read: u64(2n ** 63n) })] }).stream
  expect([read.entriesAdded, read.group('g')!.entriesRead]).toEqual([2 ** 63, 2 ** 63])
})

it('takes no more for read than was ever added', () => {
  const read = load(19, { ...usual, groups: [group({ read: length(9) })] }).stream
  expect(read.group('g')!.entriesRead).toBe(3)
})

it('refuses entries that do not ascend, within a node and from one to the next', () => {
  const falling = [2, 0, 1, 'f', 0, ...entry(2, [3, 0], ['a']), ...entry(2, [2, 0], ['b'])]
  expect(refusal({ ...usual, nodes: [{ first: [1, 0], elements: falling }] })).toContain(
    'the entry 3-0 comes after 4-0',
  )
  expect(refusal({ ...usual, nodes: [node, node], length: 4 })).toContain('the node 1-0 comes after 1-0')
  const again = { first: [1, 1] as const, elements: node.elements }
  expect(refusal({ ...usual, nodes: [node, again], length: 4 })).toContain('the entry 1-1 comes after 2-0')
  const zero = { first: [0, 0] as const, elements: [1, 0, 1, 'f', 0, ...entry(2, [0, 0], ['a'])] }
  expect(refusal({ ...usual, nodes: [zero], length: 1 })).toContain('the entry 0-0 comes after 0-0')
})

it('refuses a node whose numbers are not those of its entries', () => {
  const withElements = (elements: readonly (number | string)[]): string =>
    refusal({ ...usual, nodes: [{ first: [1, 0], elements }] })
  const one = entry(2, [0, 0], ['a'])
  expect(withElements([2, 0, 1, 'f', 0, ...one])).toContain('there are 1 entries and 0 deleted ones, not 2 and 0')
  expect(withElements([0, 1, 1, 'f', 0, ...one])).toContain('not 0 and 1')
  expect(withElements([0, 0, 1, 'f', 0])).toContain('there are 0 entries')
  expect(withElements([1, 0, 0, 0, ...one])).toContain('the number of names was expected, not 0')
  expect(withElements([1, 0, 120, 'f', 0, ...one])).toContain('the number of names was expected, not 120')
  expect(withElements([1, 0, 1, 'f', 1, ...one])).toContain('the end of the names')
  expect(withElements([1, 0, 1, 'f', 0, 4, 0, 0, 'a', 4])).toContain('the flags of an entry were expected, not 4')
  expect(withElements([1, 0, 1, 'f', 0, 2, 0, 0, 'a', 5])).toContain('an entry of 4 elements tells of others')
  expect(withElements([1, 0, 1, 'f', 0, 2, 'x', 0, 'a', 4])).toContain("an entry's time was expected")
  expect(withElements([1, 0, 1, 'f', 0, 2, 0, 0])).toContain('one more element was expected')
  expect(withElements([1, 0, 1, 'f', 0, 0, 0, 0, 0, 4])).toContain('the number of fields was expected, not 0')
})

it('refuses counters that the entries contradict', () => {
  expect(refusal({ ...usual, length: 3 })).toContain('a stream of 2 entries tells of 3')
  expect(refusal({ ...usual, last: [1, 9] })).toContain('the last ID 1-9 is below that of the last entry, 2-0')
  expect(refusal({ ...usual, counters: counters(1) })).toContain('2 entries or more were added, not 1')
})

it('refuses what is pending for nobody, for two, for one alone, or twice', () => {
  const withGroup = (parts: GroupParts): string => refusal({ ...usual, groups: [group(parts)] })
  const both: readonly PlainId[] = [
    [1, 0],
    [2, 0],
  ]
  const alice = consumer('alice', both)
  expect(withGroup({ pending: both, consumers: [alice] })).toBe('taken')
  expect(withGroup({ pending: both, consumers: [consumer('alice', [[2, 0]])] })).toContain(
    'the entry 1-0 is pending for the group and for none of its consumers',
  )
  expect(withGroup({ pending: both, consumers: [alice, consumer('bob', [[2, 0]])] })).toContain(
    "the entry 2-0 is pending for 'bob' and another consumer",
  )
  expect(withGroup({ pending: [[1, 0]], consumers: [alice] })).toContain(
    '2-0 is pending for a consumer, not for the group',
  )
  expect(withGroup({ pending: both.toReversed(), consumers: [alice] })).toContain(
    'the pending entry 1-0 comes after 2-0',
  )
  const twice: readonly PlainId[] = [
    [1, 0],
    [1, 0],
  ]
  expect(withGroup({ pending: twice, consumers: [alice] })).toContain('the pending entry 1-0 comes after 1-0')
  expect(withGroup({ pending: both, consumers: [consumer('alice', twice)] })).toContain('comes after 1-0')
})

it('refuses groups and consumers that come twice', () => {
  expect(refusal({ ...usual, groups: [group({}), group({})] })).toContain("the group 'g' comes twice")
  const twice = group({ consumers: [consumer('alice', []), consumer('alice', [])] })
  expect(refusal({ ...usual, groups: [twice] })).toContain("the consumer 'alice' comes twice")
})

it('refuses times that no clock tells', () => {
  const late = group({ consumers: [[...text('alice'), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]] })
  expect(refusal({ ...usual, groups: [late] })).toContain('the time at which a consumer was seen was expected')
})

it('allocates nothing for numbers that the file cannot hold', () => {
  const huge = u64(2n ** 50n)
  const pending = [...text('g'), ...id([2, 0]), ...NEVER, ...huge]
  expect(refusal({ ...usual, groups: [pending] })).toContain('pending entries cannot be in the')
  const bytes = new RdbBuilder().key(19, 's', huge).end()
  const load = (): unknown => readRdbNow(RdbSource.ofBytes(bytes, 'dump.rdb'), { databases: new Databases() })
  expect(load).toThrow('nodes cannot be in the')
  // Nine compressed bytes that claim to become a terabyte.
  const grown = new RdbBuilder().key(0, 's', [
    0xc3,
    ...length(9),
    ...u64(2n ** 40n),
    ...Array.from({ length: 9 }, () => 0),
  ])
  const loadGrown = (): unknown =>
    readRdbNow(RdbSource.ofBytes(grown.end(), 'dump.rdb'), { databases: new Databases() })
  expect(loadGrown).toThrow('9 compressed bytes cannot become 1099511627776')
})

it('reads thousands of pending entries of many consumers', () => {
  const ids = Array.from({ length: 5000 }, (_, i): PlainId => [1 + Math.trunc(i / 3), i % 3])
  const consumers = Array.from({ length: 20 }, (_, owner) =>
    consumer(
      `c${owner}`,
      ids.filter((__, i) => i % 20 === owner),
    ),
  )
  const read = load(19, { ...usual, groups: [group({ pending: ids, consumers })] }).stream.group('g')!
  expect(read.pending.size).toBe(5000)
  expect(read.consumers().every(({ pending }) => pending === 250)).toBe(true)
  const row = read.pending.get({ ms: 8n, seq: 1n })!
  expect([read.ownerName(row), row.timeMs, row.count]).toEqual(['c2', 5000, 3])
})
