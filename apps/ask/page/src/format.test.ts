/** Numbers as people read them. */
import { describe, expect, it } from 'vitest'
import { dayOf, formatAge, formatBytes, formatLeft, formatSeconds, formatSpan, shortId, wordsIn } from './format.ts'

describe('format', () => {
  it('writes sizes', () => {
    expect([0, 900, 9_999, 20_000, 13_002_342, 3e9].map(formatBytes)).toEqual([
      '0 B',
      '900 B',
      '9.8 KB',
      '20 KB',
      '12.4 MB',
      '2.8 GB',
    ])
  })

  it('writes seconds with three digits', () => {
    expect([210, 3400, 12_540, 125_000].map(formatSeconds)).toEqual(['0.21', '3.40', '12.5', '125'])
  })

  it('writes ages', () => {
    expect([100, 700, 3400, 59_999, 61_000, 7.3e6, 1e9].map(formatAge)).toEqual([
      'now',
      '0.7 s',
      '3.4 s',
      '59 s',
      '1 min',
      '2 h',
      '11 d',
    ])
  })

  it('writes what is left and spans', () => {
    expect([86_340_000, 3_600_000, 250_000, 9_000, 1e9].map(formatLeft)).toEqual([
      '23 h 59',
      '1 h 00',
      '4 min',
      '9 s',
      '11 days',
    ])
    expect([86_400_000, 3_600_000, 604_800_000, 60_000].map(formatSpan)).toEqual([
      '24 hours',
      '1 hour',
      '7 days',
      '1 minute',
    ])
  })

  it('shortens IDs to where they differ', () => {
    expect(shortId('1795391639213-0')).toBe('…639213-0')
    expect(shortId('5-0')).toBe('5-0')
  })

  it('counts words', () => {
    expect(wordsIn('  one two\nthree ')).toBe(3)
    expect(wordsIn('')).toBe(0)
  })

  it('sorts by the reader’s calendar', () => {
    const now = new Date(2026, 2, 10, 0, 30).getTime()
    const at = (day: number, hour: number): number => new Date(2026, 2, day, hour).getTime()
    expect([at(10, 0), at(9, 23), at(9, 0), at(8, 23)].map((each) => dayOf(each, now))).toEqual([
      'Today',
      'Yesterday',
      'Yesterday',
      'Earlier',
    ])
  })
})
