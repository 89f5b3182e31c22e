/**
 * A worker of a consumer group: runs a handler for each entry it is given, and acknowledges it afterwards.
 *
 *   WorkerReader ──new──┐
 *                       ├──► WorkQueue ──► Runner (at most `concurrency` handlers) ──► Acknowledger
 *   Sweep ──left over───┘         └─────── Leases ◄── Heartbeat     └──not done──► Transitions: retry, dead letter, effects
 *
 *   running ◄──pause, resume──► paused        ──stop()──► draining ──handlers done, or graceMs──► stopped
 *
 * Each entry is handled at least once: again when the handler threw, when its worker died, or when its lease was
 * lost. A handler that must not act twice checks `signal` and uses the entry's ID as its key.
 */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { BLOCK_MS_MAX, checkInteger } from '../arguments.ts'
import type { ClaimedEntry, DeliveredEntry } from '../backend.ts'
import { StreamError } from '../errors.ts'
import type { Source } from '../group.ts'
import { pause } from '../pause.ts'
import type { Site } from '../site.ts'
import { Acknowledger } from './acknowledger.ts'
import { GroupKeeper } from './group-keeper.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Intake, IntakeSite } from './intake.ts'
import type { Lease } from './lease.ts'
import { Line } from './line.ts'
import { Prefetch } from './prefetch.ts'
import { RateLimit } from './rate-limit.ts'
import { retryKey } from './retry.ts'
import { Runner, type Task } from './runner.ts'
import { Sweep } from './sweep.ts'
import { Transitions } from './transitions.ts'
import { Fifo, type WorkQueue } from './work-queue.ts'
import { Counts, type WorkerCounts, type WorkerEvent } from './worker-event.ts'
import { type Settings, settings, type StopOptions, type WorkerOptions } from './worker-options.ts'
import { WorkerReader } from './worker-reader.ts'

/** How a worker takes entries in, and in which order it runs them. Default: all of one stream, as they come. */
export interface Strategy {
  readonly intake?: (site: IntakeSite) => Intake
  readonly queue?: WorkQueue
  /** Where a retry waits, whatever the worker's options say: in the worker, where order has to be kept. */
  readonly retryWait?: 'worker'
}

export interface WorkerTask<T> {
  readonly group: string
  readonly source: Source<T>
  readonly task: Task<T>
  readonly strategy?: Strategy
}

/** Handed back with this idle time, an entry is past any lease, so that others take it at their next sweep. */
const HANDED_BACK_IDLE_MS = 24 * 60 * 60 * 1000
/** What is held beyond what waits or runs: acknowledgements and other transitions on their way. With more, nothing new is read. */
const UNSETTLED_MAX = 4096
const LAST_ANSWERS_MS = 2000
const HANDED_BACK_AT_ONCE = 1000

export class Worker<T> {
  readonly consumer: string
  readonly #site: Site
  readonly #group: string
  readonly #stream: string
  readonly #settings: Settings
  readonly #lines: Line[] = []
  readonly #acknowledgers = new Map<Line, Acknowledger>()
  readonly #queue: WorkQueue
  readonly #runner: Runner<T>
  readonly #transitions: Transitions
  readonly #prefetch: Prefetch
  readonly #limit: RateLimit | undefined
  readonly #heartbeat: Heartbeat
  readonly #intake: Intake
  readonly #release: (() => void) | undefined
  readonly #counts = new Counts()
  /** Called when there may be room again. */
  readonly #waiting = new Set<() => void>()
  #isPaused = false
  #isDraining = false
  #stopped: Promise<void> | undefined

