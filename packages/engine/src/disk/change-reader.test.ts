import { expect, describe, it } from 'vitest'
import { copyChange, type Change, type CrossChange } from '../change.ts'
import { Databases } from '../databases.ts'
import { ID_MAX, ID_ZERO, type StreamId } from '../id.ts'
import { IdList } from '../id-list.ts'
import { IdCell, toStreamId } from '../number-id.ts'
import { copyFields, FieldPacker, unpackFields } from '../packed-fields.ts'
import { ChangeReader } from './change-reader.ts'
import { ChangeWriter } from './change-writer.ts'
import { NAME_SLOTS, OP, PAYLOAD_VERSION, PayloadError } from './payload.ts'

type Told = readonly [database: number, change: Change | CrossChange]

const NAMES = ['k', '', '\0\xff\r\n', 'x'.repeat(300), '\u20ac \ud800 no byte string']
const TIMES = [0, 1_700_000_000_000, 1_700_000_000_001, -1, -0, 0.5, 2 ** 53, 2 ** 63, -1e300, Infinity, Number.NaN]
const COUNTS = [undefined, 0, 1, 63, 127, 128, 2 ** 31, 2 ** 51, 2 ** 53 - 1, 2 ** 53, 2 ** 63, 1.5]
const IDS: StreamId[] = [
  ID_ZERO,
  { ms: 0n, seq: 1n },
  { ms: 1_700_000_000_000n, seq: 0n },
  { ms: 1_700_000_000_000n, seq: 31n },
  { ms: 1_700_000_000_000n, seq: 500n },
  { ms: 1_700_000_000_000n, seq: 5n },
  { ms: 1_700_000_000_031n, seq: 5n },
  { ms: 1n, seq: 2n ** 53n - 1n },
  { ms: 2n ** 53n - 1n, seq: 2n ** 53n - 1n },
  { ms: 2n ** 53n - 1n, seq: 2n ** 53n },
  { ms: 2n ** 53n, seq: 0n },
  ID_MAX,
  { ms: 0n, seq: 0n },
]

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1')
const added = (key: string, id: StreamId, fields: readonly Uint8Array[], startsNode = false): Change => {
  // Not at the beginning of its bytes, as in a request.
  const packed = new FieldPacker().pack([text('before'), text('it'), ...fields])
  const behind = { ...copyFields(packed), first: 2, count: fields.length }
  return { kind: 'entry-added', key, id: IdCell.of(id), fields: behind, startsNode }
}

function written(told: readonly Told[]): Uint8Array {
  const writer = new ChangeWriter()
  for (const [database, change] of told) writer.write(database, change)
  return writer.bytes.slice(0, writer.used)
}

function readAll(reader: ChangeReader): Told[] {
  const told: Told[] = []
  while (reader.next()) {
    const { database, change } = reader
    told.push([database, 'key' in change ? (copyChange(change as Change) as Change) : change])
  }
  return told
}

/** The same for two changes that say the same: of fields and lists it doesn't matter where they are. */
function plain([database, change]: Told): unknown {
  if (change.kind === 'entry-added') {
    const fields = unpackFields(change.fields).map((part) => Buffer.from(part).toString('latin1'))
    return { ...change, database, id: toStreamId(change.id), fields }
  }
  if (change.kind === 'string-set') return { ...change, database, value: Buffer.from(change.value).toString('latin1') }
  if (change.kind === 'key-restored') {
    return { ...change, database, payload: Buffer.from(change.payload).toString('latin1') }
  }
  if (change.kind === 'delivered') return { ...change, database, lastId: toStreamId(change.lastId) }
  if (change.kind === 'claimed') {
    const counts = [...change.counts.subarray(0, change.ids.count)]
    return { ...change, database, ids: change.ids.toIds(), counts }
  }
  if ('ids' in change && change.ids instanceof IdList) return { ...change, database, ids: change.ids.toIds() }
  return { ...change, database }
}

