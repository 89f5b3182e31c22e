/**
 * One process of a simulation, as its worker or producer sees the world: a line to the shared backend and a clock, both of which
 * can be broken.
 *
 *   verb ──latency──► lost before it came: UNAVAILABLE
 *                 └─► the backend ──latency──► the reply is lost: OUTCOME_UNKNOWN     └─► reply
 *
 *   kill()    every call rejects with CLOSED, now and from now on; its waiting reads end        like SIGKILL
 *   stall()   no reply and no timer comes through until `resume`; then all at once             like SIGSTOP
 *   cut()     no call comes through until `mend`                                               a network that is cut
 */
import type { Backend, DeliveredEntry, EntryId, Step } from '../backend.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { FakeClock } from '../testing/fake-clock.ts'
import type { HistoryEvent } from './history.ts'

export interface FaultRates {
  /** Of each call, that it never comes, or that its reply is lost. */
  readonly lost: number
  /** The most milliseconds of a way. */
  readonly latencyMs: number
}

export interface Shared {
  readonly clock: FakeClock
  readonly backend: Backend
  readonly rates: FaultRates
  readonly note: (event: HistoryEvent) => void
}

/** Verbs that change something: their lost replies leave it open whether they did. */
const WRITES: ReadonlySet<string> = new Set([
  'add',
  'addMany',
  'trim',
  'delete',
  'expire',
  'createGroup',
  'setGroup',
  'destroyGroup',
  'deleteConsumer',
  'readGroup',
  'settle',
  'claim',
  'step',
])

export class SimulatedProcess {
  readonly name: string
  readonly clock: Clock
  readonly backend: Backend
  isDead = false
  readonly #shared: Shared
  readonly #death = new AbortController()
  #isCut = false
  #isStalled = false
  #held: (() => void)[] = []

  constructor(name: string, shared: Shared) {
    this.name = name
    this.#shared = shared
    this.clock = this.#ownClock()
    this.backend = this.#ownBackend()
  }

  kill(): void {
    this.isDead = true
    this.#death.abort(new StreamError('CLOSED', `${this.name} was killed`))
    this.resume()
  }

  stall(): void {
    this.#isStalled = true
  }

  resume(): void {
    this.#isStalled = false
    for (const go of this.#held.splice(0)) go()
  }

  cut(): void {
    this.#isCut = true
  }

  mend(): void {
    this.#isCut = false
  }

  #ownClock(): Clock {
    const { clock } = this.#shared
    const setTimer = (afterMs: number, fire: () => void): (() => void) => {
      let isCancelled = false
      const come = (): void => {
        if (isCancelled) return
        if (this.#isStalled) this.#held.push(come)
        else fire()
      }
      const cancel = clock.setTimer(afterMs, come)
      return () => {
        isCancelled = true
        cancel()
      }
    }
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      random: () => clock.random(),
      setTimer,
      setBackgroundTimer: setTimer,
    }
  }

  #ownBackend(): Backend {
    return new Proxy(this.#shared.backend, {
      get: (target, name): unknown => {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        // The backend outlives its clients.
        if (name === 'close') return async () => undefined
        return async (...args: unknown[]): Promise<unknown> => await this.#call(String(name), value, args)
      },
    })
  }

  async #call(verb: string, method: unknown, args: unknown[]): Promise<unknown> {
    const { backend, clock, rates } = this.#shared
    await this.#way()
    if (this.#isCut || clock.random() < rates.lost) {
      await this.#pause(500)
      throw new StreamError('UNAVAILABLE', `${verb} of ${this.name} did not come through`)
    }
    const { signal } = this.#death
    const all = verb === 'readGroup' || verb === 'read' ? this.#untilDeath(args) : args
    let reply: unknown
    try {
      reply = await Reflect.apply(method as (...args: unknown[]) => Promise<unknown>, backend, all)
    } catch (error) {
      await this.#way()
      throw error
    }
    this.#noteReply(verb, args, reply)
    await this.#way()
    if (signal.aborted) throw signal.reason
    const isEmpty = reply instanceof Map && reply.size === 0
    if (!isEmpty && (this.#isCut || clock.random() < rates.lost)) {
      await this.#pause(500)
      const code = WRITES.has(verb) ? 'OUTCOME_UNKNOWN' : 'UNAVAILABLE'
      throw new StreamError(code, `The reply to ${verb} of ${this.name} was lost`)
    }
    return reply
  }

  /** A read that waits ends with its process. */
  #untilDeath([who, second, third]: unknown[]): unknown[] {
    const args =
      third === undefined && !(second instanceof Map)
        ? [who, { ...(second as object) }]
        : [who, second, { ...(third as object) }]
    const options = args.at(-1) as { signal?: AbortSignal }
    options.signal =
      options.signal === undefined ? this.#death.signal : AbortSignal.any([options.signal, this.#death.signal])
    return args
  }

  async #way(): Promise<void> {
    const { clock, rates } = this.#shared
    await this.#pause(Math.floor(clock.random() * (rates.latencyMs + 1)))
    if (this.isDead) throw this.#death.signal.reason
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      if (ms === 0 && !this.#isStalled) resolve()
      else this.clock.setTimer(ms, resolve)
    })
  }

  /** What the backend did, whether the reply comes or not. */
  #noteReply(verb: string, args: unknown[], reply: unknown): void {
    const { note } = this.#shared
    if (verb === 'readGroup') {
      const [{ group, consumer }, positions] = args as [{ group: string; consumer: string }, Map<string, string>]
      for (const [stream, entries] of reply as Map<string, DeliveredEntry[]>) {
        if (positions.get(stream) !== '>') continue
        for (const { id } of entries) note({ kind: 'delivered', stream, group, consumer, id, how: 'new' })
      }
    } else if (verb === 'claim') {
      const [stream, group, consumer, { justId }] = args as [string, string, string, { justId?: boolean }]
      const { entries } = reply as { entries: { id: EntryId; deliveries: number }[] }
      for (const { id, deliveries } of entries) {
        const counted = justId === true ? {} : { deliveries }
        note({ kind: 'delivered', stream, group, consumer, id, how: 'claimed', ...counted })
      }
    } else if (verb === 'settle') {
      const [stream, group, consumer] = args as [string, string, string]
      for (const id of reply as EntryId[]) note({ kind: 'acknowledged', stream, group, consumer, id })
    } else if (verb === 'step' && (reply as { isTaken: boolean }).isTaken) {
      const [step] = args as [Step]
      const owner = step.if?.find((condition) => condition.kind === 'owns')?.consumer
      for (const action of step.do) {
        if (action.kind !== 'acknowledge' || owner === undefined) continue
        const { stream, group } = action
        for (const id of action.ids) note({ kind: 'acknowledged', stream, group, consumer: owner, id })
      }
    } else if (verb === 'createGroup' && reply === true) {
      const [stream, group] = args as [string, string]
      note({ kind: 'group', stream, group })
    }
  }
}
