/**
 * Brings the entries of an ordered stream into a worker: from the partitions that it has leases of, each read by one worker of
 * the group at a time.
 *
 *   members ──► share ──► not mine yet ──lease taken──► left over entries taken ──► read ──► Lanes
 *                    └──► not mine any more ──► no more read ──handlers done, or leaseMs──► lease given back
 *
 *   lease of a partition: {orders…}:lease:<group>, a string with the worker's name, leaseMs, renewed three times in it
 *
 * Lost (not renewed in time, or another's): its handlers' signals abort and its results are dropped at once.
 */
import type { EntryId } from '../backend.ts'
import { Duty } from '../duty.ts'
import { StreamError } from '../errors.ts'
import { pause } from '../pause.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Caretakers } from '../site.ts'
import { countDelivery } from '../worker/count-delivery.ts'
import { GroupKeeper } from '../worker/group-keeper.ts'
import type { Intake, IntakeSite } from '../worker/intake.ts'
import type { Line } from '../worker/line.ts'
import { retryKey } from '../worker/retry.ts'
import { WorkerReader } from '../worker/worker-reader.ts'
import type { Lanes } from './lanes.ts'
import { takeLeftOver } from './left-over.ts'
import { Members } from './members.ts'
import { shareOf } from './share.ts'

export interface OrderedStream {
  /** The logical stream. */
  readonly name: string
  readonly partitions: readonly string[]
  readonly lanes: Lanes
  readonly caretakers: Caretakers | undefined
  /** Rejects while nothing may be taken. */
  readonly ready: () => Promise<void>
}

interface Owned {
  readonly stream: string
  readonly lines: readonly Line[]
  readonly takenAtMs: number
  readonly release: () => void
  /** By the clock's monotonicMs(). */
  untilMs: number
  renewedMs: number
  /** Its left-over entries are in hand, and it is neither leaving nor lost. */
  isRead: boolean
}

const TICK_MS_MAX = 1000
const TICK_MS_MIN = 20
/** So many partitions are worked on at once. */
const AT_ONCE = 32
/** How often a partition on its way out is looked at. */
const LEAVING_MS = 20
/** A read of the partition's former worker may still wait at the server for so long beyond its own limit. */
const LATE_READ_MS = 2000

export class OrderedIntake implements Intake {
  readonly #site: IntakeSite
  readonly #stream: OrderedStream
  readonly #groups: GroupKeeper
  readonly #members: Members
  readonly #reader: WorkerReader
  readonly #duty: Duty
  readonly #giveUp = new AbortController()
  readonly #owned = new Map<string, Owned>()
  readonly #leaving = new Set<Promise<void>>()
  #isPaused = false
  #isStopped = false
  #isFailing = false
  #announced: { state: 'here' | 'left'; atMs: number } = { state: 'left', atMs: -Infinity }
  #sweptMs: number

