/**
 * Reads new entries for a worker, never more than it has room for.
 *
 *   room? ──► XREADGROUP stream and its retries, COUNT room ──► take ──► room? …
 *               │ GROUP_NOT_FOUND: see group-keeper.ts, go on
 *               └ UNAVAILABLE, OUTCOME_UNKNOWN: wait, read what is pending for us (a lost reply may have held it), go on
 *
 * While the stream has a backlog it is read alone, without waiting, and its retries every 50 ms.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { DeliveredEntry, EntryId, GroupPosition, ReadResult } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { backoffMs, pause } from '../pause.ts'
import type { GroupKeeper } from './group-keeper.ts'
import { isBelow } from './id-order.ts'
import type { IntakeSite } from './intake.ts'
import type { Line } from './line.ts'
import { takePending } from './take-pending.ts'

/** How the streams of a worker are read that has leases of them, and more or fewer as time goes on. */
export interface ByLease {
  /** Before these new entries of a line are taken. False: they are not to be, the line is not this worker's any more. */
  readonly check: (line: Line, ids: ReadonlySet<EntryId>) => Promise<boolean>
}

const RETRIES_MS = 50
/** After so long without a turn of the event loop, others get one: reads of an embedded stream are answered within a turn. */
const TURN_MS = 10
/** Without a line to read, one is looked for again after so long, or when there is one. */
const NO_LINES_MS = 1000
const CHANGED = new Error('Other streams are to be read')

export class WorkerReader {
  readonly #site: IntakeSite
  readonly #groups: GroupKeeper
  readonly #stopping = new AbortController()
  readonly #byLease: ByLease | undefined
  readonly #ended: Promise<void>
  /** Ends the wait of the read under way. */
  #waiting: AbortController | undefined
  #isPaused = false
  #hasGroups = false
  /** A reply may have been lost that held entries. */
  #hasUnknown = false
  #hasBacklog = false
  #allReadMs = -Infinity
  #turnedMs = -Infinity
  #hasChanged = false
  /** Called when the read under way has ended and what it brought is taken. */
  #onChanged: (() => void)[] = []

  constructor(site: IntakeSite, groups: GroupKeeper, byLease?: ByLease) {
    this.#site = site
    this.#groups = groups
    this.#byLease = byLease
    this.#ended = this.#run()
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
    if (isPaused) this.#waiting?.abort(new Error('The worker pauses'))
  }

