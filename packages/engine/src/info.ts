/** XINFO: a picture of a stream, its groups and their consumers, as data. */
import type { Database } from './database.ts'
import type { Consumer, Group } from './group.ts'
import { requireGroup, type GroupRef } from './group-commands.ts'
import { ID_MAX, ID_ZERO, type StreamId } from './id.ts'
import { idempotencyInfo, type IdempotencyInfo } from './idempotency.ts'
import { lagOf } from './lag.ts'
import type { PendingRow } from './pending.ts'
import { radixNodeCount } from './radix-nodes.ts'
import type { StreamEntry } from './segment.ts'
import type { Stream } from './stream.ts'

export interface StreamInfo {
  readonly length: number
  readonly lastId: StreamId
  readonly maxDeletedId: StreamId
  readonly entriesAdded: number
  /** The ID of the first entry that is there; 0-0 when there is none. */
  readonly firstId: StreamId
  /** Redis: radix-tree-keys. */
  readonly nodeCount: number
  readonly idempotency: IdempotencyInfo
  readonly groupCount: number
  readonly firstEntry: StreamEntry | undefined
  readonly lastEntry: StreamEntry | undefined
  readonly memoryBytes: number
  readonly expiresAtMs: number | undefined
}

export interface GroupInfo {
  readonly name: string
  readonly lastId: StreamId
  readonly consumerCount: number
  readonly pendingCount: number
  /** Undefined: cannot be told. */
  readonly entriesRead: number | undefined
  /** Undefined: cannot be told. */
  readonly lag: number | undefined
}

export interface ConsumerInfo {
  readonly name: string
  readonly pendingCount: number
  /** Since it last tried to read or claim. */
  readonly idleMs: number
  /** Since it last got something; undefined: never. */
  readonly inactiveMs: number | undefined
}

export interface FullPending {
  readonly id: StreamId
  /** Empty: it was given back and is nobody's. */
  readonly consumer: string
  /** 0: it is nobody's. */
  readonly deliveredAtMs: number
  readonly deliveries: number
}

export interface FullConsumerInfo {
  readonly name: string
  readonly seenMs: number
  readonly activeMs: number | undefined
  readonly pendingCount: number
  readonly pending: readonly FullPending[]
}

export interface FullGroupInfo extends GroupInfo {
  /** How many of the pending entries are nobody's. */
  readonly nackedCount: number
  readonly pending: readonly FullPending[]
  readonly consumers: readonly FullConsumerInfo[]
}

export interface FullStreamInfo extends StreamInfo {
  readonly entries: readonly StreamEntry[]
  readonly groups: readonly FullGroupInfo[]
}

/** XINFO STREAM. */
export function streamInfo(database: Database, key: string, nowMs: number): StreamInfo {
  return infoOf(database, key, database.require(key, nowMs), nowMs)
}

/** How many nodes Redis's radix tree of the stream has (radix-tree-nodes). Looks at every logical node: a picture goes without. */
export function radixTreeNodes(database: Database, key: string, nowMs: number): number {
  return radixNodeCount(database.require(key, nowMs).nodes.firstIds())
}

/** XINFO STREAM FULL: at most `count` entries and pending entries each; `Infinity` is no limit. */
export function fullStreamInfo(database: Database, key: string, count: number, nowMs: number): FullStreamInfo {
  const stream = database.require(key, nowMs)
  return {
    ...infoOf(database, key, stream, nowMs),
    entries: stream.range(ID_ZERO, ID_MAX, count),
    groups: stream.groups().map((group) => fullGroupOf(stream, group, count)),
  }
}

/** XINFO GROUPS. */
export function groupInfos(database: Database, key: string, nowMs: number): GroupInfo[] {
  const stream = database.require(key, nowMs)
  return stream.groups().map((group) => groupOf(stream, group))
}

/** XINFO CONSUMERS. */
export function consumerInfos(database: Database, ref: GroupRef, nowMs: number): ConsumerInfo[] {
  const group = requireGroup(database.require(ref.key, nowMs), ref)
  return group.consumers().map(({ name, pending, seenMs, activeMs }) => ({
    name,
    pendingCount: pending,
    idleMs: Math.max(nowMs - seenMs, 0),
    inactiveMs: activeMs === undefined ? undefined : Math.max(nowMs - activeMs, 0),
  }))
}

function infoOf(database: Database, key: string, stream: Stream, nowMs: number): StreamInfo {
  return {
    length: stream.length,
    lastId: stream.lastId,
    maxDeletedId: stream.maxDeletedId,
    entriesAdded: stream.entriesAdded,
    firstId: stream.firstId,
    nodeCount: stream.nodes.count,
    idempotency: idempotencyInfo(database, key, stream, nowMs),
    groupCount: stream.groupCount,
    firstEntry: stream.range(ID_ZERO, ID_MAX, 1)[0],
    lastEntry: stream.rangeBackward(ID_ZERO, ID_MAX, 1)[0],
    memoryBytes: stream.memoryBytes,
    expiresAtMs: database.expiresAtMs(key),
  }
}

function groupOf(stream: Stream, group: Group): GroupInfo {
  return {
    name: group.name,
    lastId: group.lastId,
    consumerCount: group.consumerCount,
    pendingCount: group.pending.size,
    entriesRead: group.entriesRead,
    lag: lagOf(stream, group),
  }
}

function fullGroupOf(stream: Stream, group: Group, count: number): FullGroupInfo {
  const consumers = group.consumers()
  return {
    ...groupOf(stream, group),
    nackedCount: group.nackedCount,
    pending: collect(group, count, (visit) => group.pending.scan(ID_ZERO, visit)),
    consumers: consumers.map((consumer) => fullConsumerOf(group, consumer, count)),
  }
}

function fullConsumerOf(group: Group, consumer: Consumer, count: number): FullConsumerInfo {
  return {
    name: consumer.name,
    seenMs: consumer.seenMs,
    activeMs: consumer.activeMs,
    pendingCount: consumer.pending,
    pending: collect(group, count, (visit) => group.pending.scanOwned(consumer.number, ID_ZERO, visit)),
  }
}

function collect(group: Group, count: number, scan: (visit: (row: PendingRow) => boolean) => void): FullPending[] {
  const found: FullPending[] = []
  scan((row) => {
    const owner = group.ownerName(row)
    const deliveredAtMs = owner === undefined ? 0 : row.timeMs
    found.push({ id: row.id, consumer: owner ?? '', deliveredAtMs, deliveries: row.count })
    return found.length < count
  })
  return found
}