function expectSame(told: readonly Told[]): void {
  const bytes = written(told)
  expect(readAll(new ChangeReader(bytes)).map(plain)).toEqual(told.map(plain))
  // Somewhere in other bytes, and each in a payload of its own.
  const shifted = Buffer.concat([Buffer.alloc(3, 0xff), bytes, Buffer.alloc(3, 0xff)])
  const reader = new ChangeReader(shifted, 3, shifted.length - 3)
  expect(readAll(reader).map(plain)).toEqual(told.map(plain))
  for (const one of told) {
    const alone = written([one])
    reader.begin(alone, 0, alone.length)
    expect(readAll(reader).map(plain)).toEqual([plain(one)])
  }
}

function refusal(bytes: Uint8Array, from = 0, to = bytes.length): PayloadError {
  try {
    readAll(new ChangeReader(bytes, from, to))
  } catch (error) {
    if (error instanceof PayloadError) return error
    throw error
  }
  throw new Error('Nothing was refused')
}

describe('what was written is read', () => {
  it('of every kind about keys and databases', () => {
    const told: Told[] = NAMES.flatMap((key, i): Told[] => [
      [i, { kind: 'stream-created', key }],
      [i, { kind: 'stream-created', key, idempotency: { durationS: 86_400, sizeMax: 10_000 } }],
      [0, { kind: 'key-renamed', key, to: NAMES[(i + 1) % NAMES.length]! }],
      [15, { kind: 'key-removed', key, reason: 'deleted' }],
      [15, { kind: 'key-removed', key, reason: 'expired' }],
      [1, { kind: 'flushed' }],
      [3, { kind: 'databases-swapped', a: 3, b: 2 ** 40 }],
      [3, { kind: 'key-moved', key, from: 3, to: 0 }],
      [3, { kind: 'key-copied', key, from: 3, toKey: key, to: 3 }],
      ...[undefined, ...TIMES].flatMap((atMs): Told[] => [
        [0, { kind: 'expiry-set', key, atMs }],
        [0, { kind: 'string-set', key, value: text(`\xff\0${atMs}`), expiresAtMs: atMs }],
        [0, { kind: 'key-restored', key, payload: text(`\xff\0${atMs}`), expiresAtMs: atMs }],
      ]),
    ])
    expectSame([...told, [0, { kind: 'string-set', key: 'empty', value: text(''), expiresAtMs: undefined }]])
  })

  it('of every kind about entries', () => {
    const told: Told[] = IDS.flatMap((id, i): Told[] => {
      const key = NAMES[i % NAMES.length]!
      return [
        [0, added(key, id, [text('f'), text('v'.repeat(28))])],
        [0, added(key, id, [text('f'), text('\xff'.repeat(i * 40))], true)],
        [0, added(key, id, [text(''), text(''), text('f'), text('')])],
        [0, { kind: 'trimmed', key, through: id, removed: 2 ** 53 - 1 }],
        [0, { kind: 'entries-trimmed', key, ids: [id] }],
        [0, { kind: 'entries-deleted', key, ids: IDS }],
        [0, { kind: 'entries-deleted', key, ids: [] }],
      ]
    })
    const sets = COUNTS.filter((count) => count !== undefined).map((entriesAdded, i): Told => {
      return [0, { kind: 'id-set', key: 'k', lastId: IDS[i]!, entriesAdded, maxDeletedId: IDS[i + 1]! }]
    })
    expectSame([...told, ...sets])
  })

  it('of every kind about groups', () => {
    const told: Told[] = IDS.flatMap((lastId, i): Told[] => {
      const name = (n: number): string => NAMES[(i + n) % NAMES.length]!
      const group = { key: name(0), group: name(1) }
      const consumer = { ...group, consumer: name(2) }
      const entriesRead = COUNTS[i % COUNTS.length]
      const atMs = TIMES[i % TIMES.length]!
      const activeMs = [undefined, ...TIMES][i % (TIMES.length + 1)]
      const ids = IdList.of([lastId, ...IDS])
      const counts = Float64Array.from(IDS, (_, at) => COUNTS[at % COUNTS.length] ?? 7)
      const delivered = { kind: 'delivered' as const, ...consumer, count: i, atMs, entriesRead }
      return [
        [0, { kind: 'group-created', ...group, lastId, entriesRead }],
        [0, { kind: 'group-set', ...group, lastId, entriesRead }],
        [0, { kind: 'group-advanced', ...group, lastId }],
        [0, { kind: 'group-destroyed', ...group }],
        [0, { kind: 'consumer-created', ...consumer, atMs }],
        [0, { kind: 'consumer-deleted', ...consumer }],
        [0, { kind: 'consumer-seen', ...consumer, seenMs: atMs, activeMs }],
        [0, { ...delivered, pending: true, lastId: IdCell.of(lastId) }],
        [0, { ...delivered, pending: false, lastId: IdCell.of(lastId) }],
        [0, { kind: 'claimed', ...consumer, ids: IdList.of(IDS), atMs, counts }],
        [0, { kind: 'acknowledged', ...group, ids }],
        [0, { kind: 'acknowledged', ...group, ids: new IdList() }],
        [0, { kind: 'pending-dropped', ...group, ids }],
        [0, { kind: 'nacked', ...group, ids: IDS, counts: IDS.map((_, at) => COUNTS[at % COUNTS.length] ?? 9) }],
      ]
    })
    expectSame(told)
  })

  it('of every kind about producers', () => {
    const told: Told[] = NAMES.flatMap((key, i): Told[] => [
      [0, { kind: 'idempotency-set', key, settings: { durationS: i + 1, sizeMax: 10_000 } }],
      [0, { kind: 'iid-recorded', key, producer: NAMES[(i + 2) % 5]!, iid: NAMES[(i + 3) % 5]!, id: IDS[i]! }],
      [0, { kind: 'iid-repeated', key }],
      ...[0n, -1n, -99_990n, 1_700_000_000_000n, 2n ** 64n + 1n].map((throughMs): Told => {
        return [0, { kind: 'iids-expired', key, throughMs }]
      }),
    ])
    expectSame(told)
  })

  it('with more sets of field names in turn than are known at a time, long ones and many of them', () => {
    const sets = Array.from({ length: NAME_SLOTS + 3 }, (_, i) => [text(`name ${i}`), text('v'), text('n'), text('w')])
    sets.push([text('n'.repeat(20_000)), text('v')], [text('n'.repeat(200)), text('v')])
    sets.push(Array.from({ length: 600 }, (_, i) => text(`${i}`)))
    const turns = [...sets, ...sets, ...sets.toReversed(), ...sets.flatMap((set) => [set, set, sets[0]!])]
    expectSame(turns.map((fields, i) => [i % 3, added('s', { ms: 1n, seq: BigInt(i + 1) }, fields)]))
  })

  it('with values larger than the buffer', () => {
    const big = new Uint8Array(6_000_000).map((_, i) => (i * 7919) >> 5)
    const told: Told[] = [
      [0, added('s', { ms: 1n, seq: 0n }, [text('f'), big])],
      [0, { kind: 'string-set', key: 'k'.repeat(70_000), value: big, expiresAtMs: 1 }],
    ]
    expectSame(told)
  })
})

