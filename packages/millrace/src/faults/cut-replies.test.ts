/**
 * Requests and replies that are cut after every number of bytes (T4, T8, T9, T10): what was sent happens once, whatever was
 * heard of it. Each byte in a long run, a dozen places of each otherwise. Not on a Cluster, whose nodes clients reach by
 * the addresses that the nodes tell: its line is the same client's.
 */
import { type ChaosProxy, startChaosProxy, waitFor } from '@millrace/testing'
import { describe, expect, it } from 'vitest'
import type { Backend } from '../backend.ts'
import { settleScript } from '../redis/scripts/settle.ts'
import { fail, ackWith, retryAfter } from '../worker/outcome.ts'
import { patient } from '../worker/testing/worker-rig.ts'
import { howMany, singles } from './testing/fault-backends.ts'
import { at, atEnd, open, upTo } from './testing/scenario.ts'

const PLACES = howMany(8, Infinity)

/** Byte counts to cut at: the first and last ones, and some between. */
function placesIn(length: number): number[] {
  const all = upTo(length + 1)
  if (all.length <= PLACES) return all
  const step = length / (PLACES - 4)
  return all.filter((n) => n < 2 || n > length - 2 || Math.floor(n / step) !== Math.floor((n - 1) / step))
}

interface Cut {
  readonly request: RegExp
  readonly at: 'request' | 'reply'
  /** Causes one such request, and resolves when its outcome is there. */
  readonly act: (n: number) => Promise<unknown>
}

/** Learns the length from one that is not cut, after one that loads scripts; then cuts at each place. Resolves how many were caused. */
async function cutAll(proxy: ChaosProxy, { request, at: side, act }: Cut): Promise<number> {
  await act(0)
  proxy.watch(request)
  await act(1)
  const { length } = side === 'reply' ? proxy.watched : proxy.watchedRequest
  expect(length).toBeGreaterThan(2)
  let n = 2
  for (const after of placesIn(length)) {
    const cut = proxy.arm({ request, at: side, kind: 'cut', after })
    await act(n++)
    await cut
  }
  return n
}

const ids = async (backend: Backend, stream: string): Promise<number> => (await backend.range(stream)).length

describe.each(singles)('a line that is cut, on %s', (_name, create) => {
  const timeout = howMany(60_000, 900_000)

  async function begin() {
    const place = await at(create)
    const proxy = await startChaosProxy(place.server?.port ?? 0)
    atEnd(() => proxy.stop())
    const cut = await open(proxy.url, { care: {} })
    const { backend } = await open(place.target)
    return { proxy, cut, backend }
  }

  it.each(['request', 'reply'] as const)('adds with a key once for each send: %s', { timeout }, async (side) => {
    const { proxy, cut, backend } = await begin()
    const stream = cut.stream<number>('s')
    const told: string[] = []
    const act = async (n: number): Promise<void> => void told.push(await stream.add(n, { key: `key-${n}` }))
    const sent = await cutAll(proxy, { request: /evalsha[\s\S]*:once:/i, at: side, act })
    expect(await ids(backend, 's')).toBe(sent)
    expect((await backend.range('s')).map(({ id }) => id)).toEqual(told)
  })

  it('handles what a lost reply held at once, each once', { timeout }, async () => {
    const { proxy, cut, backend } = await begin()
    const handled: number[] = []
    const worker = cut
      .stream<number>('s')
      .group('g')
      .worker(({ value }) => void handled.push(value), patient)
    atEnd(() => worker.stop({ graceMs: 0 }))
    await waitFor(async () => (await backend.inspect('s'))?.groups.length === 1, { what: 'the group' })
    const act = async (n: number): Promise<void> => {
      await backend.add('s', ['json', String(n)])
      await waitFor(() => handled.length > n, { what: `entry ${n}` })
    }
    const sent = await cutAll(proxy, { request: /xreadgroup[\s\S]*block/i, at: 'reply', act })
    expect(handled).toEqual(upTo(sent))
    await waitFor(() => worker.counts.completed === sent, { what: 'the acknowledgements' })
    expect(await backend.pending('s', 'g')).toEqual([])
  })

  it.each(['request', 'reply'] as const)('acknowledges once, and runs nothing again: %s', { timeout }, async (side) => {
    const { proxy, cut, backend } = await begin()
    const handled: number[] = []
    const worker = cut
      .stream<number>('s')
      .group('g')
      .worker(({ value }) => void handled.push(value), patient)
    atEnd(() => worker.stop({ graceMs: 0 }))
    const act = async (n: number): Promise<void> => {
      await backend.add('s', ['json', String(n)])
      await waitFor(() => worker.counts.completed > n, { what: `the acknowledgement of ${n}` })
    }
    const sent = await cutAll(proxy, { request: new RegExp(settleScript.sha), at: side, act })
    expect(handled).toEqual(upTo(sent))
    expect(worker.counts.lost).toBe(0)
    expect(await backend.pending('s', 'g')).toEqual([])
  })

  it.each(['request', 'reply'] as const)('does what ackWith says once: %s', { timeout }, async (side) => {
    const { proxy, cut, backend } = await begin()
    const worker = cut
      .stream<number>('s')
      .group('g')
      .worker(() => ackWith([{ kind: 'append', stream: '{s}:did', fields: ['n', '1'] }]), patient)
    atEnd(() => worker.stop({ graceMs: 0 }))
    const act = async (n: number): Promise<void> => {
      await backend.add('s', ['json', String(n)])
      await waitFor(() => worker.counts.completed > n, { what: `the step of ${n}` })
    }
    const sent = await cutAll(proxy, { request: /\{s\}:did/, at: side, act })
    expect(await ids(backend, '{s}:did')).toBe(sent)
    expect(await backend.pending('s', 'g')).toEqual([])
  })

  it.each(['request', 'reply'] as const)('dead-letters once, and loses nothing: %s', { timeout }, async (side) => {
    const { proxy, cut, backend } = await begin()
    const worker = cut
      .stream<number>('s')
      .group('g')
      .worker(() => fail('no use'), patient)
    atEnd(() => worker.stop({ graceMs: 0 }))
    const act = async (n: number): Promise<void> => {
      await backend.add('s', ['json', String(n)])
      await waitFor(() => worker.counts.deadLettered > n, { what: `the dead letter of ${n}` })
    }
    const sent = await cutAll(proxy, { request: /mr:reason/, at: side, act })
    const letters = await cut.stream<number>('s').deadLetters.list({ count: 100_000 })
    expect(letters.map((letter) => letter.value())).toEqual(upTo(sent))
    expect(await backend.pending('s', 'g')).toEqual([])
  })

  it('retries once for each time it is asked to', { timeout }, async () => {
    const { proxy, cut, backend } = await begin()
    const attempts: number[] = []
    const worker = cut
      .stream<number>('s')
      .group('g')
      .worker(({ value }, { attempt }) => {
        attempts[value] = (attempts[value] ?? 0) + 1
        return attempt === 1 ? retryAfter(0) : undefined
      }, patient)
    atEnd(() => worker.stop({ graceMs: 0 }))
    const act = async (n: number): Promise<void> => {
      await backend.add('s', ['json', String(n)])
      await waitFor(() => worker.counts.completed > n, { what: `the second attempt of ${n}` })
    }
    const sent = await cutAll(proxy, { request: /mr:attempts/, at: 'reply', act })
    expect(attempts).toEqual(upTo(sent).map(() => 2))
    expect(await ids(backend, '{s}:delayed')).toBe(0)
  })
})
