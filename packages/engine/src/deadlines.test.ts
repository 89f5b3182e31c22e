import { expect, it } from 'vitest'
import { Deadlines } from './deadlines.ts'
import { Seeded } from './seeded.ts'

function takeAll(deadlines: Deadlines<string>, nowMs: number): string[] {
  const taken: string[] = []
  for (let item = deadlines.take(nowMs); item !== undefined; item = deadlines.take(nowMs)) taken.push(item)
  return taken
}

it('gives what is due, the earliest first, each once', () => {
  const deadlines = new Deadlines<string>()
  deadlines.set('c', 30)
  deadlines.set('a', 10)
  deadlines.set('b', 20)
  expect(deadlines.next()).toBe(10)
  expect(takeAll(deadlines, 20)).toEqual(['a', 'b'])
  expect(takeAll(deadlines, 20)).toEqual([])
  expect(deadlines.next()).toBe(30)
})

it('goes by the deadline that was set last', () => {
  const deadlines = new Deadlines<string>()
  deadlines.set('a', 10)
  deadlines.set('b', 15)
  deadlines.set('a', 20)
  expect(deadlines.get('a')).toBe(20)
  expect(takeAll(deadlines, 18)).toEqual(['b'])
  deadlines.delete('a')
  expect(deadlines.next()).toBeUndefined()
  expect(deadlines.size).toBe(0)
})

it('agrees with sorting, also when deadlines are renewed a thousand times over', () => {
  const random = new Seeded(7)
  const deadlines = new Deadlines<string>()
  const current = new Map<string, number>()
  for (let i = 0; i < 50_000; i++) {
    const item = `k${random.below(40)}`
    const atMs = random.below(1_000_000)
    deadlines.set(item, atMs)
    current.set(item, atMs)
    if (random.below(10) === 0) {
      const gone = `k${random.below(40)}`
      deadlines.delete(gone)
      current.delete(gone)
    }
  }
  const sorted = [...current].sort(([, a], [, b]) => a - b).map(([item]) => item)
  expect(takeAll(deadlines, Infinity)).toEqual(sorted)
})
