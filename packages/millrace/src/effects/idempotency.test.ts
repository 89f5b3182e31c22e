/** One effect for a key: overlapping, repeated, failing, and left by a process that died. */

import { type RedisServer, startRedis, waitFor } from '@millrace/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend } from '../backend.ts'
import { nodeClock } from '../clock.ts'
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { RedisBackend } from '../redis/redis-backend.ts'
import { Idempotency } from './idempotency.ts'

let server: RedisServer

beforeAll(async () => {
  server = await startRedis()
})
afterAll(async () => {
  await server.stop()
})

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ['embedded', async () => new EmbeddedBackend()],
  ['redis', async () => await RedisBackend.connect([server.url])],
]

describe.each(backends)('an idempotent effect on %s', (_, create) => {
  let backend: Backend
  let names = 0
  const idempotency = (options = {}, name = `mail-${++names}`): Idempotency =>
    new Idempotency({ backend, clock: nodeClock }, name, options)

  beforeAll(async () => {
    backend = await create()
  })
  afterAll(async () => {
    await backend.close()
  })

  it('is run once, and its value is told to whoever asks again', async () => {
    const once = idempotency()
    let runs = 0
    const run = async () => await once.run('order-7', () => ({ sent: ++runs }))
    expect(await run()).toEqual({ value: { sent: 1 }, isRepeated: false })
    expect(await run()).toEqual({ value: { sent: 1 }, isRepeated: true })
    expect(await once.run('order-8', () => undefined)).toEqual({ value: undefined, isRepeated: false })
    expect(await once.run('order-8', () => 5)).toEqual({ value: null, isRepeated: true })
    expect(runs).toBe(1)
  })

  it('is run by one of twenty that ask at the same time', async () => {
    const once = idempotency()
    let runs = 0
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const asked = Array.from({ length: 20 }, async () =>
      once.run('k', async () => {
        runs++
        await held
        return 'done'
      }),
    )
    const others = Promise.allSettled(asked)
    await waitFor(async () => runs === 1, { what: 'one of them to run' })
    const refused = await Promise.race(asked.map(async (one) => await one.catch((error: unknown) => error)))
    expect(refused).toMatchObject({ code: 'IN_PROGRESS' })
    release()
    const results = await others
    expect(runs).toBe(1)
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
  })

  it('that throws leaves the key free, and what it threw is seen', async () => {
    const once = idempotency()
    await expect(once.run('k', () => Promise.reject(new Error('no stamp')))).rejects.toThrow('no stamp')
    expect(await once.run('k', () => 2)).toEqual({ value: 2, isRepeated: false })
  })

  it('is given a fence that grows with each run', async () => {
    const once = idempotency()
    const fences: number[] = []
    for (const key of ['a', 'b', 'c']) await once.run(key, ({ fence }) => fences.push(fence))
    expect(fences).toEqual([1, 2, 3])
  })

  it('outlives its lease while its process runs', async () => {
    const once = idempotency({ leaseMs: 150 })
    let release: () => void = () => undefined
    const startMs = performance.now()
    const first = once.run('k', async () => {
      await new Promise<void>((resolve) => (release = resolve))
      return 'slow'
    })
    await waitFor(
      async () => {
        const second = await once.run('k', () => 'twice').catch((error: unknown) => error)
        expect(second).toMatchObject({ code: 'IN_PROGRESS' })
        return performance.now() - startMs > 600
      },
      { what: 'four leases to pass' },
    )
    release()
    expect(await first).toEqual({ value: 'slow', isRepeated: false })
  })

  it('whose process is gone is run by another after the lease, and the late end of the first is refused', async () => {
    const name = `gone-${++names}`
    const once = idempotency({ leaseMs: 200 }, name)
    let release: () => void = () => undefined
    let isAborted = false
    const late = once.run('k', async ({ signal }) => {
      signal.addEventListener('abort', () => (isAborted = true))
      await new Promise<void>((resolve) => (release = resolve))
      return 'late'
    })
    // Its lease is taken from it, as if it had been stopped for longer than that.
    await backend.step({ do: [{ kind: 'remove', key: `{${name}}:effect:k` }] })
    const taken = await once.run('k', () => 'other')
    expect(taken).toEqual({ value: 'other', isRepeated: false })
    await waitFor(async () => isAborted, { what: 'the first to be told' })
    release()
    await expect(late).rejects.toMatchObject({ code: 'LEASE_LOST' })
    expect(await once.run('k', () => 'third')).toEqual({ value: 'other', isRepeated: true })
  })

  it('is forgotten when asked to, and after its time', async () => {
    const once = idempotency({ ttlMs: 40 })
    await once.run('k', () => 1)
    expect(await once.forget('k')).toBe(true)
    expect(await once.forget('k')).toBe(false)
    await once.run('k', () => 2)
    await waitFor(async () => !(await once.run('k', () => 3)).isRepeated, { what: 'the key to be forgotten' })
  })

  it('refuses what is no key, and a value that is too large', async () => {
    const once = idempotency()
    await expect(once.run('', () => 1)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(once.run('k'.repeat(513), () => 1)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
    await expect(once.run('k', () => 'v'.repeat(1 << 20))).rejects.toMatchObject({ code: 'ENTRY_TOO_LARGE' })
    expect(() => idempotency({ ttlMs: 0 })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }) as Error)
  })
})
