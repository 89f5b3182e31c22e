import { expect, it } from 'vitest'
import { Guesses } from './auth-guesses.ts'

/** How long so many attempts in a row, each of them wrong, take in all. */
function timeFor(attempts: number): number {
  const guesses = new Guesses()
  let nowMs = 0
  for (let i = 0; i < attempts; i++) {
    nowMs += guesses.delayMs('a', nowMs)
    guesses.failed('a', nowMs)
  }
  return nowMs
}

it('waits longer after each wrong guess, up to two seconds', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8].map(timeFor)).toEqual([0, 100, 300, 700, 1500, 3100, 5100, 7100])
})

it('lets guesses over many connections stand in one line', () => {
  const guesses = new Guesses()
  guesses.failed('a', 0)
  expect([1, 2, 3].map(() => guesses.delayMs('a', 0))).toEqual([100, 200, 300])
  expect(guesses.delayMs('b', 0)).toBe(0)
})

it('forgets an address that was quiet for a minute', () => {
  const guesses = new Guesses()
  guesses.failed('a', 0)
  expect(guesses.delayMs('a', 59_999)).toBe(0)
  guesses.failed('a', 59_999)
  expect(guesses.delayMs('a', 59_999)).toBe(200)
  expect(guesses.delayMs('a', 120_000)).toBe(0)
  guesses.failed('a', 120_000)
  expect(guesses.delayMs('a', 120_000)).toBe(100)
})

it('knows ten thousand addresses at most: the one that was quiet longest goes', () => {
  const guesses = new Guesses()
  for (let i = 0; i < 10_001; i++) guesses.failed(`address ${i}`, 0)
  expect(guesses.size).toBe(10_000)
  expect(guesses.delayMs('address 0', 0)).toBe(0)
  expect(guesses.delayMs('address 1', 0)).toBe(100)
})
