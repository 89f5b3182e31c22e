/** Sources: redis.io/docs/latest/commands/xnack, xpending, xinfo-stream, xgroup-delconsumer; redis/redis #14797. */
import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { autoClaim, claim, pendingEntries, pendingSummary } from './claim.ts'
import { Database } from './database.ts'
import { deliveriesToBigint } from './delivery-count.ts'
import { EngineError } from './errors.ts'
import { createGroup, deleteConsumer, setGroup } from './group-commands.ts'
import { formatId, ID_ZERO, parseId, type StreamId } from './id.ts'
import { fullStreamInfo } from './info.ts'
import { negativeAcknowledge, type NackRequest } from './nack.ts'
import { readGroup } from './read-group.ts'

const ref = { key: 's', group: 'g' }
let database: Database

beforeEach(() => {
  database = new Database()
  for (let ms = 1; ms <= 4; ms++) append(database, { key: 's', fields: [Buffer.from('f'), Buffer.from('v')] }, ms)
  createGroup(database, ref, { from: ID_ZERO }, 10)
  deliver('a', 3)
})

function deliver(consumer: string, count: number, nowMs = 100): void {
  readGroup(database, { group: 'g', consumer, positions: [{ key: 's', from: '>' }], count }, nowMs)
}

const parsed = (...texts: string[]): StreamId[] => texts.map(parseId)
const nack = (mode: NackRequest['mode'], ids: readonly string[], more: Partial<NackRequest> = {}): number =>
  negativeAcknowledge(database, ref, { mode, ids: parsed(...ids), ...more }, 200)
/** ID, consumer, idle time, deliveries, as XPENDING shows them. */
const pending = (minIdleMs = 0): unknown[] =>
  pendingEntries(database, ref, { count: 10, minIdleMs }, 300).map(({ id, consumer, idleMs, deliveries }) =>
    [formatId(id), consumer, idleMs, deliveriesToBigint(deliveries)].join(' '),
  )

describe('giving back (XNACK)', () => {
  it('leaves the entry pending, for nobody, with an idle time of -1', () => {
    expect(nack('fail', ['2-0', '9-0'])).toBe(1)
    expect(pending()).toEqual(['1-0 a 200 1', '2-0  -1 1', '3-0 a 200 1'])
    expect(pendingSummary(database, ref, 300)).toMatchObject({ total: 3, consumers: [{ name: 'a', pending: 2 }] })
  })

  it('is not left out by a minimum of idle time', () => {
    nack('fail', ['2-0'])
    expect(pending(1000)).toEqual(['2-0  -1 1'])
  })

  it('counts the delivery, takes it back, or counts as often as can be', () => {
    nack('fail', ['1-0'])
    nack('silent', ['2-0'])
    nack('fatal', ['3-0'])
    expect(pending()).toEqual(['1-0  -1 1', '2-0  -1 0', '3-0  -1 9223372036854775807'])
  })

  it('counts no further than that, and back from there', () => {
    nack('fatal', ['3-0'])
    claim(database, { ...ref, consumer: 'b' }, { ids: parsed('3-0'), minIdleMs: 0 }, 300)
    expect(pending().at(-1)).toBe('3-0 b 0 9223372036854775807')
    nack('silent', ['3-0'])
    expect(pending().at(-1)).toBe('3-0  -1 9223372036854775806')
  })

  it('sets the count that it is given, whatever the mode', () => {
    nack('fatal', ['1-0'], { deliveries: 7 })
    nack('silent', ['2-0'], { deliveries: 0 })
    expect(pending()).toEqual(['1-0  -1 7', '2-0  -1 0', '3-0 a 200 1'])
    expect(() => nack('fail', ['1-0'], { deliveries: -1 })).toThrow(EngineError)
  })

  it('counts an ID that comes twice, twice', () => {
    claim(database, { ...ref, consumer: 'a' }, { ids: parsed('1-0'), minIdleMs: 0, deliveries: 5 }, 100)
    expect(nack('silent', ['1-0', '1-0'])).toBe(2)
    expect(pending()[0]).toBe('1-0  -1 3')
  })

  it('ignores what is not pending, but with force makes it so if the stream has it', () => {
    expect(nack('fail', ['4-0', '8-0'])).toBe(0)
    expect(nack('fail', ['4-0', '8-0'], { force: true })).toBe(1)
    expect(pending().at(-1)).toBe('4-0  -1 0')
    acknowledge(database, ref, { ids: parsed('4-0', '3-0') }, 200)
    nack('fatal', ['4-0'], { force: true })
    nack('silent', ['3-0'], { force: true, deliveries: 9 })
    expect(pending().slice(-2)).toEqual(['3-0  -1 9', '4-0  -1 9223372036854775807'])
  })

  it('needs the group', () => {
    const missing = { key: 's', group: 'x' }
    expect(() => negativeAcknowledge(database, missing, { mode: 'fail', ids: [] }, 0)).toThrow(/no stream/)
  })
})

