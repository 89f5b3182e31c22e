/**
 * Lines that say nothing any more without ending (T7), and lines that flap (T17): every call settles, what was sent with a key
 * is there once, workers go on within five seconds, and nothing is left open.
 */
import { type ChaosProxy, startChaosProxy, waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import { howMany, type Place, singles } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

const SILENT_MS = howMany(1000, 10_000)
const FLAPS = howMany(50, 1000)
const hasty = { unavailableMs: 1000, replyMs: 300 }

interface Scene {
  readonly place: Place
  readonly proxy: ChaosProxy
}

/** What goes wrong, and what mends it; undefined: it does not end, and there is nothing to be waited for. */
const faults: Record<string, (scene: Scene) => Promise<(() => Promise<void>) | undefined>> = {
  'a half-open line': async ({ proxy }) => {
    proxy.freeze()
    return undefined
  },
  'a server that is stopped': async ({ place }) => {
    await place.server?.kill('SIGSTOP')
    return async () => await place.server?.kill('SIGCONT')
  },
  'a network that is gone': async ({ proxy }) => {
    proxy.reset(true)
    return async () => proxy.reset(false)
  },
  'a reply that never comes': async ({ proxy }) => {
    void proxy.arm({ request: /evalsha/i, at: 'reply', kind: 'swallow' })
    return undefined
  },
  'a reply that comes by the byte': async ({ proxy }) => {
    void proxy.arm({ request: /xreadgroup[\s\S]*block/i, at: 'reply', kind: 'drip' })
    return undefined
  },
  'a reply that stops in the middle': async ({ proxy }) => {
    void proxy.arm({ request: /xreadgroup[\s\S]*block/i, at: 'reply', kind: 'swallow', after: 20 })
    return undefined
  },
}

describe.each(singles)('on %s', (_name, create) => {
  async function begin(options: object) {
    const place = await at(create)
    const proxy = await startChaosProxy(place.server?.port ?? 0)
    atEnd(() => proxy.stop())
    return { place, proxy, millrace: await open(proxy.url, options) }
  }

  it.each(Object.entries(faults))('goes on after %s', { timeout: SILENT_MS + 30_000 }, async (_title, fault) => {
    const { place, proxy, millrace } = await begin(hasty)
    const stream = millrace.stream<number>('s')
    const handled: number[] = []
    const worker = stream.group('g').worker(({ value }) => void handled.push(value), { blockMs: 500, sweepMs: 100 })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await stream.addMany(upTo(5))
    await waitFor(() => worker.counts.completed === 5, { what: 'the first five' })
    const mend = await fault({ place, proxy })
    const adding = Promise.all(upTo(20, 5).map(async (n) => await stream.add(n, { key: `n${n}` })))
    const beganMs = performance.now()
    if (mend !== undefined) {
      await waitFor(() => performance.now() - beganMs > SILENT_MS, { what: 'the silence', timeoutMs: SILENT_MS + 1000 })
      await mend()
    }
    const mendedMs = performance.now()
    await adding
    await waitFor(() => worker.counts.completed === 25, { what: 'all of them' })
    expect(performance.now() - mendedMs).toBeLessThan(5000)
    expect(handled.toSorted((a, b) => a - b)).toEqual(upTo(25))
    expect((await stream.range()).length).toBeLessThanOrEqual(25)
    expect(await millrace.backend.pending('s', 'g')).toEqual([])
  })

  it(`settles every call that a silent server was asked`, { timeout: 30_000 }, async () => {
    const { place, millrace } = await begin(hasty)
    const { backend } = millrace
    await backend.createGroup('s', 'g')
    await place.server?.kill('SIGSTOP')
    const asked = await Promise.allSettled([
      backend.add('s', ['n', '1']),
      backend.range('s'),
      backend.inspect('s'),
      backend.pending('s', 'g'),
      backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>' as const]]), { blockMs: 500 }),
      backend.step({ do: [{ kind: 'time' }] }),
      backend.claim('s', 'g', 'c', { minIdleMs: 0 }),
    ])
    await place.server?.kill('SIGCONT')
    const codes = asked.map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : 'answered'))
    expect(codes.filter((code) => code !== 'UNAVAILABLE' && code !== 'OUTCOME_UNKNOWN')).toEqual([])
  })

  it(`is the same after ${FLAPS} flaps of a blocked read`, { timeout: FLAPS * 400 + 30_000 }, async () => {
    const { proxy, millrace } = await begin({})
    const stream = millrace.stream<number>('s')
    const handled: number[] = []
    const worker = stream.group('g').worker(({ value }) => void handled.push(value), { sweepMs: 60_000 })
    atEnd(() => worker.stop({ graceMs: 0 }))
    const flap = async (n: number): Promise<void> => {
      await stream.add(n, { key: `n${n}` })
      await waitFor(() => worker.counts.completed > n, { what: `entry ${n}` })
      proxy.reset()
    }
    const settled = async (): Promise<string[]> => {
      await waitFor(() => proxy.connections === 2, { what: 'the two connections of a worker' })
      return process
        .getActiveResourcesInfo()
        .filter((kind) => kind !== 'Timeout')
        .toSorted()
    }
    const warm = 10
    for (const n of upTo(warm)) await flap(n)
    const before = await settled()
    for (const n of upTo(FLAPS, warm)) await flap(n)
    expect(await settled()).toEqual(before)
    expect(handled).toEqual(upTo(warm + FLAPS))
    expect(worker.counts.lost).toBe(0)
  })
})
