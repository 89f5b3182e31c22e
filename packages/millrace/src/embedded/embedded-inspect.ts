/** A stream of the engine in one picture. */

import { consumerInfos, type Database, groupInfos, streamInfo } from '@millrace/engine'
import type { ConsumerInfo, GroupInfo, StreamInfo } from '../backend.ts'
import { fromByteString, toEntryId, toOptionalEntryId } from './embedded-codec.ts'

export function inspectStream(database: Database, key: string, nowMs: number): StreamInfo | undefined {
  if (database.find(key, nowMs) === undefined) return undefined
  const info = streamInfo(database, key, nowMs)
  return {
    length: info.length,
    lastId: toEntryId(info.lastId),
    firstId: toOptionalEntryId(info.firstId),
    maxDeletedId: toEntryId(info.maxDeletedId),
    entriesAdded: info.entriesAdded,
    memoryBytes: info.memoryBytes,
    backendMemoryBytes: database.memoryBytes,
    ttlMs: info.expiresAtMs === undefined ? undefined : info.expiresAtMs - nowMs,
    groups: groupsOf(database, key, nowMs),
  }
}

function groupsOf(database: Database, key: string, nowMs: number): GroupInfo[] {
  return groupInfos(database, key, nowMs).map((group) => ({
    name: fromByteString(group.name),
    lastDeliveredId: toEntryId(group.lastId),
    entriesRead: group.entriesRead,
    lag: group.lag,
    pending: group.pendingCount,
    consumers: consumersOf(database, { key, group: group.name }, nowMs),
  }))
}

function consumersOf(database: Database, ref: { key: string; group: string }, nowMs: number): ConsumerInfo[] {
  return consumerInfos(database, ref, nowMs).map(({ name, pendingCount, idleMs }) => ({
    name: fromByteString(name),
    pending: pendingCount,
    idleMs,
  }))
}
