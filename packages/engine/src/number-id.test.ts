import { describe, expect, it } from 'vitest'
import { compareIds, formatId, ID_MAX, nextId, parseId, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { compareNumberIds, IdCell, readPlainId, toStreamId } from './number-id.ts'

// Around every edge: of 32 bits, of what a number holds exactly, of 63 and 64 bits.
const parts = [0n, 1n, 2n ** 32n, 2n ** 53n - 2n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
const ids: StreamId[] = parts.flatMap((ms) => parts.map((seq) => ({ ms, seq })))

describe('an ID in numbers', () => {
  it('is the same ID again', () => {
    for (const id of ids) expect(formatId(toStreamId(IdCell.of(id)))).toBe(formatId(id))
  })

  it('is plain while both parts are below 2^53', () => {
    expect(IdCell.of({ ms: 2n ** 53n - 1n, seq: 2n ** 53n - 1n }).wide).toBeUndefined()
    expect(IdCell.of({ ms: 2n ** 53n, seq: 0n }).wide).toBeDefined()
    expect(IdCell.of({ ms: 0n, seq: 2n ** 53n }).wide).toBeDefined()
  })

  it('comes before and after what the exact pair does', () => {
    for (const a of ids) {
      for (const b of ids) {
        expect(Math.sign(compareNumberIds(IdCell.of(a), IdCell.of(b)))).toBe(Math.sign(compareIds(a, b)))
      }
    }
  })

  it('counts up to the last ID, over the end of a millisecond and of the plain numbers', () => {
    for (const id of ids) {
      const cell = IdCell.of(id)
      expect(cell.increment()).toBe(nextId(id) !== undefined)
      expect(formatId(toStreamId(cell))).toBe(formatId(nextId(id) ?? ID_MAX))
    }
  })
})

describe('reading a plain ID from bytes', () => {
  const read = (text: string): string | undefined => {
    const cell = new IdCell()
    const bytes = Buffer.from(`<${text}>`)
    return readPlainId(bytes, 1, bytes.length - 1, cell) ? formatId(toStreamId(cell)) : undefined
  }

  it('takes digits, a dash and digits', () => {
    for (const text of ['0-0', '1700000000000-5', '999999999999999-999999999999999']) expect(read(text)).toBe(text)
    expect(read('007-01')).toBe(formatId(parseId('007-01')))
  })

  it('leaves everything else to the parser that knows the quirks', () => {
    for (const text of [
      '',
      '-',
      '5',
      '5-',
      '-5',
      '1-2-3',
      '1--2',
      '+1-0',
      ' 1-0',
      '1-0 ',
      '1-x',
      'x-1',
      '*',
      '1-*',
      '1-1\0',
    ]) {
      expect(read(text), text).toBeUndefined()
    }
    expect(read('9007199254740993-0')).toBeUndefined()
    expect(read('0-9007199254740993')).toBeUndefined()
  })
})

describe('a list of IDs', () => {
  it('keeps their order, wide ones among plain ones, and grows', () => {
    expect(IdList.of(ids).toIds().map(formatId)).toEqual(ids.map(formatId))
    const list = new IdList(1)
    for (const id of ids) list.add(IdCell.of(id))
    expect(list.copy().toIds().map(formatId)).toEqual(ids.map(formatId))
    list.clear()
    list.add(IdCell.of({ ms: 1n, seq: 0n }))
    expect(list.toIds().map(formatId)).toEqual(['1-0'])
  })

  it('knows whether it ascends', () => {
    const ascends = (...texts: string[]): boolean => IdList.of(texts.map(parseId)).isAscending()
    expect(IdList.of(ids).isAscending()).toBe(true)
    expect(ascends('1-0', '1-1', '2-0')).toBe(true)
    expect(ascends('1-0', '1-0')).toBe(false)
    expect(ascends('1-1', '1-0')).toBe(false)
    expect(ascends('9007199254740992-0', '9007199254740993-0')).toBe(true)
    expect(ascends('9007199254740993-0', '9007199254740992-0')).toBe(false)
  })
})
