import { beforeEach, describe, expect, it } from 'vitest'
import { append, type TrimRule } from './append.ts'
import { appendMany } from './append-many.ts'
import { copyChange, type Change } from './change.ts'
import { Database } from './database.ts'
import type { EntryParts } from './entry-batch.ts'
import { EngineError } from './errors.ts'
import { formatId, ID_MAX, parseId } from './id.ts'
import { IdList } from './id-list.ts'
import { toStreamId } from './number-id.ts'
import { unpackFields } from './packed-fields.ts'
import { range } from './read-range.ts'
import { Seeded } from './seeded.ts'
import { setString } from './strings.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 200)
const NOW_MS = 1_700_000_000_000
let database: Database

beforeEach(() => {
  database = new Database()
})

function addAll(entries: readonly EntryParts[], trim?: TrimRule): string[] {
  const ids = new IdList()
  appendMany(database, { key: 's', entries, trim }, NOW_MS, ids)
  return ids.toIds().map(formatId)
}

function addEach(into: Database, entries: readonly EntryParts[], trim?: TrimRule): string[] {
  return entries.map((fields) => formatId(append(into, { key: 's', fields, trim }, NOW_MS)!))
}

/** What is there, in hexadecimal: text would hide what is no UTF-8. */
function shown(of: Database): string[] {
  return range(of, { key: 's' }, NOW_MS).map(({ id, fields }) =>
    [formatId(id), ...fields.map((field) => Buffer.from(field).toString('hex'))].join(' '),
  )
}

/** The changes that a database makes from now on, as text. */
function changesOf(of: Database): string[] {
  const told: string[] = []
  of.subscribe((change) => told.push(shownChange(copyChange(change))))
  return told
}

function shownChange(change: Change): string {
  if (change.kind === 'trimmed') return `trimmed ${formatId(change.through)} ${change.removed}`
  if (change.kind !== 'entry-added') return change.kind
  const fields = unpackFields(change.fields).map((field) => Buffer.from(field).toString('hex'))
  return [change.kind, formatId(toStreamId(change.id)), change.startsNode, ...fields].join(' ')
}

function refusal(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error)
  }
}

/** Same entries, IDs, nodes and changes, told in the same order. */
function expectAsOneByOne(entries: readonly EntryParts[], trim?: TrimRule): void {
  database = new Database()
  const single = new Database()
  const wanted = changesOf(single)
  const told = changesOf(database)
  expect(addAll(entries, trim)).toEqual(addEach(single, entries, trim))
  expect(told).toEqual(wanted)
  expect(shown(database)).toEqual(shown(single))
  expect(database.require('s', NOW_MS).memoryBytes).toBe(single.require('s', NOW_MS).memoryBytes)
}

describe('many entries appended at once are as if appended one by one', () => {
  it('with text of ASCII', () => {
    expectAsOneByOne(Array.from({ length: 3000 }, (_, i) => ['field', `value ${i}`]))
  })

  it('with other text, also in one entry of many', () => {
    expectAsOneByOne([
      ['größe', '日本語'],
      ['a', '1'],
      ['a', '🚀'],
      ['a', '2'],
    ])
  })

  it('with halves of a character that meet where two texts do', () => {
    expectAsOneByOne([
      ['a', '\ud83d', '\ude80', 'b'],
      ['\ud83d', '\ude80'],
    ])
  })

  it('with bytes, also ones that are shared', () => {
    const name = Uint8Array.of(0, 255, 128)
    expectAsOneByOne([
      [name, 'text'],
      [name, Uint8Array.of(7, 200)],
      ['text', name],
    ])
  })

  it('with other names, fewer and more of them, from entry to entry', () => {
    expectAsOneByOne([
      ['a', '1'],
      ['a', '2', 'b', '3'],
      ['b', '4', 'b', '5'],
      ['b', '6'],
      ['', ''],
      ['', '7', 'a', ''],
    ])
  })

  it('with values that are larger than a batch', () => {
    const large = 'x'.repeat(300_000)
    expectAsOneByOne([
      ['a', large],
      ['a', '1'],
      ['a', `${large}ü`],
      ['a', large],
      ['a', '2'],
    ])
  })

  it('with a trim after each', () => {
    const entries = Array.from({ length: 500 }, (_, i) => ['field', String(i)])
    expectAsOneByOne(entries, { keep: { kind: 'max-len', entries: 3 } })
    expectAsOneByOne(entries.slice(0, 450), { keep: { kind: 'max-len', entries: 120 }, approximate: true })
  })
})

it('goes on above a last ID that is ahead of the clock, beyond what a number holds as well', () => {
  const wide = parseId('18446744073709551615-9007199254740993')
  append(database, { key: 's', fields: ['a', '0'], id: { kind: 'exact', id: wide } }, NOW_MS)
  expect(
    addAll([
      ['a', '1'],
      ['a', '2'],
    ]),
  ).toEqual(['18446744073709551615-9007199254740994', '18446744073709551615-9007199254740995'])
})

it('appends what still gets an ID before it says that there are no more', () => {
  const last = { ms: ID_MAX.ms, seq: ID_MAX.seq - 1n }
  append(database, { key: 's', fields: ['a', '0'], id: { kind: 'exact', id: last } }, NOW_MS)
  expect(
    refusal(() =>
      addAll([
        ['a', '1'],
        ['a', '2'],
        ['a', '3'],
      ]),
    ),
  ).toBe('IDS_EXHAUSTED')
  expect(database.require('s', NOW_MS).length).toBe(2)
})

it('refuses fields that are no pairs wherever they stand, before anything is appended', () => {
  expect(refusal(() => addAll([['a', '1'], ['a']]))).toBe('BAD_ARGUMENT')
  expect(refusal(() => addAll([['a', '1'], [], ['a', '2']]))).toBe('BAD_ARGUMENT')
  expect(database.keyCount).toBe(0)
})

it('refuses a bad trim, and a key that holds something else, before anything is appended', () => {
  expect(refusal(() => addAll([['a', '1']], { keep: { kind: 'max-len', entries: -1 } }))).toBe('BAD_ARGUMENT')
  expect(database.keyCount).toBe(0)
  setString(database, { key: 's', value: Uint8Array.of(1) }, NOW_MS)
  expect(refusal(() => addAll([['a', '1']]))).toBe('WRONG_TYPE')
})

it('creates no stream for no entries', () => {
  expect(addAll([])).toEqual([])
  expect(database.keyCount).toBe(0)
})

it(`appends any entries as if one by one, seed ${SEED}`, () => {
  const random = new Seeded(SEED)
  const names = ['field', 'a', 'ü', Uint8Array.of(1, 2, 3), '']
  const values = ['plain', '', 'ß', '12345', 'x'.repeat(200), Uint8Array.of(255), '\ud800', 'y'.repeat(40_000)]
  const some = (): EntryParts =>
    Array.from({ length: 1 + random.below(3) }, () => [random.pick(names), random.pick(values)]).flat()
  for (let run = 0; run < RUNS; run++) {
    const repeated = some()
    const entries = Array.from({ length: random.below(40) + 1 }, () => (random.below(3) === 0 ? some() : repeated))
    // Only some batches hold no more than ASCII.
    const isPlain = random.below(2) === 0
    const plain = (part: Uint8Array | string): string => (part === 'plain' || part === '12345' ? part : 'abc')
    expectAsOneByOne(isPlain ? entries.map((parts) => parts.map(plain)) : entries)
  }
})
