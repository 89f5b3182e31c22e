/** XGROUP: create, set, destroy a group; create and delete a consumer. Also what other commands need to find them. */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import type { Consumer, Group } from './group.ts'
import { checkId, ID_ZERO, type StreamId } from './id.ts'
import type { Stream } from './stream.ts'

/** A group by its key and name. */
export interface GroupRef {
  readonly key: string
  readonly group: string
}

export interface ConsumerRef extends GroupRef {
  readonly consumer: string
}

/** Where a group begins: after an ID, or after the stream's last ID of now. */
export type GroupFrom = StreamId | '$'

export interface CreateGroupOptions {
  readonly from: GroupFrom
  /** Create a missing stream. Default false: `NO_SUCH_KEY`. */
  readonly mkStream?: boolean
  /** How many entries lie up to `from`. Default: not known. */
  readonly entriesRead?: number
}

/** XGROUP CREATE. `GROUP_EXISTS` when there is one of that name. */
export function createGroup(database: Database, ref: GroupRef, options: CreateGroupOptions, nowMs: number): void {
  const { key, group } = ref
  checkEntriesRead(options.entriesRead)
  if (options.from !== '$') checkId(options.from)
  const found = options.mkStream === true ? database.find(key, nowMs) : database.require(key, nowMs)
  if (found?.group(group) !== undefined)
    throw new EngineError('GROUP_EXISTS', `'${key}' has a group '${group}' already`)
  const lastId = options.from === '$' ? (found?.lastId ?? ID_ZERO) : options.from
  const entriesRead = capEntriesRead(options.entriesRead, found?.entriesAdded ?? 0)
  if (found === undefined) database.createStream(key)
  database.commit({ kind: 'group-created', key, group, lastId, entriesRead })
}

/** XGROUP SETID. Without `entriesRead` it is no longer known. */
export function setGroup(
  database: Database,
  ref: GroupRef,
  options: { readonly from: GroupFrom; readonly entriesRead?: number },
  nowMs: number,
): void {
  const { key, group } = ref
  checkEntriesRead(options.entriesRead)
  if (options.from !== '$') checkId(options.from)
  const stream = database.require(key, nowMs)
  requireGroup(stream, ref)
  const lastId = options.from === '$' ? stream.lastId : options.from
  const entriesRead = capEntriesRead(options.entriesRead, stream.entriesAdded)
  database.commit({ kind: 'group-set', key, group, lastId, entriesRead })
}

/** XGROUP DESTROY. Returns false when there was no such group. */
export function destroyGroup(database: Database, ref: GroupRef, nowMs: number): boolean {
  const { key, group } = ref
  if (database.require(key, nowMs).group(group) === undefined) return false
  database.commit({ kind: 'group-destroyed', key, group })
  return true
}

/** XGROUP CREATECONSUMER. Returns false when it was there already. */
export function createConsumer(database: Database, ref: ConsumerRef, nowMs: number): boolean {
  const group = requireGroup(database.require(ref.key, nowMs), ref)
  if (group.consumer(ref.consumer) !== undefined) return false
  database.commit({ kind: 'consumer-created', ...refOf(ref), atMs: nowMs })
  return true
}

/** XGROUP DELCONSUMER. Returns how many pending entries were dropped with it; undefined when there was no such consumer. */
export function deleteConsumer(
  database: Database,
  ref: ConsumerRef,
  /** `onlyIfIdle`: while it owns pending entries refuse with `CONSUMER_BUSY`. */
  options: { readonly onlyIfIdle?: boolean },
  nowMs: number,
): number | undefined {
  const consumer = requireGroup(database.require(ref.key, nowMs), ref).consumer(ref.consumer)
  if (consumer === undefined) return undefined
  const { pending } = consumer
  if (options.onlyIfIdle === true && pending > 0) {
    throw new EngineError(
      'CONSUMER_BUSY',
      `Consumer '${ref.consumer}' of '${ref.group}' still owns ${pending} pending entries`,
    )
  }
  database.commit({ kind: 'consumer-deleted', ...refOf(ref) })
  return pending
}

export function requireGroup(stream: Stream | undefined, ref: GroupRef): Group {
  const group = stream?.group(ref.group)
  if (group !== undefined) return group
  throw new EngineError('NO_GROUP', `There is no stream '${ref.key}' with a consumer group '${ref.group}'`)
}

/** The consumer, created when it is missing. */
export function ensureConsumer(database: Database, group: Group, ref: ConsumerRef, nowMs: number): Consumer {
  const found = group.consumer(ref.consumer)
  if (found !== undefined) return found
  database.commit({ kind: 'consumer-created', ...refOf(ref), atMs: nowMs })
  return group.consumer(ref.consumer)!
}

/** The consumer tried to read or claim; with `gotSome` it also became active. */
export function markSeen(
  database: Database,
  consumer: Consumer,
  ref: ConsumerRef,
  seen: { nowMs: number; gotSome: boolean },
): void {
  const activeMs = seen.gotSome ? seen.nowMs : consumer.activeMs
  if (consumer.seenMs === seen.nowMs && consumer.activeMs === activeMs) return
  database.commit({ kind: 'consumer-seen', ...refOf(ref), seenMs: seen.nowMs, activeMs })
}

function refOf(ref: ConsumerRef): ConsumerRef {
  return { key: ref.key, group: ref.group, consumer: ref.consumer }
}

function checkEntriesRead(entriesRead: number | undefined): void {
  if (entriesRead === undefined || (Number.isSafeInteger(entriesRead) && entriesRead >= 0)) return
  throw new EngineError('BAD_ARGUMENT', `entriesRead is a whole number of 0 and more, not ${entriesRead}`)
}

// As Redis since 8.2.2: more than were ever added cannot have been read; before, the lag could be negative.
function capEntriesRead(entriesRead: number | undefined, entriesAdded: number): number | undefined {
  return entriesRead === undefined ? undefined : Math.min(entriesRead, entriesAdded)
}
