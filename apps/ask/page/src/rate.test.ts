/** Tokens per second, in a bounded number of buckets. */
import { describe, expect, it } from 'vitest'
import { RateSeries, tokensIn } from './rate.ts'

describe('RateSeries', () => {
  it('tells the rate of the last two seconds', () => {
    const series = new RateSeries()
    for (let ms = 0; ms < 4000; ms += 100) series.add(1000 + ms, 5)
    expect(series.recent(5000)).toBeCloseTo(50, 0)
    expect(series.recent(9000)).toBe(0)
  })

  it('joins buckets when they run out, and loses no token', () => {
    const series = new RateSeries()
    for (let s = 0; s < 600; s++) series.add(s * 1000, 20)
    const points = series.points()
    expect(points.length).toBeLessThanOrEqual(120)
    const width = points[1]!.atS - points[0]!.atS
    expect(points.reduce((sum, each) => sum + each.tokensPerSecond * width, 0)).toBeCloseTo(12_000)
  })

  it('takes four characters for a token', () => {
    expect(tokensIn('a'.repeat(40))).toBe(10)
  })
})
