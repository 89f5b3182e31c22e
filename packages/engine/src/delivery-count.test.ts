import { expect, it } from 'vitest'
import {
  deliveriesFromBigint,
  deliveriesToBigint,
  DELIVERIES_MAX,
  isDeliveryCount,
  oneLess,
  oneMore,
} from './delivery-count.ts'

const MAX = 2n ** 63n - 1n

it('tells the highest count exactly, and the ones below it', () => {
  expect(deliveriesToBigint(DELIVERIES_MAX)).toBe(MAX)
  expect(deliveriesToBigint(oneLess(DELIVERIES_MAX))).toBe(MAX - 1n)
  expect(deliveriesToBigint(oneMore(oneLess(oneLess(DELIVERIES_MAX))))).toBe(MAX - 1n)
})

it('stays at the highest count and at 0', () => {
  expect(oneMore(DELIVERIES_MAX)).toBe(DELIVERIES_MAX)
  expect(oneLess(0)).toBe(0)
})

it('takes the counts of a client as they are', () => {
  for (const count of [0n, 1n, 70_000n, 2n ** 53n - 1n, MAX - 1_000_000n, MAX - 1n, MAX]) {
    expect(deliveriesToBigint(deliveriesFromBigint(count))).toBe(count)
    expect(isDeliveryCount(deliveriesFromBigint(count))).toBe(true)
  }
})

it('refuses what is no count', () => {
  expect([-1, 1.5, Number.NaN, Infinity, 2 ** 60].map(isDeliveryCount)).toEqual([false, false, false, false, false])
})
