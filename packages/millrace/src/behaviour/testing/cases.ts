/**
 * What the toolkit does, as one suite that runs unchanged wherever it runs (behaviour.test.ts says where).
 *
 * Each case has a stream of its own on a backend that all share, and real time: leases of a second, nothing is slept through.
 */
import { waitFor } from '@millrace/testing'
import { expect } from 'vitest'
import { z } from 'zod'
import type { EntryId } from '../../backend.ts'
import type { Millrace } from '../../millrace.ts'
import type { Stream, StreamOptions } from '../../stream.ts'
import { ackWith, fail, retryAfter } from '../../worker/outcome.ts'
import type { Handler } from '../../worker/runner.ts'
import type { Worker } from '../../worker/worker.ts'
import type { WorkerEvent } from '../../worker/worker-event.ts'
import type { WorkerOptions } from '../../worker/worker-options.ts'
import { siblingKey } from '../../sibling-key.ts'

export interface Job {
  readonly n: number
}

let made = 0

/** One case's stream, and what it began. */
export class Place {
  readonly mr: Millrace
  readonly name: string
  readonly events: WorkerEvent[] = []
  readonly #workers: { stop(options: { graceMs: number }): Promise<void> }[] = []

  constructor(mr: Millrace) {
    this.mr = mr
    this.name = `b${++made}`
  }

  stream(options?: Omit<StreamOptions<Job>, 'schema'>): Stream<Job> {
    return this.mr.stream<Job>(this.name, options)
  }

  work(stream: Stream<Job>, handler: Handler<Job>, options: WorkerOptions = {}): Worker<Job> {
    const defaults = { leaseMs: 1000, sweepMs: 50, blockMs: 500, retry: { initialMs: 10 } }
    const onEvent = (event: WorkerEvent): void => void this.events.push(event)
    const worker = stream.group('g').worker(handler, { ...defaults, onEvent, ...options })
    this.#workers.push(worker)
    return worker
  }

  async untilFinished(stream: Stream<Job>): Promise<void> {
    const isFinished = async (): Promise<boolean> => {
      const group = await stream.group('g').inspect()
      return group?.pending === 0 && group.lag === 0
    }
    await waitFor(isFinished, { what: `'${this.name}' to be finished`, timeoutMs: 10_000 })
  }

  eventsOf(type: WorkerEvent['type']): WorkerEvent[] {
    return this.events.filter((event) => event.type === type)
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop({ graceMs: 0 })))
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(isSo, { what, timeoutMs: 10_000 })
}

const jobs = (count: number): Job[] => Array.from({ length: count }, (_, n) => ({ n }))

