/** A slot that moves back and forth between two masters of a Cluster while producers and workers use it (T16). */
import { SlotMover, waitFor } from '@millrace/testing'
import { expect, it } from 'vitest'
import { clusterPlace, howMany } from './testing/fault-backends.ts'
import { at, atEnd, distinct, open, upTo } from './testing/scenario.ts'

const LOAD_MS = howMany(5000, 60_000)
const IN_FLIGHT = 8
// {b} is in this slot, which the first node holds.
const SLOT = 3300

it(`loses nothing and adds nothing twice in ${LOAD_MS / 1000} s of load`, { timeout: LOAD_MS + 60_000 }, async () => {
  const place = await at(clusterPlace)
  const millrace = await open(place.target)
  const stream = millrace.stream<number>('{b}')
  const handled: number[] = []
  let failed = 0
  for (let i = 0; i < 2; i++) {
    const worker = stream.group('g').worker(
      ({ value }, { attempt }) => {
        handled.push(value)
        return value % 50 === 0 && attempt === 1 ? Promise.reject(new Error('once')) : undefined
      },
      {
        leaseMs: 5000,
        sweepMs: 200,
        blockMs: 500,
        retry: { initialMs: 50 },
        onEvent: (event) => {
          if (event.type === 'dead-lettered') failed++
        },
      },
    )
    atEnd(() => worker.stop({ graceMs: 1000 }))
  }
  const mover = new SlotMover(place.cluster!)
  atEnd(async () => mover.close())
  const untilMs = performance.now() + LOAD_MS
  let sent = 0
  const produce = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const n = sent++
      await stream.add(n, { key: `n${n}` })
    }
  }
  const producing = Promise.all(upTo(IN_FLIGHT).map(produce))
  let moves = 0
  while (performance.now() < untilMs) {
    await mover.move(SLOT, moves % 2, 1 - (moves % 2))
    moves++
  }
  await producing
  const isDone = (): boolean => new Set(handled).size === sent
  await waitFor(isDone, { what: `all ${sent} entries to be handled`, timeoutMs: 30_000 })
  expect(distinct(handled)).toEqual(upTo(sent))
  expect(moves).toBeGreaterThan(2)
  expect(failed).toBe(0)
  const group = (await millrace.backend.inspect('{b}'))?.groups[0]
  expect(group?.entriesRead ?? sent).toBe(sent)
})
