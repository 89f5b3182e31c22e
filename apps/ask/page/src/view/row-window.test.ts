/** The rows in sight, with a margin on both sides, never beyond the list. */
import { describe, expect, it } from 'vitest'
import { rangeInSight, ROW_PX } from './row-window.ts'

describe('rangeInSight', () => {
  it('gives all of a short list', () => {
    expect(rangeInSight(5, 0, 400)).toEqual({ from: 0, to: 5 })
    expect(rangeInSight(0, 0, 400)).toEqual({ from: 0, to: 0 })
  })

  it('gives the end of a long one, wherever that is', () => {
    expect(rangeInSight(300, Number.MAX_SAFE_INTEGER, 10 * ROW_PX)).toEqual({ from: 278, to: 300 })
  })

  it('gives the middle with a margin', () => {
    expect(rangeInSight(300, 100 * ROW_PX, 10 * ROW_PX)).toEqual({ from: 94, to: 116 })
  })
})