  /** Other lines are to be read from now on. Resolves when what was read of the old ones is taken. */
  async changed(): Promise<void> {
    if (this.#stopping.signal.aborted) return await this.#ended
    this.#hasChanged = true
    const changed = new Promise<void>((resolve) => this.#onChanged.push(resolve))
    this.#waiting?.abort(CHANGED)
    await Promise.race([changed, this.#ended])
  }

  /** What was delivered until then is still taken. */
  async stop(): Promise<void> {
    const reason = new Error('The worker stops')
    this.#stopping.abort(reason)
    this.#waiting?.abort(reason)
    await this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    const { clock } = this.#site
    for (let failures = 0; !signal.aborted;) {
      if (this.#hasChanged) this.#endChange()
      try {
        if (!this.#hasGroups) await this.#ensureGroups()
        if (this.#hasUnknown) await this.#readOwn()
        await this.#read()
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (error === CHANGED || (this.#isPaused && error === this.#waiting?.signal.reason)) continue
        const isMissing = this.#note(error)
        if (error instanceof StreamError && error.code === 'CLOSED') return
        // A missing group is made at once; only if it is missing again does that wait.
        if (!isMissing || failures > 0) await pause(backoffMs(failures, clock), signal, clock)
        failures++
      }
    }
  }

  #endChange(): void {
    this.#hasChanged = false
    this.#hasBacklog = false
    for (const done of this.#onChanged.splice(0)) done()
  }

  /** Returns whether the group was missing. */
  #note(error: unknown): boolean {
    const code = error instanceof StreamError ? error.code : undefined
    if (code === 'OUTCOME_UNKNOWN' || code === 'UNAVAILABLE') this.#hasUnknown = true
    if (code === 'GROUP_NOT_FOUND') this.#hasGroups = false
    else this.#site.onEvent({ type: 'error', error })
    return code === 'GROUP_NOT_FOUND'
  }

  async #ensureGroups(): Promise<void> {
    for (const line of this.#site.lines()) await this.#groups.ensure(line)
    this.#hasGroups = true
  }

  async #read(): Promise<void> {
    const { clock, room, untilRoom, take, lines } = this.#site
    const count = room()
    if (count <= 0 || this.#byLease !== undefined) {
      const { signal } = this.#begin()
      if (count <= 0) return await untilRoom(AbortSignal.any([this.#stopping.signal, signal]))
      if (lines().length === 0) return await pause(NO_LINES_MS, signal, clock)
    }
    const sentAtMs = clock.monotonicMs()
    if (sentAtMs - this.#turnedMs > TURN_MS) {
      await turn()
      this.#turnedMs = clock.monotonicMs()
    }
    const read = lines().filter((line) => !line.isWaiting)
    const isShort = this.#byLease === undefined && this.#hasBacklog && sentAtMs - this.#allReadMs < RETRIES_MS
    const found = isShort ? await this.#readFirst(read[0]!, count) : await this.#readAll(read, count)
    // The reply may have waited for an entry: its idle time began at most a moment ago.
    const readAtMs = isShort ? sentAtMs : clock.monotonicMs()
    this.#hasBacklog = false
    for (const line of read) {
      const entries = found.get(line.stream)
      if (entries === undefined) continue
      const { id } = entries.at(-1)!
      // New entries below older ones: the stream is not what it was, or somebody has set the group back.
      if (line.seenId !== undefined && isBelow(id, line.seenId)) await this.#groups.look(line)
      line.seenId = id
      if (line === read[0]) this.#hasBacklog = entries.length >= count
      if (this.#byLease === undefined || (await this.#mayTake(line, entries))) take(line, entries, readAtMs)
    }
  }

  /** What ends the wait that begins; made anew only when the last one was ended by it. */
  #begin(): AbortController {
    if (this.#waiting === undefined || this.#waiting.signal.aborted) this.#waiting = new AbortController()
    return this.#waiting
  }

  async #mayTake(line: Line, entries: readonly DeliveredEntry[]): Promise<boolean> {
    return (await this.#byLease?.check(line, new Set(entries.map((entry) => entry.id)))) !== false
  }

  async #readFirst(line: Line, count: number): Promise<ReadResult<DeliveredEntry>> {
    const { backend, group, consumer } = this.#site
    return await backend.readGroup({ group, consumer }, new Map([[line.stream, '>' as const]]), { count })
  }

  async #readAll(lines: readonly Line[], count: number): Promise<ReadResult<DeliveredEntry>> {
    const { backend, clock, group, consumer, blockMs } = this.#site
    this.#allReadMs = clock.monotonicMs()
    const positions = new Map<string, GroupPosition>(lines.map((line) => [line.stream, '>']))
    // A count is for each of the streams.
    const each = this.#byLease === undefined ? count : Math.max(1, Math.ceil((2 * count) / lines.length))
    const options = { count: each, blockMs, signal: this.#begin().signal }
    if (this.#hasChanged) return new Map()
    const found = await backend.readGroup({ group, consumer }, positions, options)
    // It may have waited: then others had their turn.
    if (clock.monotonicMs() - this.#allReadMs > TURN_MS) this.#turnedMs = clock.monotonicMs()
    return found
  }

  /** Takes what was delivered to this consumer by replies that never came. */
  async #readOwn(): Promise<void> {
    for (const line of this.#site.lines()) {
      for await (const { entries, sentAtMs } of takePending(this.#site, line, { isOwn: true })) {
        this.#site.take(line, entries, sentAtMs)
        if (this.#stopping.signal.aborted) return
      }
    }
    this.#hasUnknown = false
  }
}
