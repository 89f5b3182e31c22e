/** XINFO: a picture of a stream, its groups and their consumers, as data. */
import type { Database } from './database.ts'
import type { Group } from './group.ts'
import { requireGroup, type GroupRef } from './group-commands.ts'
import { ID_MAX, ID_ZERO, type StreamId } from './id.ts'
import { idempotencyInfo, type IdempotencyInfo } from './idempotency.ts'
import { lagOf } from './lag.ts'
import { toStreamId } from './number-id.ts'
import { PendingPicture } from './pending-picture.ts'
import { radixNodeCount } from './radix-nodes.ts'
import type { StreamEntry } from './segment-run.ts'
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

/** `P`: how the pending entries are told. */
export interface FullConsumerInfo<P = readonly FullPending[]> {
  readonly name: string
  readonly seenMs: number
  readonly activeMs: number | undefined
  readonly pendingCount: number
  readonly pending: P
}

export interface FullGroupInfo<P = readonly FullPending[]> extends GroupInfo {
  /** How many of the pending entries are nobody's. */
  readonly nackedCount: number
  readonly pending: P
  readonly consumers: readonly FullConsumerInfo<P>[]
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
    groups: stream.groups().map((group) => fullGroupOf(stream, group, count, collect)),
  }
}

/** The groups as XINFO STREAM FULL tells them, their pending entries not yet as objects. */
export function fullGroups(
  database: Database,
  key: string,
  count: number,
  nowMs: number,
): FullGroupInfo<PendingPicture>[] {
  const stream = database.require(key, nowMs)
  return stream.groups().map((group) => fullGroupOf(stream, group, count, (picture) => picture))
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

function fullGroupOf<P>(
  stream: Stream,
  group: Group,
  count: number,
  told: (picture: PendingPicture) => P,
): FullGroupInfo<P> {
  return {
    ...groupOf(stream, group),
    nackedCount: group.nackedCount,
    pending: told(new PendingPicture(group, { countMax: count })),
    consumers: group.consumers().map(({ name, number, seenMs, activeMs, pending }) => ({
      name,
      seenMs,
      activeMs,
      pendingCount: pending,
      pending: told(new PendingPicture(group, { countMax: count, owner: number })),
    })),
  }
}

function collect(picture: PendingPicture): FullPending[] {
  const found: FullPending[] = []
  while (picture.next()) {
    const { id, consumer, deliveredAtMs, deliveries } = picture
    found.push({ id: toStreamId(id), consumer, deliveredAtMs, deliveries })
  }
  return found
}
