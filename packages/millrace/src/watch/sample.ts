/**
 * One look at a stream: its numbers, and those of its groups and consumers.
 *
 *   XINFO, XPENDING (at most 1,000), TIME, and for the lag at most 1,000 entries ──► StreamSample ──two of them──► rates
 *
 * Costs are bounded, whatever the stream's length: nothing is asked for that walks it.
 */
import type { Backend, ConsumerInfo, GroupInfo, PendingEntry, StreamInfo } from '../backend.ts'
import { timeOfId } from '../entry-id-order.ts'
import { siblingKey } from '../sibling-key.ts'

/** `live`: it reads, or nothing is left to read. `starved`: it reads and gets nothing, though there is lag. `dead`: silent for long, and owns entries. */
export type ConsumerState = 'live' | 'starved' | 'dead'

export interface ConsumerSample {
  readonly name: string
  readonly pending: number
  /** Milliseconds since it last tried to read or claim. */
  readonly idleMs: number
  readonly state: ConsumerState
}

export interface GroupSample {
  readonly group: string
  /** Entries that were not yet delivered to the group. */
  readonly lag: number
  /** The server does not know it: it was counted (up to 1,000), or beyond that guessed from the IDs' times. */
  readonly isLagEstimated: boolean
  /** How long the first entry that was not delivered has been waiting, by the backend's clock; 0 without lag. */
  readonly lagSeconds: number
  readonly pending: number
  /** How long ago the oldest pending entry was added, and the longest time that one has gone without delivery or renewal. */
  readonly oldestPendingMs: number
  readonly maxIdleMs: number
  /** Of the first 1,000 pending entries: how many were delivered once, twice, three and four times, and more often. */
  readonly deliveries: {
    readonly 1: number
    readonly 2: number
    readonly 3: number
    readonly 4: number
    readonly more: number
  }
  readonly maxDeliveries: number
  /** Delivered for the first time, a second; undefined in the first sample, and where the server does not count. */
  readonly readPerSecond: number | undefined
  /** Of what was delivered since the sample before, the part that were retries; undefined as above. */
  readonly redelivered: number | undefined
  /** Entries that were retried so far. */
  readonly retries: number
  readonly entriesRead: number | undefined
  readonly consumers: readonly ConsumerSample[]
}

export interface StreamSample {
  readonly stream: string
  /** The backend's clock, milliseconds since 1970. */
  readonly atMs: number
  readonly length: number
  readonly entriesAdded: number
  /** Undefined in the first sample. */
  readonly addedPerSecond: number | undefined
  readonly memoryBytes: number
  readonly backendMemoryBytes: number | undefined
  readonly delayed: number
  readonly deadLetters: number
  /** All that ever were; what was redriven or discarded included. */
  readonly deadLettersAdded: number
  /** Milliseconds since the oldest one was given up; 0 without one. */
  readonly oldestDeadLetterMs: number
  readonly groups: readonly GroupSample[]
}

const PENDING_MAX = 1000
const COUNTED_MAX = 1000

export interface LookOptions {
  /** A consumer that is silent for longer, and owns entries, is dead. */
  readonly deadAfterMs: number
}

/** Undefined: there is no such stream. `before`: an earlier look, for the rates. */
export async function look(
  backend: Backend,
  stream: string,
  before: StreamSample | undefined,
  options: LookOptions,
): Promise<StreamSample | undefined> {
  const [info, delayed, dead, time] = await Promise.all([
    backend.inspect(stream),
    backend.inspect(siblingKey(stream, 'delayed')),
    backend.inspect(siblingKey(stream, 'dlq')),
    backend.step({ do: [{ kind: 'time' }, { kind: 'get', key: siblingKey(stream, 'lease:caretaker') }] }),
  ])
  if (info === undefined) return undefined
  const atMs = time.isTaken ? Number(time.results[0]) : timeOfId(info.lastId)
  const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000
  const site = { backend, stream, info, atMs, before, seconds, options }
  return {
    stream,
    atMs,
    length: info.length,
    entriesAdded: info.entriesAdded,
    addedPerSecond: seconds > 0 ? Math.max(0, info.entriesAdded - before!.entriesAdded) / seconds : undefined,
    memoryBytes: info.memoryBytes,
    backendMemoryBytes: info.backendMemoryBytes,
    delayed: delayed?.length ?? 0,
    deadLetters: dead?.length ?? 0,
    deadLettersAdded: dead?.entriesAdded ?? 0,
    oldestDeadLetterMs: dead?.firstId === undefined ? 0 : Math.max(0, atMs - timeOfId(dead.firstId)),
    groups: await Promise.all(info.groups.map(async (group) => await lookAtGroup(site, group))),
  }
}