describe('a payload', () => {
  it('begins anew, and knows nothing of the one before', () => {
    const writer = new ChangeWriter()
    expect(writer.isEmpty).toBe(true)
    const told: Told = [2, added('s', { ms: 5n, seq: 0n }, [text('f'), text('v')])]
    writer.write(...told)
    expect(writer.isEmpty).toBe(false)
    const alone = writer.bytes.slice(0, writer.used)
    for (let i = 0; i < 5; i++) writer.write(1, { kind: 'iid-repeated', key: `k${i}` })
    writer.write(1, added('t', { ms: 7n, seq: 9n }, [text('g'), text('v')]))
    writer.clear()
    expect(writer.isEmpty).toBe(true)
    writer.write(...told)
    expect(writer.bytes.slice(0, writer.used)).toEqual(alone)
  })

  it('gives back the room that one large change took', () => {
    const writer = new ChangeWriter()
    writer.write(0, { kind: 'string-set', key: 'k', value: new Uint8Array(9_000_000), expiresAtMs: undefined })
    const large = writer.bytes.length
    writer.clear()
    expect(writer.bytes.length).toBeLessThan(large / 100)
    expect(writer.bytes[0]).toBe(PAYLOAD_VERSION)
  })

  it('takes 5 bytes more than its value for an entry like the one before', () => {
    const writer = new ChangeWriter()
    const write = (seq: number): void => {
      writer.write(
        0,
        added('orders', { ms: 1_700_000_000_000n, seq: BigInt(seq) }, [text('field'), text('v'.repeat(28))]),
      )
    }
    write(0)
    const first = writer.used
    for (let seq = 1; seq <= 100; seq++) write(seq)
    expect(writer.used - first).toBe(100 * (28 + 5))
  })

  it('names long fields once', () => {
    const writer = new ChangeWriter()
    const fields = [text('n'.repeat(200)), text('v')]
    writer.write(0, added('s', { ms: 5n, seq: 0n }, fields))
    const first = writer.used
    writer.write(0, added('s', { ms: 5n, seq: 1n }, fields))
    expect(writer.used - first).toBe(6)
  })

  it('makes room for each kind of change wherever the buffer ends', () => {
    const ids = IdList.of(Array.from({ length: 30 }, () => ID_MAX))
    const counts = Float64Array.from({ length: ids.count }, () => 0.5)
    const group = { key: 'k', group: 'g' }
    const consumer = { ...group, consumer: 'c' }
    const [lastId, atMs, key] = [ID_MAX, 0.5, 'k']
    const cell = IdCell.of(lastId)
    const kinds: Change[] = [
      added('k', ID_MAX, [text('n'.repeat(130)), text('v'.repeat(130))]),
      { kind: 'string-set', key, value: text('v'.repeat(300)), expiresAtMs: 0.5 },
      { kind: 'id-set', key, lastId, entriesAdded: 0.5, maxDeletedId: lastId },
      { kind: 'trimmed', key, through: lastId, removed: 2 ** 53 - 1 },
      { kind: 'entries-deleted', key, ids: ids.toIds() },
      { kind: 'iid-recorded', key, producer: 'p', iid: 'i', id: lastId },
      { kind: 'delivered', ...consumer, count: 2 ** 52, atMs, pending: true, lastId: cell, entriesRead: 0.5 },
      { kind: 'claimed', ...consumer, ids, atMs, counts },
      { kind: 'acknowledged', ...group, ids },
      { kind: 'nacked', ...group, ids: ids.toIds(), counts: [...counts] },
      { kind: 'consumer-seen', ...consumer, seenMs: atMs, activeMs: atMs },
      { kind: 'group-created', ...group, lastId, entriesRead: 0.5 },
    ]
    const { length } = new ChangeWriter().bytes
    const filler: Told = [0, { kind: 'string-set', key, value: new Uint8Array(length - 1400), expiresAtMs: 1 }]
    for (const change of kinds) {
      for (let fillers = 0; fillers < 700; fillers += 5) {
        const writer = new ChangeWriter()
        writer.write(...filler)
        // Two bytes each.
        for (let i = 0; i < fillers; i++) writer.write(0, { kind: 'iid-repeated', key })
        writer.write(2 ** 40, change)
        const told = readAll(new ChangeReader(writer.bytes, 0, writer.used))
        expect(told).toHaveLength(fillers + 2)
        expect(plain(told.at(-1)!)).toEqual(plain([2 ** 40, change]))
      }
    }
  })

  it('is empty, and is read as that', () => {
    expect(readAll(new ChangeReader(written([])))).toEqual([])
  })

  it('is applied as it is read', () => {
    const told: Told[] = [
      [0, { kind: 'stream-created', key: 's' }],
      [0, added('s', { ms: 5n, seq: 0n }, [text('f'), text('one')], true)],
      [0, added('s', { ms: 5n, seq: 1n }, [text('f'), text('two')])],
    ]
    const databases = new Databases()
    const bytes = written(told)
    const reader = new ChangeReader(bytes)
    while (reader.next()) databases.apply(reader.database, reader.change)
    bytes.fill(0)
    const stream = databases.at(0).find('s', 0)!
    const values = stream.range(ID_ZERO, ID_MAX, 9).map(({ fields }) => Buffer.from(fields[1]!).toString())
    expect(values).toEqual(['one', 'two'])
  })
})

