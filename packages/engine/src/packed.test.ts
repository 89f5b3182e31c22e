import { beforeEach, describe, expect, it } from 'vitest'
import { acknowledgeOwned, acknowledgePacked } from './acknowledge.ts'
import { append, appendPacked, deleteEntries, type PackedNewId } from './append.ts'
import { copyChange, type Change } from './change.ts'
import { pendingEntries } from './claim.ts'
import { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { EntryCursor } from './entry-cursor.ts'
import { createGroup, setGroup } from './group-commands.ts'
import { formatId, ID_ZERO, parseId } from './id.ts'
import { IdList } from './id-list.ts'
import { fullStreamInfo } from './info.ts'
import { toStreamId } from './number-id.ts'
import { FieldPacker, unpackFields, viewOf, type PackedFields } from './packed-fields.ts'
import { deliverPacked } from './read-group.ts'
import { range } from './read-range.ts'

let database: Database
let changes: Change[]
const ref = { key: 's', group: 'g' }

beforeEach(() => {
  database = new Database()
  changes = []
  database.subscribe((change) => changes.push(copyChange(change)))
})

/** A request as it lies in a socket's buffer. */
function request(...parts: string[]): PackedFields {
  const bytes = Buffer.from(
    ['XADD', 's', '*', ...parts].map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join(''),
  )
  const starts: number[] = []
  const ends: number[] = []
  for (let at = 0; at < bytes.length;) {
    const line = bytes.indexOf('\r\n', at)
    starts.push(line + 2)
    ends.push(line + 2 + Number(bytes.toString('latin1', at + 1, line)))
    at = ends.at(-1)! + 2
  }
  return { bytes, view: viewOf(bytes), starts, ends, first: 3, count: parts.length }
}

function add(id: PackedNewId, nowMs = 0): string {
  const stream = appendPacked(database, { key: 's', fields: request('f', 'v'), id }, nowMs)
  return formatId(toStreamId(stream!.last))
}

const refusal = (run: () => unknown): string => {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error)
  }
}
const shown = (): string[] =>
  range(database, { key: 's' }, 0).map(({ id, fields }) =>
    [formatId(id), ...fields.map((field) => Buffer.from(field).toString())].join(' '),
  )

describe('a packed append', () => {
  it('takes fields of every length from where they lie', () => {
    const lengths = [0, 1, 3, 4, 5, 127, 128, 191, 192, 193, 300, 16_383, 16_384]
    const fields = lengths.flatMap((length) => [`n${length}`, 'é'.repeat(length)])
    appendPacked(database, { key: 's', fields: request(...fields) }, 1)
    appendPacked(database, { key: 's', fields: { ...request(...fields), view: undefined } }, 1)
    expect(shown()).toEqual([['1-0', ...fields].join(' '), ['1-1', ...fields].join(' ')])
  })

  it('keeps nothing of the buffer', () => {
    const fields = request('name', 'value')
    appendPacked(database, { key: 's', fields }, 1)
    fields.bytes.fill(0)
    appendPacked(database, { key: 's', fields: request('name', 'other') }, 1)
    expect(shown()).toEqual(['1-0 name value', '1-1 name other'])
    const kept = changes.flatMap((change) => (change.kind === 'entry-added' ? [unpackFields(change.fields)] : []))
    expect(kept.map((parts) => parts.map((part) => Buffer.from(part).toString()))).toEqual([
      ['name', 'value'],
      ['name', 'other'],
    ])
  })

  it('takes plain IDs as numbers, with the same refusals', () => {
    expect(add({ kind: 'plain', ms: 5, seq: 1 })).toBe('5-1')
    expect(add({ kind: 'plain-auto-seq', ms: 5 })).toBe('5-2')
    expect(add({ kind: 'plain-auto-seq', ms: 7 })).toBe('7-0')
    expect(refusal(() => add({ kind: 'plain', ms: 7, seq: 0 }))).toBe('ID_TOO_SMALL')
    expect(refusal(() => add({ kind: 'plain-auto-seq', ms: 6 }))).toBe('ID_TOO_SMALL')
    expect(refusal(() => add({ kind: 'plain', ms: 0, seq: 0 }))).toBe('ID_ZERO')
  })

  it('goes from plain to wide IDs and back where the milliseconds stay plain', () => {
    expect(add({ kind: 'exact', id: parseId('5-9007199254740991') })).toBe('5-9007199254740991')
    expect(add({ kind: 'auto' }, 4)).toBe('5-9007199254740992')
    expect(add({ kind: 'plain-auto-seq', ms: 5 })).toBe('5-9007199254740993')
    expect(add({ kind: 'auto' }, 6)).toBe('6-0')
    expect(add({ kind: 'exact', id: parseId('9007199254740991-18446744073709551615') })).toBe(
      '9007199254740991-18446744073709551615',
    )
    expect(add({ kind: 'auto' }, 7)).toBe('9007199254740992-0')
    expect(refusal(() => add({ kind: 'plain-auto-seq', ms: 9007199254740991 }))).toBe('ID_TOO_SMALL')
    expect(shown().length).toBe(6)
  })

  it('makes a text UTF-8, whatever its length', () => {
    const texts = ['', 'a', 'é', 'x'.repeat(48), 'x'.repeat(49), `${'x'.repeat(47)}é`, '🚰'.repeat(30), '\ud800']
    append(database, { key: 's', fields: texts }, 1)
    const [entry] = range(database, { key: 's' }, 1)
    expect(entry!.fields.map((field) => Buffer.from(field).toString('hex'))).toEqual(
      texts.map((text) => Buffer.from(text).toString('hex')),
    )
  })

  it('keeps no large buffer for small entries', () => {
    const packer = new FieldPacker()
    packer.pack(['f', 'x'.repeat(2 ** 21)])
    packer.pack(['f', 'x'])
    expect(packer.bytes.length).toBeLessThan(2 ** 20)
  })
})

