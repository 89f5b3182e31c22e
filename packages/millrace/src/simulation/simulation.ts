/**
 * A whole system in virtual time, from one seed: producers, workers of two groups, and everything that breaks.
 *
 *   faults for a while ──► all is mended, one healthy worker of each group ──► everything drained? ──► checker
 *
 *   s   plain: retries, dead letters, delays, keys, effects once (ackWith and the idempotency helper)
 *   o   ordered by key, over three partitions
 *
 * Chance is the clock's alone: the same seed is the same run, event by event (`digest`).
 */
import { createHash } from 'node:crypto'
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { StreamError } from '../errors.ts'
import { Millrace } from '../millrace.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Stream } from '../stream.ts'
import { FakeClock } from '../testing/fake-clock.ts'
import { ackWith, fail, retryAfter } from '../worker/outcome.ts'
import type { Worker } from '../worker/worker.ts'
import { check, type Violation } from './checker.ts'
import type { HistoryEvent } from './history.ts'
import { SimulatedProcess } from './simulated-process.ts'

export interface SimulationOptions {
  /** Messages of each stream. Default 20. */
  readonly messages?: number
  /** Virtual milliseconds with faults. Default 5,000. */
  readonly faultsMs?: number
}

export interface SimulationResult {
  readonly violations: readonly Violation[]
  readonly history: readonly HistoryEvent[]
  /** Of the history: equal for equal runs. */
  readonly digest: string
}

interface Message {
  readonly n: number
  readonly key: string
  readonly hash: string
}

const LEASE_MS = 1000
const DRAIN_MS = 120_000
const KEYS = 5
const care = { lookMs: 200, trimMs: 1000, reapMs: 2000, consumerIdleMs: 5000 }

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  return await new Simulation(seed, options).run()
}