describe('what was given back', () => {
  it('shows with no consumer and the delivery time 0 in XINFO STREAM FULL', () => {
    nack('fail', ['3-0'])
    nack('fail', ['1-0'])
    const [group] = fullStreamInfo(database, 's', Infinity, 300).groups
    expect(group).toMatchObject({ pendingCount: 3, nackedCount: 2, consumers: [{ name: 'a', pendingCount: 1 }] })
    expect(group!.pending.map(({ consumer, deliveredAtMs }) => [consumer, deliveredAtMs])).toEqual([
      ['', 0],
      ['a', 100],
      ['', 0],
    ])
  })

  it('outlives its former consumer', () => {
    nack('fail', ['2-0'])
    expect(deleteConsumer(database, { ...ref, consumer: 'a' }, {}, 300)).toBe(2)
    expect(pending()).toEqual(['2-0  -1 1'])
  })

  it("is nobody's also when a consumer has an empty name", () => {
    nack('fail', ['2-0'])
    expect(claim(database, { ...ref, consumer: '' }, { ids: parsed('2-0'), minIdleMs: 0, ifOwner: '' }, 300)).toEqual({
      entries: [],
      deleted: [],
    })
  })

  it('can be claimed whatever idle time is asked for', () => {
    nack('fail', ['1-0', '2-0'])
    const taken = claim(database, { ...ref, consumer: 'b' }, { ids: parsed('1-0', '3-0'), minIdleMs: 1e6 }, 300)
    expect(taken.entries.map(({ id, deliveries }) => [formatId(id), deliveries])).toEqual([['1-0', 2]])
    const scanned = autoClaim(database, { ...ref, consumer: 'c' }, { minIdleMs: 1e6 }, 300)
    expect(scanned.entries.map(({ id }) => formatId(id))).toEqual(['2-0'])
    expect(pending()).toEqual(['1-0 b 0 2', '2-0 c 0 2', '3-0 a 200 1'])
  })

  it('can be acknowledged, and dropped when its entry is gone', () => {
    nack('fail', ['1-0', '2-0'])
    acknowledge(database, ref, { ids: parsed('1-0') }, 300)
    deleteEntries(database, 's', parsed('2-0'), 300)
    autoClaim(database, { ...ref, consumer: 'b' }, { minIdleMs: 1e6 }, 300)
    expect(pending()).toEqual(['3-0 a 200 1'])
    expect(fullStreamInfo(database, 's', 10, 300).groups[0]!.nackedCount).toBe(0)
  })

  it('belongs to whom it is delivered after the group was set back', () => {
    nack('fatal', ['1-0'])
    setGroup(database, ref, { from: ID_ZERO }, 300)
    deliver('b', 1, 300)
    expect(pending()[0]).toBe('1-0 b 0 1')
  })
})