describe('a packed delivery', () => {
  const cursor = new EntryCursor()
  const deliver = (consumer: string, count: number): string[] => {
    const delivered = deliverPacked(database, { ...ref, consumer, count }, 50, cursor)
    const ids: string[] = []
    while (cursor.next()) ids.push(formatId(toStreamId(cursor.entry.id)))
    expect(ids.length).toBe(delivered)
    return ids
  }
  const pending = (): string[] =>
    pendingEntries(database, ref, { count: 99_999 }, 50).map(({ id, consumer }) => `${formatId(id)} ${consumer}`)
  const replayed = (): Database => {
    const copy = new Database()
    for (const change of changes) copy.apply(change)
    return copy
  }

  it('leaves the cursor before what it delivered, and is replayed as one run', () => {
    for (let i = 1; i <= 9; i++) add({ kind: 'plain', ms: i, seq: 0 })
    deleteEntries(database, 's', ['1-0', '3-0', '4-0'].map(parseId), 0)
    createGroup(database, ref, { from: ID_ZERO }, 0)
    expect(deliver('a', 3)).toEqual(['2-0', '5-0', '6-0'])
    expect(deliver('b', 99)).toEqual(['7-0', '8-0', '9-0'])
    expect(deliver('b', 99)).toEqual([])
    expect(pending()).toEqual(['2-0 a', '5-0 a', '6-0 a', '7-0 b', '8-0 b', '9-0 b'])
    expect(changes.filter(({ kind }) => kind === 'delivered').length).toBe(2)
    expect(fullStreamInfo(replayed(), 's', Infinity, 60)).toEqual(fullStreamInfo(database, 's', Infinity, 60))
  })

  it('delivers thousands, narrow and wide, over segments and blocks', () => {
    for (let i = 1; i <= 9000; i++) add({ kind: 'plain', ms: i, seq: 0 })
    for (let i = 0; i < 70; i++) add({ kind: 'auto-seq', ms: 2n ** 60n })
    createGroup(database, ref, { from: ID_ZERO }, 0)
    expect(deliver('a', 5000).length).toBe(5000)
    expect(deliver('b', Infinity).length).toBe(4070)
    expect(pending().filter((row) => row.endsWith(' b')).length).toBe(4070)
    expect(fullStreamInfo(replayed(), 's', Infinity, 60)).toEqual(fullStreamInfo(database, 's', Infinity, 60))
  })

  it('takes over what others have when the group was set back', () => {
    for (let i = 1; i <= 4; i++) add({ kind: 'plain', ms: i, seq: 0 })
    createGroup(database, ref, { from: ID_ZERO }, 0)
    deliver('a', 3)
    setGroup(database, ref, { from: parseId('1-0') }, 0)
    expect(deliver('b', 9)).toEqual(['2-0', '3-0', '4-0'])
    expect(pending()).toEqual(['1-0 a', '2-0 b', '3-0 b', '4-0 b'])
    expect(fullStreamInfo(replayed(), 's', Infinity, 60)).toEqual(fullStreamInfo(database, 's', Infinity, 60))
  })

  it('acknowledges for an owner only what is all its own', () => {
    for (let i = 1; i <= 6; i++) add({ kind: 'plain', ms: i, seq: 0 })
    createGroup(database, ref, { from: ID_ZERO }, 0)
    for (const consumer of ['a', 'a', 'b', 'a']) deliver(consumer, 1)
    const ack = (consumer: string, ...ids: string[]): boolean =>
      acknowledgeOwned(database, { ...ref, consumer }, IdList.of(ids.map(parseId)), 60)
    expect([ack('a', '1-0', '2-0', '3-0'), ack('a', '1-0', '3-0'), ack('b', '3-0', '4-0')]).toEqual([
      false,
      false,
      false,
    ])
    expect([ack('a', '2-0', '1-0'), ack('a', '1-0', '5-0'), ack('nobody', '1-0')]).toEqual([false, false, false])
    expect(pending().length).toBe(4)
    expect([ack('a', '1-0', '2-0', '4-0'), ack('b', '3-0'), ack('b')]).toEqual([true, true, true])
    expect(pending()).toEqual([])
  })

  it('acknowledges IDs in columns, however they come', () => {
    for (let i = 1; i <= 3000; i++) add({ kind: 'plain', ms: i, seq: 0 })
    createGroup(database, ref, { from: ID_ZERO }, 0)
    for (let i = 0; i < 30; i++) deliver(i % 2 === 0 ? 'a' : 'b', 100)
    const ack = (...ids: number[]): number =>
      acknowledgePacked(database, ref, IdList.of(ids.map((ms) => ({ ms: BigInt(ms), seq: 0n }))), 60)
    expect(ack(1, 2, 3, 250, 251, 1400)).toBe(6)
    expect(ack(1, 2, 3, 4)).toBe(1)
    expect(ack(9, 8, 8, 9999)).toBe(2)
    expect(ack()).toBe(0)
    expect(
      ack(...Array.from({ length: 1000 }, (_, i) => 3 * i + 1).filter((ms) => ms > 9 && ms !== 250 && ms !== 1400)),
    ).toBe(996)
    expect(pending().length).toBe(3000 - 9 - 996)
    expect(fullStreamInfo(replayed(), 's', Infinity, 60)).toEqual(fullStreamInfo(database, 's', Infinity, 60))
  })
})