class Simulation {
  readonly #clock: FakeClock
  readonly #engine: EmbeddedBackend
  readonly #history: HistoryEvent[] = []
  readonly #messages: number
  readonly #faultsMs: number
  readonly #rates: { lost: number; latencyMs: number }
  readonly #running: { process: SimulatedProcess; mr: Millrace; workers: Worker<Message>[] }[] = []
  /** First completions and dead letters that are waited for, of each group and message. */
  readonly #owed = new Map<string, Set<number>>([
    ['a', new Set()],
    ['b', new Set()],
    ['ordered', new Set()],
  ])
  readonly #settled = new Set<string>()
  /** Of the dead letters, those that the history names already. */
  readonly #dead = new Set<string>()
  #lookedMs = -Infinity
  #made = 0
  #sent = 0

  constructor(seed: number, { messages = 20, faultsMs = 5000 }: SimulationOptions) {
    this.#clock = new FakeClock({ seed })
    this.#engine = new EmbeddedBackend({ env: this.#clock })
    this.#messages = messages
    this.#faultsMs = faultsMs
    // A quarter of all runs has no lost calls, so that nothing hides behind them.
    const roughness = Math.floor(this.#clock.random() * 4)
    this.#rates = { lost: roughness * 0.01, latencyMs: 1 + roughness * 3 }
  }

  async run(): Promise<SimulationResult> {
    this.#note({ kind: 'group', stream: 's', group: 'a' })
    for (let i = 0; i < 2; i++) this.#startWorkers()
    const producing = [this.#produce('s'), this.#produce('o')]
    const endMs = this.#clock.monotonicMs() + this.#faultsMs
    while (this.#clock.monotonicMs() < endMs) {
      await this.#clock.advance(this.#pick(50, 600))
      this.#breakSomething()
    }
    await this.#mend(producing)
    const violations = await this.#drain()
    const digest = createHash('sha256').update(JSON.stringify(this.#history)).digest('hex')
    return { violations, history: this.#history, digest }
  }

  #note(event: HistoryEvent): void {
    this.#history.push(event)
  }

  /** A whole number from `from` to `to`. */
  #pick(from: number, to: number): number {
    return from + Math.floor(this.#clock.random() * (to - from + 1))
  }

  #process(): { process: SimulatedProcess; mr: Millrace } {
    const shared = {
      clock: this.#clock,
      backend: this.#engine,
      rates: this.#rates,
      note: (event: HistoryEvent) => this.#note(event),
    }
    const process = new SimulatedProcess(`p${++this.#made}`, shared)
    return { process, mr: new Millrace(process.backend, { clock: process.clock, care }) }
  }

  #streams(mr: Millrace): { plain: Stream<Message>; ordered: Stream<Message> } {
    const ordered = mr.stream<Message>('o', { orderingKey: ({ key }) => key, partitions: 3 })
    return { plain: mr.stream<Message>('s'), ordered }
  }

  #startWorkers(): void {
    const { process, mr } = this.#process()
    const { plain, ordered } = this.#streams(mr)
    const options = {
      consumer: process.name,
      leaseMs: LEASE_MS,
      sweepMs: 400,
      blockMs: 500,
      concurrency: 4,
      retry: { initialMs: 50, maxMs: 400, maxAttempts: 8 },
    }
    const once = mr.idempotency('effects', { leaseMs: LEASE_MS })
    const workers = [
      plain.group('a').worker(async ({ value }) => {
        await this.#handle(process, 'a', value)
        if (this.#clock.random() < 0.05) return fail('not this one')
        this.#done(process, 'a', value)
        // Applied with the acknowledgement, or not at all.
        return ackWith([{ kind: 'append', stream: siblingKey('s', 'effects'), fields: ['n', String(value.n)] }])
      }, options),
      plain.group('b').worker(async ({ value, id }, { signal }) => {
        await this.#handle(process, 'b', value)
        try {
          const { isRepeated } = await once.run(id, () => undefined)
          // That it was applied, and by this run: the helper says so of one run only. A run that was cut off may be repeated.
          if (!isRepeated && !process.isDead && !signal.aborted) this.#note({ kind: 'effect', group: 'b', n: value.n })
        } catch (error) {
          if (error instanceof StreamError && error.code === 'IN_PROGRESS') return retryAfter(100)
          throw error
        }
        this.#done(process, 'b', value)
        return undefined
      }, options),
      ordered.group('ordered').worker(async ({ value }) => {
        await this.#handle(process, 'ordered', value)
        this.#done(process, 'ordered', value)
      }, options),
    ]
    // Partitions move to it; a handler that takes longer than a lease is then aborted, and its message runs again.
    if (this.#running.length > 0) {
      this.#note({ kind: 'fault', what: `join ${process.name}`, atMs: this.#clock.monotonicMs() })
    }
    this.#running.push({ process, mr, workers })
  }

  /** What a handler does: takes a while, and fails now and then. */
  async #handle(process: SimulatedProcess, group: string, { n, hash }: Message): Promise<void> {
    if (!process.isDead) this.#note({ kind: 'handled', group, n, hash, consumer: process.name })
    const ms = this.#clock.random() < 0.05 ? this.#pick(500, 2500) : this.#pick(0, 30)
    if (ms > 0) await new Promise<void>((resolve) => process.clock.setTimer(ms, resolve))
    if (this.#clock.random() < 0.15) throw new Error('it failed')
  }

  #done(process: SimulatedProcess, group: string, { n }: Message): void {
    if (process.isDead) return
    this.#note({ kind: 'done', group, n, consumer: process.name })
    this.#settle(group, n)
  }

  #settle(group: string, n: number): void {
    this.#settled.add(`${group}/${n}`)
    this.#owed.get(group)!.delete(n)
  }

  async #produce(name: 's' | 'o'): Promise<void> {
    const { process, mr } = this.#process()
    const { plain, ordered } = this.#streams(mr)
    for (let i = 0; i < this.#messages; i++) {
      const n = this.#sent++
      const message = { n, key: `k${n % KEYS}`, hash: `h${n}` }
      const groups = name === 's' ? ['a', 'b'] : ['ordered']
      const isDelayed = name === 's' && this.#clock.random() < 0.1
      const beganMs = this.#clock.monotonicMs()
      const stream = name === 's' ? plain : ordered
      const options = { key: `m${n}`, ...(isDelayed && { delayMs: this.#pick(100, 3000) }) }
      const where = name === 's' ? 's' : ordered.partitionOf(message.key).name
      const base = {
        kind: 'send',
        n,
        stream: where,
        beganMs,
        hash: message.hash,
        ...(isDelayed && { isDelayed }),
      } as const
      const key = name === 'o' ? { orderingKey: message.key } : {}
      try {
        const id = await stream.add(message, options)
        this.#note({ ...base, ...key, id, endedMs: this.#clock.monotonicMs(), outcome: 'ok' })
        // It may be done before its sender hears of it.
        for (const group of groups) if (!this.#settled.has(`${group}/${n}`)) this.#owed.get(group)!.add(n)
      } catch {
        this.#note({ ...base, endedMs: this.#clock.monotonicMs(), outcome: 'unknown' })
      }
      await new Promise<void>((resolve) =>
        process.clock.setTimer(this.#pick(0, (2 * this.#faultsMs) / this.#messages), resolve),
      )
    }
    await mr.close()
  }

  #breakSomething(): void {
    const one = this.#running[this.#pick(0, this.#running.length - 1)]
    const what = this.#pick(0, 9)
    if (one === undefined || one.process.isDead) return
    const { process } = one
    const fault = (name: string): void =>
      this.#note({ kind: 'fault', what: `${name} ${process.name}`, atMs: this.#clock.monotonicMs() })
    if (what === 0) {
      fault('kill')
      process.kill()
      this.#running.splice(this.#running.indexOf(one), 1)
      this.#startWorkers()
    } else if (what === 1) {
      fault('stall')
      process.stall()
      this.#clock.setTimer(this.#pick(200, 4 * LEASE_MS), () => process.resume())
    } else if (what === 2) {
      fault('cut')
      process.cut()
      this.#clock.setTimer(this.#pick(100, 3 * LEASE_MS), () => process.mend())
    } else if (what === 3 && this.#running.length > 1) {
      fault('stop')
      this.#running.splice(this.#running.indexOf(one), 1)
      void this.#stop(one, this.#pick(0, 1) * 500)
      this.#startWorkers()
    } else if (what === 4 && this.#running.length < 4) this.#startWorkers()
  }

  async #stop({ mr, workers }: { mr: Millrace; workers: Worker<Message>[] }, graceMs: number): Promise<void> {
    await Promise.all(workers.map(async (worker) => await worker.stop({ graceMs })))
    await mr.close()
  }

  async #mend(producing: readonly Promise<void>[]): Promise<void> {
    // Lost replies count as a fault like any other.
    if (this.#rates.lost > 0) this.#note({ kind: 'fault', what: 'lost calls', atMs: this.#clock.monotonicMs() })
    this.#rates.lost = 0
    for (const { process } of this.#running) {
      process.mend()
      process.resume()
    }
    this.#startWorkers()
    let isProduced = false
    void Promise.all(producing).then(() => (isProduced = true))
    await this.#clock.until(() => isProduced, { withinMs: DRAIN_MS, what: 'the producers to end' })
  }

  async #drain(): Promise<Violation[]> {
    const sinceMs = this.#clock.monotonicMs()
    let isDrained = true
    try {
      await this.#clock.until(() => this.#isAllDone(), { withinMs: DRAIN_MS })
      // What was done twice shows itself within a few leases.
      await this.#clock.advance(3 * LEASE_MS)
    } catch {
      isDrained = false
    }
    await this.#lookAtTheEnd()
    this.#note({ kind: 'end', isDrained, tookMs: this.#clock.monotonicMs() - sinceMs })
    const stopping = Promise.all(this.#running.splice(0).map(async (one) => await this.#stop(one, 0)))
    let isStopped = false
    void stopping.then(() => (isStopped = true))
    await this.#clock.until(() => isStopped, { withinMs: DRAIN_MS, what: 'the workers to stop' })
    await this.#engine.close()
    return check(this.#history)
  }

  #isAllDone(): boolean {
    for (const owed of this.#owed.values()) if (owed.size > 0) return this.#forgetDead()
    return true
  }

  /** Looks among the dead letters now and then: what is there is owed no more. */
  #forgetDead(): boolean {
    if (this.#clock.monotonicMs() - this.#lookedMs < 500) return false
    this.#lookedMs = this.#clock.monotonicMs()
    void this.#readDead()
    return false
  }

  async #readDead(): Promise<void> {
    for (const stream of ['s', 'o:{0}', 'o:{1}', 'o:{2}']) {
      for (const { fields } of await this.#engine.range(siblingKey(stream, 'dlq'))) {
        const all = fields.map((field) => Buffer.from(field).toString())
        const at = (name: string): string => all[all.indexOf(name) + 1]!
        const { n } = JSON.parse(at('json')) as Message
        const group = at('mr:group')
        this.#settle(group, n)
        if (this.#dead.has(`${group}/${n}`)) continue
        this.#dead.add(`${group}/${n}`)
        this.#note({ kind: 'dead', group, n })
      }
    }
  }

  async #lookAtTheEnd(): Promise<void> {
    await this.#readDead()
    for (const stream of ['s', 'o:{0}', 'o:{1}', 'o:{2}']) {
      for (const { name: group } of (await this.#engine.inspect(stream))?.groups ?? []) {
        const rows = await this.#engine.pending(stream, group)
        for (const { id } of rows) this.#note({ kind: 'pending', stream, group, id })
      }
    }
    this.#note({ kind: 'promise', group: 'a' })
    for (const [group, owed] of this.#owed) for (const n of owed) this.#note({ kind: 'left', group, n })
    for (const { fields } of await this.#engine.range(siblingKey('s', 'effects'))) {
      this.#note({ kind: 'effect', group: 'a', n: Number(Buffer.from(fields[1]!).toString()) })
    }
  }
}