interface GroupSite {
  readonly backend: Backend
  readonly stream: string
  readonly info: StreamInfo
  readonly atMs: number
  readonly before: StreamSample | undefined
  readonly seconds: number
  readonly options: LookOptions
}

async function lookAtGroup(site: GroupSite, group: GroupInfo): Promise<GroupSample> {
  const { backend, stream, info, atMs, before, seconds, options } = site
  const { name, lastDeliveredId } = group
  const [rows, waiting, retried] = await Promise.all([
    group.pending === 0 ? [] : pendingOf(backend, stream, name),
    group.lag === 0
      ? []
      : backend.range(stream, { from: `(${lastDeliveredId}`, count: group.lag === undefined ? COUNTED_MAX : 1 }),
    backend.inspect(siblingKey(stream, `retry:${name}`)),
  ])
  const lag = group.lag ?? estimate(info, lastDeliveredId, waiting.length)
  const first = waiting[0]
  const earlier = before?.groups.find((one) => one.group === name)
  const retries = retried?.entriesAdded ?? 0
  const read = delta(group.entriesRead, earlier?.entriesRead)
  const again = earlier === undefined ? undefined : Math.max(0, retries - earlier.retries)
  const oldest = rows[0]
  return {
    group: name,
    lag,
    isLagEstimated: group.lag === undefined,
    lagSeconds: first === undefined ? 0 : Math.max(0, atMs - timeOfId(first.id)) / 1000,
    pending: group.pending,
    oldestPendingMs: oldest === undefined ? 0 : Math.max(0, atMs - timeOfId(oldest.id)),
    maxIdleMs: rows.reduce((most, { idleMs }) => Math.max(most, idleMs), 0),
    deliveries: histogram(rows),
    maxDeliveries: rows.reduce((most, { deliveries }) => Math.max(most, deliveries), 0),
    readPerSecond: read === undefined || seconds <= 0 ? undefined : read / seconds,
    redelivered: read === undefined || again === undefined || read + again === 0 ? undefined : again / (read + again),
    retries,
    entriesRead: group.entriesRead,
    consumers: group.consumers.map((consumer) => judge(consumer, lag, options)),
  }
}

/** The group may go between two questions. */
async function pendingOf(backend: Backend, stream: string, group: string): Promise<readonly PendingEntry[]> {
  try {
    return await backend.pending(stream, group, { count: PENDING_MAX })
  } catch {
    return []
  }
}

/** Counted, where all fits; else as many of the stream as the IDs' times say, if entries came evenly. */
function estimate({ length, firstId, lastId }: StreamInfo, deliveredId: string, counted: number): number {
  if (counted < COUNTED_MAX || firstId === undefined) return counted
  const [from, to] = [timeOfId(firstId), timeOfId(lastId)]
  const delivered = Math.max(from, timeOfId(deliveredId as typeof lastId))
  const share = to > from ? (to - delivered) / (to - from) : 1
  return Math.max(counted, Math.round(length * share))
}

function judge({ name, pending, idleMs }: ConsumerInfo, lag: number, { deadAfterMs }: LookOptions): ConsumerSample {
  const isSilent = idleMs > deadAfterMs
  const state =
    isSilent && pending > 0 ? 'dead' : isSilent && lag > 0 ? 'dead' : lag > 0 && pending === 0 ? 'starved' : 'live'
  return { name, pending, idleMs, state }
}

function histogram(rows: readonly PendingEntry[]): GroupSample['deliveries'] {
  const counts = { 1: 0, 2: 0, 3: 0, 4: 0, more: 0 }
  for (const { deliveries } of rows) {
    const name = deliveries >= 1 && deliveries <= 4 ? (deliveries as 1 | 2 | 3 | 4) : deliveries > 4 ? 'more' : 1
    counts[name]++
  }
  return counts
}

function delta(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined || before === undefined ? undefined : Math.max(0, now - before)
}
