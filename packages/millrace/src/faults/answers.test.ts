/**
 * Servers that refuse for a while, in nine ways, each command twice (T13): that is never an attempt of a handler, and nothing is
 * lost. And a server whose memory is full (T14): producers are told, workers drain it, dead letters wait, producers go on.
 */
import { startChaosProxy, startRedis, startServe, waitFor } from '@millrace/testing'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { StreamError } from '../errors.ts'
import { fail } from '../worker/outcome.ts'
import { singles } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

const REFUSALS = [
  "READONLY You can't write against a read only replica.",
  'LOADING Redis is loading the dataset in memory',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'CLUSTERDOWN The cluster is down',
  'TRYAGAIN Multiple keys request during rehashing of slot',
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
  'NOREPLICAS Not enough good replicas to write.',
  "OOM command not allowed when used memory > 'maxmemory'.",
]
/** A connection's own beginnings, which such servers do answer. */
const SPARED = new Set(['info', 'client', 'hello', 'ping', 'select', 'command'])
const TIMES = 2
const COUNT = 30

/** The command of a request that holds one alone: its name, of a script its hash. */
function commandOf(request: string): string | undefined {
  if ((request.match(/(?:^|\r\n)\*\d+\r\n\$/g) ?? []).length !== 1) return undefined
  const words = request.split('\r\n')
  const name = words[2]?.toLowerCase() ?? ''
  return name === 'evalsha' ? `${name} ${words[4]}` : name
}

describe.each(singles)('on %s', (_name, create) => {
  it.each(REFUSALS)('a handler has no part in %s', { timeout: 60_000 }, async (refusal) => {
    const place = await at(create)
    const proxy = await startChaosProxy(place.server?.port ?? 0)
    atEnd(() => proxy.stop())
    const millrace = await open(proxy.url)
    const direct = await open(place.target)
    const refused = new Map<string, number>()
    const stream = millrace.stream<number>('s')
    const attempts = new Map<number, number[]>()
    await direct.backend.createGroup('s', 'g')
    proxy.answer = (request) => {
      const command = commandOf(request)
      if (command === undefined || SPARED.has(command)) return undefined
      const times = (refused.get(command) ?? 0) + 1
      refused.set(command, times)
      return times > TIMES ? undefined : `-${refusal}\r\n`
    }
    const worker = stream.group('g').worker(
      ({ value }, { attempt }) => {
        attempts.set(value, [...(attempts.get(value) ?? []), attempt])
        if (value % 10 === 3) return fail('no use')
        if (value % 10 === 7 && attempt === 1) throw new Error('once')
        return undefined
      },
      { blockMs: 500, sweepMs: 100, retry: { initialMs: 20 } },
    )
    atEnd(() => worker.stop({ graceMs: 0 }))
    for (const n of upTo(COUNT)) await direct.stream<number>('s').add(n)
    await waitFor(() => worker.counts.completed === COUNT - 3 && worker.counts.deadLettered === 3, {
      what: 'all of it',
      timeoutMs: 30_000,
    })
    expect(worker.counts).toMatchObject({ failed: 3, retried: 3, lost: 0 })
    for (const [n, made] of attempts) expect([n, made]).toEqual([n, n % 10 === 7 ? [1, 2] : [1]])
    expect(attempts.size).toBe(COUNT)
    expect(await direct.backend.pending('s', 'g')).toEqual([])
    expect([...refused.keys()].filter((name) => name.startsWith('evalsha')).length).toBeGreaterThanOrEqual(2)
  })
})

const limited = [
  ['redis-server', async () => await startRedis({ args: ['--maxmemory', '8mb'] })],
  ['millrace serve', async () => await startServe({ args: ['--maxmemory', '8mb'] })],
] as const

describe.each(limited)('a full memory, on %s', (_name, create) => {
  it('refuses producers, lets workers drain it, and takes entries again', { timeout: 60_000 }, async () => {
    const server = await create()
    atEnd(() => server.stop())
    const millrace = await open(server.url, { care: { trimMs: 100 } })
    const stream = millrace.stream<string>('s')
    await millrace.backend.createGroup('s', 'g')
    let added = 0
    const text = 'x'.repeat(10_000)
    const fill = async (): Promise<void> => {
      for (;;) {
        await stream.add(text)
        added++
      }
    }
    await expect(fill()).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(added).toBeGreaterThan(50)
    let handled = 0
    const worker = stream.group('g').worker(() => void handled++, { blockMs: 500 })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(() => worker.counts.completed === added, {
      what: 'the drain',
    })
    expect(handled).toBe(added)
    await waitFor(async () => (await stream.add('again').catch(notFull)) !== undefined, { what: 'room' })
    await waitFor(() => handled === added + 1, { what: 'the entry after it' })
  })

  it('keeps what should be a dead letter until there is room for it', { timeout: 60_000 }, async () => {
    const server = await create()
    atEnd(() => server.stop())
    const redis = new Redis(server.port, '127.0.0.1')
    atEnd(async () => redis.disconnect())
    const millrace = await open(server.url)
    const stream = millrace.stream<number>('s')
    await stream.addMany(upTo(10))
    await millrace.backend.createGroup('s', 'g')
    await redis.config('SET', 'maxmemory', '1')
    const errors: unknown[] = []
    const worker = stream.group('g').worker(() => fail('no use'), {
      blockMs: 500,
      onEvent: (event) => void (event.type === 'error' && errors.push(event.error)),
    })
    atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(() => errors.some((error) => error instanceof StreamError && error.code === 'OUT_OF_MEMORY'), {
      what: 'the refusal',
    })
    expect(await millrace.backend.pending('s', 'g')).toHaveLength(10)
    expect(await stream.deadLetters.length()).toBe(0)
    await redis.config('SET', 'maxmemory', '0')
    await waitFor(() => worker.counts.deadLettered === 10, { what: 'the dead letters' })
    expect((await stream.deadLetters.list()).map((letter) => letter.value()).toSorted((a, b) => a - b)).toEqual(
      upTo(10),
    )
    expect(await millrace.backend.pending('s', 'g')).toEqual([])
  })
})

function notFull(error: unknown): undefined {
  if (error instanceof StreamError && error.code === 'OUT_OF_MEMORY') return undefined
  throw error
}
