import { nodeEnv, type Env } from '@millrace/engine'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import { describeBackend } from '../conformance/conformance.ts'
import { knownDifferences } from '../differences.ts'
import { EmbeddedBackend } from './embedded-backend.ts'

describeBackend('embedded', async () => new EmbeddedBackend(), knownDifferences.embedded, {
  describe,
  it,
  beforeAll,
  afterAll,
})

/** A world whose clock stands until it is moved. */
class StillEnv implements Env {
  #nowMs = 1000
  /** How far the clock was set back; timers do not notice. */
  #backMs = 0
  #timers: { atMs: number; fire: () => void; isBackground: boolean }[] = []

  nowMs(): number {
    return this.#nowMs - this.#backMs
  }

  setBack(ms: number): void {
    this.#backMs += ms
  }

  readonly fs = nodeEnv.fs
  random(): number {
    return 0
  }

  setTimer(afterMs: number, fire: () => void, isBackground = false): () => void {
    const timer = { atMs: this.#nowMs + afterMs, fire, isBackground }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  setBackgroundTimer(afterMs: number, fire: () => void): () => void {
    return this.setTimer(afterMs, fire, true)
  }

  /** What is set: timers that keep the process alive, and others. */
  get timers(): { alive: number; background: number } {
    const background = this.#timers.filter(({ isBackground }) => isBackground).length
    return { alive: this.#timers.length - background, background }
  }

  pass(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter((timer) => !due.includes(timer))
    for (const { fire } of due) fire()
  }
}

const from = (stream: string): ReadonlyMap<string, '$'> => new Map([[stream, '$']])
const news = (stream: string): ReadonlyMap<string, '>'> => new Map([[stream, '>']])

describe('the embedded backend', () => {
  it('ends a read at its deadline, and then has no timer left', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    const waiting = backend.read(from('s'), { blockMs: 50 })
    expect(env.timers).toEqual({ alive: 1, background: 0 })
    env.pass(50)
    expect(await waiting).toEqual(new Map())
    expect(env.timers).toEqual({ alive: 0, background: 0 })
  })

  it('ends a read in time though the clock was set back', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    const waiting = backend.read(from('s'), { blockMs: 50 })
    env.setBack(3_600_000)
    env.pass(50)
    expect(await waiting).toEqual(new Map())
  })

  it('ends every read in time though others begin and end after the clock was set back', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    const first = backend.read(from('s'), { blockMs: 80 })
    env.setBack(3_600_000)
    const second = backend.read(from('s'), { blockMs: 50 })
    env.pass(50)
    expect(await second).toEqual(new Map())
    env.setBack(3_600_000)
    const third = backend.read(from('s'), { blockMs: 60 })
    env.pass(30)
    expect(await first).toEqual(new Map())
    env.pass(30)
    expect(await third).toEqual(new Map())
    expect(env.timers).toEqual({ alive: 0, background: 0 })
  })

  it('takes the longest times there are', async () => {
    const backend = new EmbeddedBackend()
    await backend.add('s', ['f', 'v'], { expireMs: Number.MAX_SAFE_INTEGER })
    expect(await backend.expire('s', Number.MAX_SAFE_INTEGER)).toBe(true)
    expect((await backend.inspect('s'))?.length).toBe(1)
    await backend.close()
  })

  it('moves its timer to the next deadline when the earliest wait ends', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    const stop = new AbortController()
    const early = backend.read(from('s'), { blockMs: 50, signal: stop.signal })
    const late = backend.read(from('s'), { blockMs: 80 })
    stop.abort(new Error('no longer wanted'))
    await expect(early).rejects.toThrow('no longer wanted')
    env.pass(60)
    env.pass(20)
    expect(await late).toEqual(new Map())
  })

  it('tells a group reader when its stream expires, without anybody looking', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    await backend.createGroup('s', 'g')
    await backend.expire('s', 5000)
    const waiting = backend.readGroup({ group: 'g', consumer: 'c' }, news('s'), { blockMs: 60_000 })
    const told = expect(waiting).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' })
    env.pass(5000)
    await told
  })

  it('sets one timer for expiry however often an append renews it', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    for (let i = 0; i < 100; i++) {
      await backend.add('s', ['f', 'v'], { expireMs: 1000 })
      env.pass(1)
    }
    expect(env.timers).toEqual({ alive: 0, background: 1 })
    env.pass(905)
    expect((await backend.inspect('s'))?.length).toBe(100)
    env.pass(200)
    expect(await backend.inspect('s')).toBeUndefined()
  })

  it('hands out bytes that are the caller’s to change', async () => {
    const backend = new EmbeddedBackend()
    await backend.add('s', ['name', 'value'])
    const [first] = await backend.range('s')
    first!.fields[0]!.fill(0)
    first!.fields[1]!.fill(0)
    const [again] = await backend.range('s')
    expect(again!.fields.map((bytes) => Buffer.from(bytes).toString())).toEqual(['name', 'value'])
  })

  it('serves those that wait in one group in turn', async () => {
    const backend = new EmbeddedBackend()
    await backend.createGroup('s', 'g')
    const order: string[] = []
    const reads = ['a', 'b', 'c'].map(async (consumer) => {
      await backend.readGroup({ group: 'g', consumer }, news('s'), { count: 1, blockMs: 10_000 })
      order.push(consumer)
    })
    for (const ms of [1, 2, 3]) await backend.add('s', ['f', 'v'], { id: `${ms}-0` as EntryId })
    await Promise.all(reads)
    expect(order).toEqual(['a', 'b', 'c'])
    await backend.close()
  })
})

describe('many entries at once, embedded', () => {
  it('have one time, and are there for a waiting group reader all together', async () => {
    const backend = new EmbeddedBackend({ env: new StillEnv() })
    await backend.createGroup('s', 'g')
    const read = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), { blockMs: 5000 })
    const added = backend.addMany('s', [
      ['a', '1'],
      ['a', '2'],
      ['a', '3'],
    ])
    expect(await added).toEqual(['1000-0', '1000-1', '1000-2'])
    expect((await read).get('s')!.map(({ id }) => id)).toEqual(['1000-0', '1000-1', '1000-2'])
    await backend.close()
  })

  it('expire together', async () => {
    const env = new StillEnv()
    const backend = new EmbeddedBackend({ env })
    await backend.addMany('s', [['a', '1']], { expireMs: 50 })
    env.pass(50)
    expect(await backend.range('s')).toEqual([])
    await backend.close()
  })
})
