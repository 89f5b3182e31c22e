/** Where syncs are waited for. */
import { expect, it } from 'vitest'
import { SyncPace } from './sync-pace.ts'

function noted(pace: SyncPace, ...durationsMs: number[]): boolean {
  for (const ms of durationsMs) pace.note(ms)
  return pace.isInPlace
}

it('waits in place while the disk is fast, and never when it may not', () => {
  expect(noted(new SyncPace(true), 0, 0, 1, 0, 0, 1, 0)).toBe(true)
  expect(noted(new SyncPace(false), 0, 0, 0)).toBe(false)
})

it('goes to the thread when the disk is slow, after one long sync, whatever the clock says', () => {
  expect(noted(new SyncPace(true), 20)).toBe(false)
  expect(noted(new SyncPace(true), 1e9)).toBe(false)
  expect(noted(new SyncPace(true), -1e9)).toBe(true)
  const slow = Array.from({ length: 20 }, () => 2)
  expect(noted(new SyncPace(true), ...slow)).toBe(false)
})

it('looks at a slow disk again after some dozens of syncs, for one', () => {
  const pace = new SyncPace(true)
  const inPlace = Array.from({ length: 135 }, () => noted(pace, 20))
  expect(inPlace.filter(Boolean).length).toBe(2)
  while (!pace.isInPlace) pace.note(20)
  expect(noted(pace, 0)).toBe(true)
})
