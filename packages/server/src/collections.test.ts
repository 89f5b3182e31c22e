/**
 * When V8 is told to space its collections. That it then does so is measured and not tested (docs/decisions/019): how often it
 * collects depends on the machine.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { spaceCollections } from './collections.ts'

vi.mock('node:v8', () => ({ getHeapStatistics: vi.fn(), setFlagsFromString: vi.fn() }))

const MIB = 1024 * 1024
let timer: NodeJS.Timeout | undefined
beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  clearInterval(timer)
  vi.useRealTimers()
})

function heapOf(bytes: number): void {
  vi.mocked(getHeapStatistics).mockReturnValue({ used_heap_size: bytes } as ReturnType<typeof getHeapStatistics>)
}

it('spaces them while the heap is small, and leaves the plan to V8 while it is large', () => {
  const told = vi.mocked(setFlagsFromString)
  heapOf(8 * MIB)
  timer = spaceCollections()
  expect(told.mock.calls).toEqual([['--heap-growing-percent=800']])
  vi.advanceTimersByTime(5000)
  expect(told).toHaveBeenCalledTimes(1)
  heapOf(97 * MIB)
  vi.advanceTimersByTime(1000)
  expect(told).toHaveBeenLastCalledWith('--heap-growing-percent=0')
  heapOf(45 * MIB)
  vi.advanceTimersByTime(3000)
  heapOf(MIB)
  vi.advanceTimersByTime(1000)
  expect(told.mock.calls.slice(2)).toEqual([['--heap-growing-percent=200'], ['--heap-growing-percent=800']])
})

it('does not keep a process running', () => {
  heapOf(8 * MIB)
  timer = spaceCollections()
  expect(timer.hasRef()).toBe(false)
})