  /** Use `Group.worker`. Starts at once. */
  constructor(site: Site, { group, source, task, strategy = {} }: WorkerTask<T>, options: WorkerOptions = {}) {
    const chosen = settings(options, task.kind, strategy.retryWait)
    const { clock, backend } = site
    this.#site = site
    this.#group = group
    this.#stream = source.name
    this.#settings = chosen
    this.consumer = options.consumer ?? `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
    const onEvent = (event: WorkerEvent): void => this.#tell(event)
    const { concurrency, retry, leaseMs, rateLimit } = chosen
    this.#queue = strategy.queue ?? new Fifo()
    this.#prefetch = new Prefetch(clock, concurrency * (task.kind === 'batch' ? task.batch.size : 1))
    const limited = { backend, clock, stream: source.name, group, onReady: () => this.#runner.drain() }
    this.#limit = rateLimit && new RateLimit(rateLimit, { ...limited, onError: (error) => this.#fault(error) })
    this.#transitions = new Transitions({
      clock,
      policy: retry,
      onEvent,
      again: (lease) => this.#again(lease),
      onDone: (lease) => this.#done(lease),
    })
    this.#runner = new Runner({
      clock,
      source,
      task,
      concurrency,
      maxAttempts: retry.maxAttempts,
      queue: this.#queue,
      limit: this.#limit,
      prefetch: this.#prefetch,
      transitions: this.#transitions,
      acknowledge: (lease) => this.#acknowledgers.get(lease.line)?.acknowledge(lease),
      onProgress: () => this.#progress(),
      onEvent,
    })
    this.#heartbeat = new Heartbeat({ clock, leaseMs, onEvent, lines: () => this.#lines })
    if (strategy.intake === undefined) this.#openOwn(source.name)
    const isTended = strategy.intake === undefined && retry.wait !== 'pending'
    this.#release = isTended ? site.caretakers?.tend(source.name) : undefined
    this.#intake = (strategy.intake ?? plainIntake)(this.#intakeSite())
  }

  /** What it has done since it began, and has in hand now. */
  get counts(): WorkerCounts {
    return { ...this.#counts, running: this.#runner.running, buffered: this.#queue.size + this.#queue.blocked }
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Begins no more entries and hands back those not begun; what runs goes on. Resolves when others can take the rest. */
  async pause(): Promise<void> {
    this.#isPaused = true
    this.#runner.open(false)
    this.#intake.pause(true)
    await this.#handBack(this.#queue.drain())
  }

  resume(): void {
    if (!this.#isPaused || this.#isDraining) return
    this.#isPaused = false
    this.#intake.pause(false)
    this.#runner.open(true)
    this.#progress()
  }

  /**
   * Takes no more, lets running handlers finish for `graceMs`, then aborts them; hands back what is unfinished so
   * that other workers take it at once. Idempotent.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const { graceMs = 10_000 } = options
    checkInteger('graceMs', graceMs, 0, BLOCK_MS_MAX)
    this.#stopped ??= this.#stop(graceMs)
    await this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #stop(graceMs: number): Promise<void> {
    const { clock } = this.#site
    this.#isDraining = true
    this.#runner.stop()
    this.#limit?.stop()
    await this.#intake.stop()
    // Who has not begun need not wait for who has.
    await this.#handBack(this.#queue.drain())
    const over = new AbortController()
    const finished = this.#runner.idle().then(async () => await this.#transitions.idle())
    await Promise.race([finished, pause(graceMs, over.signal, clock)])
    over.abort()
    this.#transitions.giveUp()
    await this.#heartbeat.stop()
    // Those on their way to be acknowledged are not unfinished.
    const unfinished = this.#lines.flatMap((line) => line.leases.all().filter((lease) => !lease.isSettling))
    for (const lease of unfinished) lease.line.leases.end(lease, new Error('The worker stopped'))
    await Promise.all([...this.#acknowledgers.values()].map((one) => one.stop(LAST_ANSWERS_MS)))
    await this.#handBack(unfinished)
    await this.#leave()
    await this.#intake.leave?.()
    this.#release?.()
  }

  async #handBack(leases: readonly Lease[]): Promise<void> {
    const { consumer } = this
    for (const line of this.#lines) {
      for (const lease of leases) if (lease.line === line && lease.isUncounted) line.leases.release(lease)
      const ours = leases.filter((lease) => lease.line === line && !lease.isGone && !lease.isUncounted)
      for (let i = 0; i < ours.length; i += HANDED_BACK_AT_ONCE) {
        const some = ours.slice(i, i + HANDED_BACK_AT_ONCE)
        const ids = some.map((lease) => lease.copyId)
        // Not renewed from now on: it would be taken back.
        for (const lease of some) line.leases.release(lease)
        const claim = { minIdleMs: 0, ids, ifOwner: consumer, justId: true, idleMs: HANDED_BACK_IDLE_MS, uncount: true }
        try {
          const { entries } = await line.backend.claim(line.stream, this.#group, consumer, claim)
          const given = new Set(entries.map(({ id }) => id))
          const told = some.filter((lease) => given.has(lease.copyId)).map((lease) => lease.id)
          if (told.length > 0) this.#tell({ type: 'handed-back', ids: told })
        } catch (error) {
          // Others find them under its name when their leases end.
          this.#fault(error)
        }
      }
    }
  }

  /** Its consumers go, when they were made for this worker alone and own nothing any more. */
  async #leave(): Promise<void> {
    if (this.#settings.hasOwnName) return
    for (const { backend, stream } of this.#lines) {
      try {
        await backend.deleteConsumer(stream, this.#group, this.consumer)
      } catch (error) {
        // Busy: it still owns entries, so others will find them under its name. Gone: so is the consumer.
        const code = error instanceof StreamError ? error.code : undefined
        if (code !== 'CONSUMER_BUSY' && code !== 'GROUP_NOT_FOUND') this.#fault(error)
      }
    }
  }

  #intakeSite(): IntakeSite {
    const { leaseMs, sweepMs, blockMs, from } = this.#settings
    const { backend, clock } = this.#site
    return {
      backend,
      clock,
      leaseMs,
      sweepMs,
      blockMs,
      from,
      group: this.#group,
      consumer: this.consumer,
      onEvent: (event) => this.#tell(event),
      lines: () => this.#lines,
      openLine: (stream, home) => this.#openLine(stream, home),
      closeLine: async (line, reason) => await this.#closeLine(line, reason),
      room: () => this.#room(),
      untilRoom: async (signal) => await this.#until(() => this.#room() > 0, signal),
      take: (line, entries, sentAtMs) => this.#take(line, entries, sentAtMs),
      untilPlace: async (signal) => await this.#untilPlace(signal),
      start: (lease) => this.#runner.start(lease),
      freePlace: () => {
        this.#runner.reserve(false)
        this.#runner.drain()
      },
      wake: () => {
        this.#runner.drain()
        this.#wake()
      },
    }
  }

  #openOwn(stream: string): void {
    this.#openLine(stream, stream)
    if (this.#settings.retry.wait === 'delayed') this.#openLine(retryKey(stream, this.#group), stream)
  }

  #openLine(stream: string, home: string): Line {
    const { backend, clock } = this.#site
    const onLost = (lease: Lease): void => this.#tell({ type: 'lost', id: lease.id })
    const own = { group: this.#group, consumer: this.consumer, leaseMs: this.#settings.leaseMs, onLost }
    const line = new Line({ backend, clock, stream, home, ...own })
    const onEvent = (event: WorkerEvent): void => this.#tell(event)
    this.#acknowledgers.set(line, new Acknowledger({ line, onEvent, onSettled: () => this.#wake() }))
    this.#lines.push(line)
    return line
  }

  async #closeLine(line: Line, reason: Error): Promise<void> {
    const place = this.#lines.indexOf(line)
    if (place === -1) return
    this.#lines.splice(place, 1)
    line.leases.loseAll(reason)
    const acknowledger = this.#acknowledgers.get(line)
    this.#acknowledgers.delete(line)
    await acknowledger?.stop(LAST_ANSWERS_MS)
  }

  /** How many entries are wanted. With a buffer, none before half of it is used up: fewer and larger reads. */
  #room(): number {
    if (this.#isDraining || this.#isPaused) return 0
    const { concurrency } = this.#settings
    this.#prefetch.look()
    const { target } = this.#prefetch
    let held = 0
    for (const line of this.#lines) held += line.leases.size
    if (held >= UNSETTLED_MAX + target) return 0
    const waiting = this.#queue.size
    if (target > concurrency && waiting > (target - concurrency) / 2) return 0
    return Math.max(0, target - this.#runner.running - waiting)
  }

  async #untilPlace(signal: AbortSignal): Promise<boolean> {
    this.#runner.reserve(true)
    await this.#until(() => this.#runner.hasPlace, signal)
    if (signal.aborted) this.#runner.reserve(false)
    return !signal.aborted
  }

  async #until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    if (isSo() || signal.aborted) return
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!isSo() && !signal.aborted) return
        signal.removeEventListener('abort', look)
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      signal.addEventListener('abort', look, { once: true })
    })
  }

  #take(line: Line, entries: readonly (DeliveredEntry | ClaimedEntry)[], sentAtMs: number): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!
      const deliveries = 'deliveries' in entry ? entry.deliveries : 1
      this.#queue.push(line.leases.take(line, entry, deliveries, sentAtMs))
    }
    // Read before it paused: others can have it.
    if (this.#isPaused) void this.#handBack(this.#queue.drain())
    else this.#runner.drain()
  }

  #again(lease: Lease): void {
    this.#queue.again(lease)
    this.#runner.drain()
  }

  #done(lease: Lease): void {
    this.#queue.done(lease)
    this.#runner.drain()
    this.#wake()
  }

  #progress(): void {
    for (const line of this.#lines) this.#acknowledgers.get(line)?.flush()
    this.#wake()
  }

  #wake(): void {
    if (this.#waiting.size > 0) for (const look of this.#waiting) look()
  }

  #fault(error: unknown): void {
    this.#tell({ type: 'error', error })
  }

  #tell(event: WorkerEvent): void {
    this.#counts.note(event)
    if (event.type === 'error' && event.error instanceof StreamError && event.error.code === 'CLOSED') {
      // Without its backend a worker can neither read, renew nor acknowledge. Said once, then it stops.
      if (this.#isDraining) return
      queueMicrotask(() => void this.stop({ graceMs: 0 }))
    }
    try {
      this.#site.observers?.tell(event, this.#stream, this.#group)
      this.#settings.onEvent?.(event)
    } catch {
      // A listener's own mistake must not stop the work; there is nobody else to tell.
    }
  }
}

function plainIntake(site: IntakeSite): Intake {
  const groups = new GroupKeeper(site)
  const reader = new WorkerReader(site, groups)
  const sweep = new Sweep(site, groups)
  return {
    pause: (isPaused) => {
      reader.pause(isPaused)
      sweep.pause(isPaused)
    },
    stop: async () => {
      await Promise.all([reader.stop(), sweep.stop()])
    },
  }
}