export const behaviour: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  'adds typed values and gives them back with headers and key': async ({ mr, name }) => {
    const stream = mr.stream(name, { schema: z.object({ n: z.number() }) })
    const id = await stream.add({ n: 1 }, { key: 'k', headers: { tenant: 'a' } })
    expect(await stream.range()).toEqual([
      { id, value: { n: 1 }, headers: { tenant: 'a' }, key: 'k', orderingKey: undefined },
    ])
    await expect(stream.add({ n: 'one' } as unknown as Job)).rejects.toMatchObject({ code: 'INVALID_ENTRY' })
    expect(await stream.length()).toBe(1)
  },
  'adds a message with a key once, however often it is sent': async (place) => {
    const stream = place.stream()
    const ids = await Promise.all(Array.from({ length: 20 }, () => stream.add({ n: 1 }, { key: 'order-7' })))
    expect(new Set(ids).size).toBe(1)
    expect(await stream.length()).toBe(1)
  },
  'appends only behind the expected last ID': async (place) => {
    const stream = place.stream()
    const first = await stream.add({ n: 0 })
    await stream.add({ n: 1 }, { ifLastId: first })
    await expect(stream.add({ n: 2 }, { ifLastId: first })).rejects.toMatchObject({ code: 'LAST_ID_MISMATCH' })
  },
  'adds many in their order': async (place) => {
    const stream = place.stream()
    const ids = await stream.addMany(jobs(600))
    expect((await stream.range()).map(({ id }) => id)).toEqual(ids)
  },
  'refuses what is too large': async (place) => {
    const stream = place.mr.stream<string>(place.name, { maxEntryBytes: 100 })
    await expect(stream.add('x'.repeat(101))).rejects.toMatchObject({ code: 'ENTRY_TOO_LARGE' })
    expect(await stream.length()).toBe(0)
  },
  'follows a stream from a place on, and what is added meanwhile': async (place) => {
    const stream = place.stream()
    const [first] = await stream.addMany(jobs(3))
    const seen: number[] = []
    for await (const { value } of stream.read({ after: first!, blockMs: 500 })) {
      seen.push(value.n)
      if (seen.length === 2) await stream.add({ n: 3 })
      if (seen.length === 3) break
    }
    expect(seen).toEqual([1, 2, 3])
  },
  'adds a delayed entry when it is due, and not one that was cancelled': async (place) => {
    const stream = place.stream()
    const cancelled = await stream.add({ n: 1 }, { delayMs: 60_000 })
    await stream.add({ n: 2 }, { delayMs: 100 })
    expect(await stream.delayed.list()).toHaveLength(2)
    expect(await stream.delayed.cancel(cancelled)).toBe(true)
    expect(await stream.delayed.cancel(cancelled)).toBe(false)
    await until('the delayed entry', async () => (await stream.length()) === 1)
    expect((await stream.range())[0]!.value).toEqual({ n: 2 })
  },
  'gives each entry to one worker of a group, and to every group': async (place) => {
    const stream = place.stream()
    const seen = new Map<string, number[]>()
    const note = (who: string) => (entry: { value: Job }) => {
      seen.set(who, [...(seen.get(who) ?? []), entry.value.n])
    }
    place.work(stream, note('g'))
    place.work(stream, note('g'))
    const other = stream.group('other').worker(note('other'), { blockMs: 500 })
    await stream.addMany(jobs(100))
    await until('all', () => seen.get('g')?.length === 100 && seen.get('other')?.length === 100)
    expect(seen.get('g')!.toSorted((a, b) => a - b)).toEqual(jobs(100).map(({ n }) => n))
    await place.untilFinished(stream)
    await other.stop()
  },
  'tries a failed entry again, with its ID, and counts the attempts': async (place) => {
    const stream = place.stream()
    const seen: [EntryId, number][] = []
    place.work(stream, ({ id }, { attempt }) => {
      seen.push([id, attempt])
      if (attempt === 1) throw new Error('not yet')
      return attempt === 2 ? retryAfter(20) : undefined
    })
    const id = await stream.add({ n: 1 })
    await until('three attempts', () => seen.length === 3)
    expect(seen).toEqual([
      [id, 1],
      [id, 2],
      [id, 3],
    ])
    await place.untilFinished(stream)
  },
  'puts what failed for good among the dead letters, and redrives it': async (place) => {
    const stream = place.stream()
    let isBroken = true
    const seen: number[] = []
    place.work(
      stream,
      ({ value }) => {
        if (value.n === 0 && isBroken) return fail('no such order')
        if (value.n === 1 && isBroken) throw new Error('broken')
        seen.push(value.n)
        return undefined
      },
      { retry: { maxAttempts: 2, initialMs: 5 } },
    )
    await stream.add({ n: 0 }, { key: 'a', headers: { trace: 't' } })
    await stream.addMany([{ n: 1 }, { n: 2 }])
    await until('two dead letters', async () => (await stream.deadLetters.length()) === 2)
    const letters = await stream.deadLetters.list()
    const fatal = letters.find(({ reason }) => reason === 'fatal')
    expect(fatal).toMatchObject({ attempts: 1, key: 'a', headers: { trace: 't' }, group: 'g' })
    expect(letters.find(({ reason }) => reason === 'failed')).toMatchObject({
      attempts: 2,
      error: expect.stringContaining('broken'),
    })
    isBroken = false
    expect(await stream.deadLetters.redrive({ all: true })).toEqual({ redriven: 2, missing: 0 })
    await until('all', () => seen.length === 3)
    expect(await stream.deadLetters.length()).toBe(0)
  },
  'puts what cannot be decoded among the dead letters': async (place) => {
    const stream = place.stream()
    await place.mr.backend.add(place.name, ['json', '{broken'])
    place.work(stream, () => undefined)
    await until('a dead letter', async () => (await stream.deadLetters.length()) === 1)
    expect((await stream.deadLetters.list())[0]).toMatchObject({ reason: 'undecodable' })
    await place.untilFinished(stream)
  },
  'takes over what a dead worker left, with the attempt counted': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    await stream.addMany(jobs(5))
    await mr.backend.createGroup(name, 'g')
    await mr.backend.readGroup({ group: 'g', consumer: 'dead' }, new Map([[name, '>']]), { count: 3 })
    const seen: [number, number][] = []
    place.work(stream, ({ value }, { attempt }) => void seen.push([value.n, attempt]))
    await until('all', () => seen.length === 5)
    expect(Object.fromEntries(seen)).toEqual({ 0: 2, 1: 2, 2: 2, 3: 1, 4: 1 })
    await place.untilFinished(stream)
  },
  'gives up an entry whose workers died, without its neighbours': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    const [killer] = await stream.addMany(jobs(3))
    await mr.backend.createGroup(name, 'g')
    await mr.backend.readGroup({ group: 'g', consumer: 'd0' }, new Map([[name, '>']]))
    for (let i = 1; i < 5; i++) await mr.backend.claim(name, 'g', `d${i}`, { minIdleMs: 0, ids: [killer!] })
    const seen: number[] = []
    place.work(stream, ({ value }) => void seen.push(value.n))
    await until('a dead letter', async () => (await stream.deadLetters.length()) === 1)
    await until('the others', () => seen.length === 2)
    expect(await stream.deadLetters.list()).toMatchObject([{ originalId: killer, reason: 'worker-died' }])
    expect(seen.toSorted((a, b) => a - b)).toEqual([1, 2])
  },
  "refuses a zombie's acknowledgement, and its effects": async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    let ran = 0
    place.work(stream, async ({ id }) => {
      // Another takes it while it runs.
      if (ran++ === 0) await mr.backend.claim(name, 'g', 'thief', { minIdleMs: 0, ids: [id] })
      return ackWith([{ kind: 'append', stream: `{${name}}:out`, fields: ['ran', String(ran)] }])
    })
    await stream.add({ n: 1 })
    await until('the loss', () => place.eventsOf('lost').length > 0)
    await until('the effect', async () => (await mr.backend.range(`{${name}}:out`)).length === 1)
    await place.untilFinished(stream)
    expect(await mr.backend.range(`{${name}}:out`)).toHaveLength(1)
    expect(ran).toBe(2)
  },
  'aborts the signal of a handler whose lease was lost': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    const aborted = new Promise<unknown>((resolve) => {
      place.work(
        stream,
        async ({ id }, { signal }) => {
          await mr.backend.claim(name, 'g', 'thief', { minIdleMs: 0, ids: [id], idleMs: 0 })
          await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))
          resolve(signal.reason)
        },
        { leaseMs: 600, sweepMs: 60_000 },
      )
    })
    await stream.add({ n: 1 })
    expect(String(await aborted)).toContain('lost')
  },
  'keeps the lease of a handler that takes longer than one': async (place) => {
    const stream = place.stream()
    let runs = 0
    const handler: Handler<Job> = async () => {
      runs++
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
    place.work(stream, handler, { leaseMs: 500 })
    place.work(stream, handler, { leaseMs: 500 })
    await stream.add({ n: 1 })
    await until('it to have run', () => place.eventsOf('completed').length > 0)
    expect(runs).toBe(1)
  },
  'applies effects with the acknowledgement': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    place.work(stream, ({ value }) =>
      ackWith([
        { kind: 'increment', key: siblingKey(name, 'sum'), by: value.n },
        { kind: 'set', key: siblingKey(name, 'last'), value: String(value.n) },
      ]),
    )
    await stream.addMany(jobs(10))
    await until('all', () => place.eventsOf('completed').length === 10)
    const step = await mr.backend.step({ do: [{ kind: 'get', key: siblingKey(name, 'sum') }] })
    expect(step.isTaken && Buffer.from(step.results[0] as Uint8Array).toString()).toBe('45')
  },
  'gives fences that grow': async (place) => {
    const stream = place.stream()
    const fences: number[] = []
    place.work(stream, async (_, { lease }) => void fences.push(await lease.fence()), { concurrency: 1 })
    await stream.addMany(jobs(3))
    await until('all', () => fences.length === 3)
    expect(fences).toEqual([1, 2, 3])
  },
  'runs batches, each entry with its own outcome': async (place) => {
    const stream = place.stream()
    const sizes: number[] = []
    const options = { size: 10, waitMs: 20, blockMs: 500, retry: { maxAttempts: 1 } }
    const worker = stream.group('g').batchWorker((entries) => {
      sizes.push(entries.length)
      return new Map(entries.filter(({ value }) => value.n === 3).map(({ id }) => [id, fail('three')]))
    }, options)
    await stream.addMany(jobs(10))
    await place.untilFinished(stream)
    await until('a dead letter', async () => (await stream.deadLetters.length()) === 1)
    expect(Math.max(...sizes)).toBeGreaterThan(1)
    await worker.stop()
  },
  'begins no more while it pauses, and goes on': async (place) => {
    const stream = place.stream()
    const seen: number[] = []
    const worker = place.work(stream, ({ value }) => void seen.push(value.n))
    await stream.add({ n: 0 })
    await until('the first', () => seen.length === 1)
    await worker.pause()
    await stream.add({ n: 1 })
    // Not read, or read before the pause came through and handed back.
    await until('it to be there', async () => {
      const { lag = 0, pending = 0 } = (await stream.group('g').inspect()) ?? {}
      return lag + pending === 1 && worker.counts.buffered === 0
    })
    expect(seen).toEqual([0])
    worker.resume()
    await until('the second', () => seen.length === 2)
  },
  'hands back what it has not begun when it stops': async (place) => {
    const stream = place.stream()
    const first = place.work(
      stream,
      async (_, { signal }) => {
        await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))
      },
      { concurrency: 1, leaseMs: 60_000 },
    )
    await stream.addMany(jobs(20))
    await until('one to run', () => first.counts.running === 1)
    await first.stop({ graceMs: 0 })
    const seen: [number, number][] = []
    place.work(stream, ({ value }, { attempt }) => void seen.push([value.n, attempt]), { leaseMs: 60_000 })
    await until('all', () => seen.length === 20)
    expect(seen.every(([, attempt]) => attempt === 1)).toBe(true)
  },
  'keeps the order of each key, retries included': async (place) => {
    const stream = place.mr.stream<{ key: string; n: number }>(place.name, {
      orderingKey: ({ key }) => key,
      partitions: 3,
    })
    const done: Record<string, number[]> = {}
    const failed = new Set<string>()
    const workers = [1, 2].map(() =>
      stream.group('g').worker(
        ({ value: { key, n } }) => {
          if (n % 2 === 0 && !failed.has(`${key}${n}`)) {
            failed.add(`${key}${n}`)
            return retryAfter(10)
          }
          ;(done[key] ??= []).push(n)
          return undefined
        },
        { leaseMs: 1000, sweepMs: 50, blockMs: 300 },
      ),
    )
    const values = Array.from({ length: 40 }, (_, i) => ({ key: `k${i % 8}`, n: Math.floor(i / 8) }))
    await stream.addMany(values)
    await until('all', () => Object.values(done).flat().length === 40)
    expect(Object.values(done)).toEqual(Array.from({ length: 8 }, () => [0, 1, 2, 3, 4]))
    await Promise.all(workers.map(async (worker) => await worker.stop()))
  },
  'makes its group again where it was, and tells': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    const seen: number[] = []
    place.work(stream, ({ value }) => void seen.push(value.n))
    await stream.addMany(jobs(3))
    await until('the first', () => seen.length === 3)
    await place.untilFinished(stream)
    await mr.backend.destroyGroup(name, 'g')
    await stream.add({ n: 3 })
    await until('the next', () => seen.length === 4)
    expect(seen.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    expect(place.eventsOf('data-loss-suspected')).toMatchObject([{ reason: 'group-missing' }])
  },
  'starts again on a stream that was deleted': async (place) => {
    const { mr, name } = place
    const stream = place.stream()
    const seen: number[] = []
    place.work(stream, ({ value }) => void seen.push(value.n))
    await stream.add({ n: 0 })
    await until('the first', () => seen.length === 1)
    await place.untilFinished(stream)
    await mr.backend.expire(name, 0)
    await stream.add({ n: 1 })
    await until('the next', () => seen.length === 2)
    expect(seen).toEqual([0, 1])
  },
  'trims what every group has finished, and no more': async (place) => {
    const { mr, name } = place
    const stream = place.stream({ retention: 'none' })
    await stream.addMany(jobs(10))
    for (const group of ['a', 'b']) await mr.backend.createGroup(name, group)
    const readBy = async (group: string, count: number): Promise<void> => {
      const found = await mr.backend.readGroup({ group, consumer: 'c' }, new Map([[name, '>']]), { count })
      await mr.backend.settle(
        name,
        group,
        'c',
        found.get(name)!.map(({ id }) => id),
      )
    }
    await readBy('a', 10)
    await readBy('b', 4)
    expect(await mr.backend.trim(name, { acked: true })).toBe(4)
    expect((await stream.range()).map(({ value }) => value.n)).toEqual([4, 5, 6, 7, 8, 9])
  },
  'runs an effect once for a key, and tells its value again': async ({ mr, name }) => {
    const once = mr.idempotency(name)
    let runs = 0
    const effect = (): { paid: number } => ({ paid: ++runs })
    expect(await once.run('order-7', effect)).toEqual({ value: { paid: 1 }, isRepeated: false })
    expect(await once.run('order-7', effect)).toEqual({ value: { paid: 1 }, isRepeated: true })
    const failing = once.run('order-8', () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await once.run('order-8', effect)).toEqual({ value: { paid: 2 }, isRepeated: false })
  },
}
