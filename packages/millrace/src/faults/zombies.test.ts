/**
 * A worker that is stopped for three times its lease and then goes on (T5, T6): what it held belongs to another by then, and
 * nothing that it still sends acknowledges it. 200 such messages on each backend in a long run.
 */
import { waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import { gate } from '../worker/testing/worker-rig.ts'
import { howMany, servers } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'
import type { Message } from './testing/worker-child.ts'
import { WorkerChildren } from './testing/worker-children.ts'

const AT_ONCE = 10
const ROUNDS = howMany(2, 20)
const LEASE_MS = 400

describe.each(servers)('a worker that was stopped, on %s', (_name, create) => {
  const title = `acknowledges none of ${ROUNDS * AT_ONCE} messages that another has taken over`
  it(title, { timeout: ROUNDS * 20_000 + 30_000 }, async () => {
    const place = await at(create)
    const children = new WorkerChildren({ target: place.target, stream: 's', concurrency: AT_ONCE, leaseMs: LEASE_MS })
    atEnd(() => children.stop())
    const child = children.start()
    const millrace = await open(place.target)
    const stream = millrace.stream<Message>('s')
    await waitFor(() => children.log.lines('ready').length === 1, { what: 'the worker' })

    let held = gate()
    let running = 0
    const successor = stream.group('g').worker(
      async () => {
        running++
        await held.opened
      },
      { concurrency: AT_ONCE, leaseMs: LEASE_MS, sweepMs: 50, blockMs: 1000 },
    )
    atEnd(() => successor.stop({ graceMs: 0 }))
    for (let round = 0; round < ROUNDS; round++) {
      await successor.pause()
      held = gate()
      running = 0
      await stream.addMany(upTo(AT_ONCE, round * AT_ONCE).map((n) => ({ n, mark: 'stop' as const })))
      await waitFor(() => children.log.lines('stopped').length === (round + 1) * AT_ONCE, { what: 'the stop' })
      const stoppedAtMs = performance.now()
      successor.resume()
      await waitFor(() => running === AT_ONCE && performance.now() - stoppedAtMs > 3 * LEASE_MS, { what: 'a takeover' })
      child.kill('SIGCONT')
      await waitFor(() => children.log.lines('zombie').length === (round + 1) * AT_ONCE, { what: 'the answers' })
      const rows = await millrace.backend.pending('s', 'g')
      expect(rows.map(({ consumer }) => consumer)).toEqual(upTo(AT_ONCE).map(() => successor.consumer))
      held.open()
      await waitFor(() => successor.counts.completed === (round + 1) * AT_ONCE, { what: 'the successor' })
    }
    const zombies = children.log.lines('zombie')
    expect(zombies.filter(({ count, text }) => count !== 0 || text !== 'LEASE_LOST')).toEqual([])
    expect(children.log.lines('completed')).toEqual([])
    expect(new Set(children.log.lines('lost').map(({ id }) => id)).size).toBe(ROUNDS * AT_ONCE)
  })
})