  constructor(site: IntakeSite, stream: OrderedStream) {
    const { backend, clock, consumer, group, leaseMs } = site
    this.#site = site
    this.#stream = stream
    this.#groups = new GroupKeeper(site)
    const key = siblingKey(stream.name, `members:${group}`)
    this.#members = new Members({ backend, clock, key, me: consumer, leaseMs })
    stream.lanes.attach({
      count: async (lease) => await this.#count(lease),
      monotonicMs: () => clock.monotonicMs(),
      onLost: (home) => {
        const owned = this.#owned.get(home)
        if (owned !== undefined) void this.#lose(owned)
      },
      onReady: () => site.wake(),
    })
    this.#sweptMs = clock.monotonicMs()
    this.#reader = new WorkerReader({ ...site, lines: () => this.#readable() }, this.#groups, {
      check: async (line, ids) => await this.#check(line, ids),
    })
    const tickMs = Math.min(TICK_MS_MAX, Math.max(TICK_MS_MIN, leaseMs / 10))
    let isFirst = true
    this.#duty = new Duty(
      async () => await this.#tick(),
      () => {
        const waitMs = isFirst ? 0 : tickMs * (0.75 + clock.random() / 2)
        isFirst = false
        return waitMs
      },
      clock,
    )
  }

  /** A paused worker leaves its partitions to others. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    this.#reader.pause(isPaused)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#reader.stop()
  }

  /** Gives the partitions back: nothing of them is in hand any more. */
  async leave(): Promise<void> {
    this.#giveUp.abort(new Error('The worker stopped'))
    await this.#duty.stop()
    await Promise.all(this.#leaving)
    await inTurns([...this.#owned.values()], async (owned) => await this.#giveBack(owned, 'stopped'))
    await this.#quietly(async () => await this.#members.announce('left'))
  }

  async #tick(): Promise<void> {
    try {
      this.#loseExpired()
      await this.#stream.ready()
      await this.#announce()
      await this.#renew()
      const isWanted = !this.#isPaused && !this.#isStopped
      if (isWanted) await this.#rebalance(await this.#members.here())
      // While it stops, what is in hand goes on under its leases.
      else if (!this.#isStopped) await this.#rebalance(new Set())
      await this.#sweep()
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#site.onEvent({ type: 'error', error })
      this.#isFailing = true
    }
  }

  async #announce(): Promise<void> {
    const { clock, leaseMs } = this.#site
    const state = this.#isPaused || this.#isStopped ? 'left' : 'here'
    const nowMs = clock.monotonicMs()
    const isDue = state === 'here' && nowMs - this.#announced.atMs >= leaseMs / 3
    if (state === this.#announced.state && !isDue) return
    if (state === 'here' || this.#announced.atMs !== -Infinity) await this.#members.announce(state)
    this.#announced = { state, atMs: nowMs }
  }

  async #rebalance(workers: Set<string>): Promise<void> {
    const { consumer } = this.#site
    const mine = shareOf(consumer, this.#stream.partitions, workers)
    for (const owned of this.#owned.values()) {
      if (owned.isRead && !mine.has(owned.stream)) this.#startLeaving(owned)
    }
    const wanted = [...mine].filter((stream) => !this.#owned.has(stream))
    await inTurns(wanted, async (stream) => await this.#take(stream))
  }

  async #take(stream: string): Promise<void> {
    const { backend, clock, group, consumer, leaseMs } = this.#site
    const sentAtMs = clock.monotonicMs()
    const key = this.#leaseKey(stream)
    const { isTaken } = await backend.step({
      if: [{ kind: 'value', key, oneOf: [undefined, consumer] }],
      do: [{ kind: 'set', key, value: consumer, expireMs: leaseMs }],
    })
    if (!isTaken || this.#isStopped || this.#isPaused) return
    const lines = [this.#site.openLine(stream, stream), this.#site.openLine(retryKey(stream, group), stream)]
    const release = this.#stream.caretakers?.tend(stream) ?? ((): void => undefined)
    const times = { takenAtMs: sentAtMs, untilMs: sentAtMs + leaseMs, renewedMs: sentAtMs }
    const owned: Owned = { stream, lines, release, ...times, isRead: false }
    this.#owned.set(stream, owned)
    try {
      for (const line of lines) {
        await this.#groups.ensure(line)
        await this.#leftOver(line)
      }
    } catch (error) {
      await this.#giveBack(owned, 'lost')
      throw error
    }
    if (this.#owned.get(stream) !== owned) return
    owned.isRead = true
    this.#site.onEvent({ type: 'partition-taken', partition: stream })
    void this.#reader.changed()
  }

  async #leftOver(line: Line, options?: Parameters<typeof takeLeftOver>[2]): Promise<void> {
    for (const lease of await takeLeftOver(this.#site, line, options)) this.#stream.lanes.push(lease)
    this.#site.wake()
  }

  /**
   * Just after a partition was taken, a read of its former worker may still wait at the server and be given entries, though that
   * worker has lost it. They are older than what this one was given, so they are looked for before that is run.
   */
  async #check(line: Line, known: ReadonlySet<EntryId>): Promise<boolean> {
    const { clock, blockMs } = this.#site
    const owned = this.#owned.get(line.home)
    if (owned === undefined || !owned.lines.includes(line)) return false
    const isNew = clock.monotonicMs() - owned.takenAtMs <= blockMs + LATE_READ_MS
    if (owned.untilMs > clock.monotonicMs() && isNew) await this.#leftOver(line, { known })
    if (this.#owned.get(line.home) === owned && owned.untilMs > clock.monotonicMs()) return true
    // The reply came late, to a process that stood still: what came before these entries may be another's by now.
    await this.#lose(owned)
    return false
  }

  async #sweep(): Promise<void> {
    const { clock, sweepMs, leaseMs, backend } = this.#site
    if (clock.monotonicMs() - this.#sweptMs < sweepMs) return
    this.#sweptMs = clock.monotonicMs()
    for (const line of this.#readable()) {
      await this.#groups.look(line)
      await this.#leftOver(line, { minIdleMs: leaseMs })
      if (line.isRetry) await backend.trim(line.stream, { acked: true })
    }
  }

  async #renew(): Promise<void> {
    const { clock, leaseMs } = this.#site
    const nowMs = clock.monotonicMs()
    const due = [...this.#owned.values()].filter(({ renewedMs }) => nowMs - renewedMs >= leaseMs / 3)
    await inTurns(due, async (owned) => {
      const sentAtMs = clock.monotonicMs()
      if (!(await this.#step(owned, 'renew'))) return await this.#lose(owned)
      owned.untilMs = sentAtMs + leaseMs
      owned.renewedMs = sentAtMs
    })
  }

  #loseExpired(): void {
    const nowMs = this.#site.clock.monotonicMs()
    for (const owned of this.#owned.values()) if (owned.untilMs <= nowMs) void this.#lose(owned)
  }

  #startLeaving(owned: Owned): void {
    owned.isRead = false
    const leaving = this.#leave(owned)
      .catch((error: unknown) => this.#site.onEvent({ type: 'error', error }))
      .finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  /** What has begun and what waits of it may finish, for the length of a lease. */
  async #leave(owned: Owned): Promise<void> {
    const { clock, leaseMs } = this.#site
    await this.#reader.changed()
    const untilMs = clock.monotonicMs() + leaseMs
    const isBusy = (): boolean => owned.lines.some(({ leases }) => leases.size > 0)
    while (isBusy() && clock.monotonicMs() < untilMs && !this.#giveUp.signal.aborted) {
      await pause(LEAVING_MS, this.#giveUp.signal, clock)
    }
    if (!this.#giveUp.signal.aborted) await this.#giveBack(owned, 'rebalanced')
  }

  async #giveBack(owned: Owned, reason: 'rebalanced' | 'stopped' | 'lost'): Promise<void> {
    if (this.#owned.get(owned.stream) !== owned) return
    await this.#close(owned, reason)
    await this.#quietly(async () => void (await this.#step(owned, 'give back')))
  }

  async #lose(owned: Owned): Promise<void> {
    if (this.#owned.get(owned.stream) === owned) await this.#close(owned, 'lost')
  }

  async #close(owned: Owned, reason: 'rebalanced' | 'stopped' | 'lost'): Promise<void> {
    owned.isRead = false
    this.#owned.delete(owned.stream)
    owned.release()
    this.#site.onEvent({ type: 'partition-released', partition: owned.stream, reason })
    const why = new Error(`The partition '${owned.stream}' is another worker's now`)
    await Promise.all(owned.lines.map(async (line) => await this.#site.closeLine(line, why)))
  }

  async #step({ stream }: Owned, what: 'renew' | 'give back'): Promise<boolean> {
    const { backend, consumer, leaseMs } = this.#site
    const key = this.#leaseKey(stream)
    const { isTaken } = await backend.step({
      if: [{ kind: 'value', key, oneOf: what === 'renew' ? [undefined, consumer] : [consumer] }],
      do: [what === 'renew' ? { kind: 'set', key, value: consumer, expireMs: leaseMs } : { kind: 'remove', key }],
    })
    return isTaken
  }

  async #count(lease: Parameters<typeof countDelivery>[0]): Promise<boolean> {
    const { clock, onEvent } = this.#site
    try {
      return await countDelivery(lease, { clock, onEvent, giveUp: this.#giveUp.signal })
    } catch (error) {
      // It stays pending, and is found again by the sweep.
      onEvent({ type: 'error', error })
      lease.line.leases.end(lease, new Error(`The lease of ${lease.copyId} was lost`))
      return false
    }
  }

  async #quietly(task: () => Promise<void>): Promise<void> {
    try {
      await task()
    } catch (error) {
      // What was not given back ends by itself, after leaseMs.
      if (!(error instanceof StreamError && error.code === 'CLOSED')) this.#site.onEvent({ type: 'error', error })
    }
  }

  /** What may be read now: by this side's clock, too, the leases hold. */
  #readable(): Line[] {
    const nowMs = this.#site.clock.monotonicMs()
    const lines: Line[] = []
    for (const { isRead, untilMs, lines: own } of this.#owned.values())
      if (isRead && untilMs > nowMs) lines.push(...own)
    return lines
  }

  #leaseKey(stream: string): string {
    return siblingKey(stream, `lease:${this.#site.group}`)
  }
}

async function inTurns<T>(all: readonly T[], task: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += AT_ONCE) await Promise.all(all.slice(i, i + AT_ONCE).map(task))
}
