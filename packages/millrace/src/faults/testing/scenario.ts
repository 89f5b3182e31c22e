/** What fault scenarios share: ends in their order, connections that are closed, workers that are stopped. */
import { afterEach } from 'vitest'
import { connect, type ConnectOptions } from '../../connect.ts'
import type { Millrace } from '../../millrace.ts'
import type { Place } from './fault-backends.ts'

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** Called after the test, the last first. */
export function atEnd(end: () => Promise<unknown>): void {
  ends.push(end)
}

export async function at(create: () => Promise<Place>): Promise<Place> {
  const place = await create()
  atEnd(() => place.stop())
  return place
}

export async function open(target: string, options: ConnectOptions = {}): Promise<Millrace> {
  const millrace = await connect(target, options)
  atEnd(() => millrace.close())
  return millrace
}

export function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i)
}

/** Sorted, each once. */
export function distinct(numbers: Iterable<number>): number[] {
  return [...new Set(numbers)].toSorted((a, b) => a - b)
}