describe('what is malformed is refused', () => {
  const payload = (...parts: number[]): Uint8Array => Uint8Array.from([PAYLOAD_VERSION, ...parts])
  const KEY = [0, 2, 0x6b]

  it('with the place, among other bytes', () => {
    const error = refusal(Uint8Array.from([9, 9, PAYLOAD_VERSION, OP.iidRepeated, 7, 9, 9]), 2, 5)
    expect([error.reason, error.offset]).toEqual(['malformed', 5])
    expect(error.message).toContain('at offset 5')
    expect(error.message).toContain('number of a text')
  })

  it('when it ends within a change, whatever the bytes behind it', () => {
    const behind = written([[7, { kind: 'flushed' }]])
    expect(refusal(behind, 0, behind.length - 1).offset).toBe(behind.length - 1)
  })

  it('when it uses the names or the texts of the payload before', () => {
    const first = written([[0, added('s', { ms: 5n, seq: 0n }, [text('f'), text('v')])]])
    const reader = new ChangeReader(first)
    expect(readAll(reader)).toHaveLength(1)
    for (const second of [payload(OP.entryAdded, ...KEY, 1, 0, 1, 0x76), payload(OP.iidRepeated, 1)]) {
      reader.begin(second, 0, second.length)
      expect(() => reader.next()).toThrow(PayloadError)
    }
  })

  it('when it is of a newer version, or of none', () => {
    expect(refusal(Uint8Array.from([PAYLOAD_VERSION + 1, OP.flushed])).reason).toBe('newer')
    expect(refusal(Uint8Array.from([0, OP.flushed])).reason).toBe('malformed')
    expect(refusal(new Uint8Array(0)).message).toContain('ends')
  })

  it.each([
    ['an unknown kind', payload(200), 'Expected a kind of change; got 200'],
    ['a database and no change', payload(OP.database, 1), 'Expected another byte'],
    ['two databases', payload(OP.database, 1, OP.database, 1), 'Expected a kind of change; got 0'],
    ['an integer without end', payload(OP.database, ...Array.from({ length: 20 }, () => 0xff)), 'Expected an integer'],
    ['an integer above 2^53', payload(OP.database, 255, 255, 255, 255, 255, 255, 255, 31), 'Expected an integer'],
    ['a text longer than the rest', payload(OP.iidRepeated, 0, 8, 0x6b), 'Expected 4 bytes; the payload has 1'],
    ['a text that was not there', payload(OP.iidRepeated, 1), 'Expected the number of a text; got 1 of 0'],
    ['names that were not there', payload(OP.entryAdded, ...KEY, 1, 0), 'where none are known'],
    ['names in a place that is none', payload(OP.entryAdded, ...KEY, 1, 16), 'Expected the place of field names'],
    ['more names than bytes', payload(OP.entryAdded, ...KEY, 1, 8, 127), '127 parts are announced'],
    ['more IDs than bytes', payload(OP.entriesDeleted, ...KEY, 255, 255, 255, 127), 'parts are announced'],
    ['an ID of an unknown form', payload(OP.trimmed, ...KEY, 0xa0, 0), 'forms of an ID'],
    ['an ID below 0', payload(OP.trimmed, ...KEY, 0x61, 0, 0), 'Expected an ID below 2^53'],
    ['a time that is not there', payload(OP.consumerCreated, ...KEY, 1, 1, 0), 'Expected a time; got none'],
    ['digits that are none', payload(OP.iidsExpired, ...KEY, 2, 0x78), 'whole number in digits'],
  ])('%s', (_, bytes, message) => {
    expect(refusal(bytes).message).toContain(message)
  })
})
