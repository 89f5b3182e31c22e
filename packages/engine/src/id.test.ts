import { describe, expect, it } from 'vitest'
import { EngineError } from './errors.ts'
import {
  compareIds,
  formatId,
  ID_MAX,
  ID_ZERO,
  nextId,
  parseId,
  parseIdOrEdge,
  parseLowerBound,
  parseNewId,
  parseUpperBound,
  previousId,
  type StreamId,
} from './id.ts'

const MAX = '18446744073709551615'
const id = (ms: bigint, seq: bigint): StreamId => ({ ms, seq })
const shown = (text: string): string => formatId(parseId(text))

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof EngineError) return error.code
    throw error
  }
  return 'accepted'
}

describe('order', () => {
  it('goes by milliseconds, then by sequence number, over all 64 bits of both', () => {
    const ordered = [
      id(0n, 0n),
      id(0n, 1n),
      id(0n, 2n ** 53n),
      id(0n, 2n ** 53n + 1n),
      id(0n, 2n ** 64n - 1n),
      id(1n, 0n),
      id(2n ** 53n, 1n),
      id(2n ** 53n + 1n, 0n),
      id(2n ** 63n, 0n),
      id(2n ** 64n - 1n, 2n ** 64n - 2n),
      ID_MAX,
    ]
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries()) expect(Math.sign(compareIds(a, b))).toBe(Math.sign(i - j))
    }
  })

  it('has a next and a previous ID, across the end of the sequence numbers', () => {
    expect(nextId(id(5n, 2n ** 64n - 1n))).toEqual(id(6n, 0n))
    expect(previousId(id(6n, 0n))).toEqual(id(5n, 2n ** 64n - 1n))
    expect(nextId(id(5n, 7n))).toEqual(id(5n, 8n))
    expect(previousId(id(5n, 8n))).toEqual(id(5n, 7n))
    expect(nextId(ID_MAX)).toBeUndefined()
    expect(previousId(ID_ZERO)).toBeUndefined()
  })
})

describe('parsing', () => {
  it('takes both parts exactly, up to the last ID', () => {
    expect(parseId(`${MAX}-${MAX}`)).toEqual(ID_MAX)
    expect(shown('9007199254740993-9007199254740993')).toBe('9007199254740993-9007199254740993')
    expect(shown('0-0')).toBe('0-0')
    expect(shown('7')).toBe('7-0')
  })

  // What redis-server 7.0.15 accepts and refuses.
  it.each([
    ['+5', '5-0'],
    ['05-1', '5-1'],
    [' 6', '6-0'],
    ['\t\n6', '6-0'],
    ['7-+1', '7-1'],
    ['7- 1', '7-1'],
    ['7--01', `7-${MAX}`],
    ['7--0', '7-0'],
    ['7-1\0rest', '7-1'],
  ])('accepts %j as %s', (text, expected) => {
    expect(shown(text)).toBe(expected)
  })

  it.each([
    '',
    '-',
    '+',
    '5-',
    '-5',
    '6 ',
    '1-1-1',
    '1e3',
    '5-**',
    '5-*',
    'a',
    '1.0',
    '0x1',
    '5--1',
    '5-- 1',
    '٣-0',
    '18446744073709551616',
    '0-18446744073709551616',
    `${'0'.repeat(128)}1-1`,
  ])('refuses %j', (text) => {
    expect(refusal(() => parseId(text))).toBe('BAD_ID')
  })

  it('takes - and + where an edge is meant', () => {
    expect(parseIdOrEdge('-')).toEqual(ID_ZERO)
    expect(parseIdOrEdge('+')).toEqual(ID_MAX)
  })

  it('names what came, but not all of a long text', () => {
    expect(() => parseId('x'.repeat(500))).toThrow(/got 'x{80}…'/)
  })
})

describe('bounds of a range', () => {
  it('fill up milliseconds alone with the first or the last sequence number', () => {
    expect(formatId(parseLowerBound('5'))).toBe('5-0')
    expect(formatId(parseUpperBound('5'))).toBe(`5-${MAX}`)
    expect(parseLowerBound('-')).toEqual(ID_ZERO)
    expect(parseUpperBound('+')).toEqual(ID_MAX)
  })

  it('exclude the ID behind a bracket', () => {
    expect(formatId(parseLowerBound('(5-3'))).toBe('5-4')
    expect(formatId(parseUpperBound('(5-3'))).toBe('5-2')
    expect(formatId(parseLowerBound(`(5-${MAX}`))).toBe('6-0')
    expect(formatId(parseUpperBound('(5-0'))).toBe(`4-${MAX}`)
    expect(formatId(parseUpperBound('(0'))).toBe('0-18446744073709551614')
  })

  it.each(['(', '(-', '(+', '(x'])('refuse %j', (text) => {
    expect(refusal(() => parseLowerBound(text))).toBe('BAD_ID')
    expect(refusal(() => parseUpperBound(text))).toBe('BAD_ID')
  })

  it('refuse to exclude the first or the last ID there can be', () => {
    expect(refusal(() => parseLowerBound(`(${MAX}-${MAX}`))).toBe('BAD_ID')
    expect(refusal(() => parseUpperBound('(0-0'))).toBe('BAD_ID')
  })
})

describe('the ID of an append', () => {
  it('is chosen, partly chosen, or given', () => {
    expect(parseNewId('*')).toEqual({ kind: 'auto' })
    expect(parseNewId('*\0 and more')).toEqual({ kind: 'auto' })
    expect(parseNewId('5-*')).toEqual({ kind: 'auto-seq', ms: 5n })
    expect(parseNewId(`${MAX}-*`)).toEqual({ kind: 'auto-seq', ms: 2n ** 64n - 1n })
    expect(parseNewId('5-1')).toEqual({ kind: 'exact', id: id(5n, 1n) })
  })

  it.each(['-*', '*-1', '5-*x', '5-1-*', '+', '**', ''])('is never %j', (text) => {
    expect(refusal(() => parseNewId(text))).toBe('BAD_ID')
  })
})