describe('a packer that has packed other entries before', () => {
  const packer = new FieldPacker(4, 2)
  const packed = (...parts: (string | Uint8Array)[]): string[] =>
    unpackFields(packer.pack(parts)).map((part) => Buffer.from(part).toString())

  it('packs the same names again, with values of any length', () => {
    for (const value of ['1', '', 'x'.repeat(5000), 'ü'.repeat(100), '2']) {
      expect(packed('name', value, 'ß', value)).toEqual(['name', value, 'ß', value])
    }
  })

  it('packs other names, fewer and more of them', () => {
    const entries = [
      ['a', '1'],
      ['a', '1', 'b', '2'],
      ['b', '2', 'a', '1'],
      ['a', '3'],
      ['', ''],
      ['', '1', '', '2'],
    ]
    for (const parts of entries) expect(packed(...parts)).toEqual(parts)
  })

  it('packs names of bytes as they are each time', () => {
    const name = Buffer.from('abc')
    expect(packed(name, '1')).toEqual(['abc', '1'])
    name[0] = 0x78
    expect(packed(name, '2')).toEqual(['xbc', '2'])
    expect(packed('abc', '3', name, '4')).toEqual(['abc', '3', 'xbc', '4'])
  })

  it('packs after an entry for which the buffer was too small to be kept', () => {
    const large = 'x'.repeat(2_000_000)
    for (const value of ['1', large, '2', large, '3']) expect(packed('name', value)).toEqual(['name', value])
  })
})
