/**
 * XACK, XCLAIM, XAUTOCLAIM and XPENDING: what happens to an entry between its delivery and its end.
 *
 *   delivered ──► pending for a ──claim──► pending for b ──acknowledge──► done
 *                      └──── the stream lost the entry: dropped when somebody claims it ────► lost
 */
import type { Database } from './database.ts'
import { isDeliveryCount, oneMore } from './delivery-count.ts'
import { EngineError } from './errors.ts'
import { NOBODY, type Consumer, type Group } from './group.ts'
import { ensureConsumer, markSeen, requireGroup, type ConsumerRef, type GroupRef } from './group-commands.ts'
import { checkId, compareIds, formatId, ID_MAX, ID_ZERO, type StreamId } from './id.ts'
import type { PendingRow } from './pending.ts'
import type { Stream } from './stream.ts'

export interface ClaimOptions {
  readonly ids: readonly StreamId[]
  /** Only what has been idle so long. */
  readonly minIdleMs: number
  /** Only what this consumer owns now. */
  readonly ifOwner?: string
  /** IDLE: how long the entries are to have been idle then. Default 0. Not together with `timeMs`. */
  readonly idleMs?: number
  /** TIME: the delivery time to set. */
  readonly timeMs?: number
  /** RETRYCOUNT: the delivery count to set. Default: one more, unless `justId`. */
  readonly deliveries?: number
  /** FORCE: entries that are in the stream but not pending become pending. */
  readonly force?: boolean
  /** JUSTID: no fields, and no further delivery counted. */
  readonly justId?: boolean
  /** LASTID: moves the group's last ID forward to this. */
  readonly lastId?: StreamId
}

export interface ClaimedEntry {
  readonly id: StreamId
  /** Undefined with `justId`. */
  readonly fields: readonly Uint8Array[] | undefined
  readonly deliveries: number
}

export interface ClaimResult {
  readonly entries: readonly ClaimedEntry[]
  /** Were pending, but the stream no longer has them: they are not pending any more. */
  readonly deleted: readonly StreamId[]
}

/** XCLAIM. The consumer is created when it is missing, even if it gets nothing. */
export function claim(database: Database, ref: ConsumerRef, options: ClaimOptions, nowMs: number): ClaimResult {
  if (!isDeliveryCount(options.deliveries ?? 0)) {
    throw new EngineError('BAD_ARGUMENT', `deliveries is a whole number of 0 and more, not ${options.deliveries}`)
  }
  if (options.lastId !== undefined) checkId(options.lastId)
  const stream = database.find(ref.key, nowMs)
  const group = requireGroup(stream, ref)
  // As Redis: a delivery time in the future, or before 1970, is now.
  const wanted = options.timeMs ?? nowMs - (options.idleMs ?? 0)
  const atMs = Number.isSafeInteger(wanted) && wanted >= 0 && wanted <= nowMs ? wanted : nowMs
  const work = new Claiming(database, { ref, stream: stream!, group, nowMs, justId: options.justId === true })
  if (options.lastId !== undefined && compareIds(options.lastId, group.lastId) > 0) {
    database.commit({ kind: 'group-advanced', key: ref.key, group: ref.group, lastId: options.lastId })
  }
  for (const id of options.ids) {
    const row = group.pending.get(id)
    // An ID given twice is, the second time, what the first time made of it.
    const isMine = work.has(id)
    const owner = isMine ? ref.consumer : row && group.ownerName(row)
    if (options.ifOwner !== undefined && options.ifOwner !== owner) continue
    if (!isMine && row === undefined && options.force !== true) continue
    const idleMs = isMine ? nowMs - atMs : idleOf(row, nowMs)
    if (idleMs >= options.minIdleMs || !stream!.has(id)) work.take(id, row, options.deliveries)
  }
  return work.finish(atMs)
}

export interface AutoClaimOptions {
  readonly minIdleMs: number
  /** Where the scan begins. Default 0-0. */
  readonly from?: StreamId
  /** At most so many entries; ten times as many are looked at. Default 100. */
  readonly count?: number
  readonly justId?: boolean
}

export interface AutoClaimResult extends ClaimResult {
  /** Where the next scan begins; 0-0 when this one reached the end. */
  readonly next: StreamId
}

/** XAUTOCLAIM. */
export function autoClaim(
  database: Database,
  ref: ConsumerRef,
  options: AutoClaimOptions,
  nowMs: number,
): AutoClaimResult {
  const { from = ID_ZERO, count = 100 } = options
  if (!Number.isSafeInteger(count) || count <= 0) {
    throw new EngineError('BAD_ARGUMENT', `A claim's count is a whole number above 0, not ${count}`)
  }
  const stream = database.find(ref.key, nowMs)
  const group = requireGroup(stream, ref)
  const work = new Claiming(database, { ref, stream: stream!, group, nowMs, justId: options.justId === true })
  let next = ID_ZERO
  let looksLeft = count * 10
  group.pending.scan(from, (row) => {
    if (looksLeft-- === 0 || work.size === count) {
      next = row.id
      return false
    }
    if (!stream!.has(row.id) || idleOf(row, nowMs) >= options.minIdleMs) work.take(row.id, row, undefined)
    return true
  })
  return { ...work.finish(nowMs), next }
}

/** One claim in the making: collects first, then makes the changes in one go. */
class Claiming {
  readonly #database: Database
  readonly #ref: ConsumerRef
  readonly #stream: Stream
  readonly #consumer: Consumer
  readonly #nowMs: number
  readonly #justId: boolean
  readonly #counts = new Map<string, { id: StreamId; count: number }>()
  readonly #entries: ClaimedEntry[] = []
  readonly #deleted = new Map<string, StreamId>()

  constructor(
    database: Database,
    work: { ref: ConsumerRef; stream: Stream; group: Group; nowMs: number; justId: boolean },
  ) {
    this.#database = database
    this.#ref = { key: work.ref.key, group: work.ref.group, consumer: work.ref.consumer }
    this.#stream = work.stream
    this.#consumer = ensureConsumer(database, work.group, work.ref, work.nowMs)
    this.#nowMs = work.nowMs
    this.#justId = work.justId
  }

  /** How many entries it has dealt with, the lost ones included. */
  get size(): number {
    return this.#entries.length + this.#deleted.size
  }

  /** Whether this claim has taken the entry already. */
  has(id: StreamId): boolean {
    return this.#counts.size > 0 && this.#counts.has(formatId(id))
  }

  /** Claims an entry, or marks it as lost; `row` is undefined when it is not pending yet. */
  take(id: StreamId, row: PendingRow | undefined, deliveries: number | undefined): void {
    const key = formatId(id)
    const fields = this.#stream.fieldsOf(id)
    if (fields === undefined) {
      if (row !== undefined) this.#deleted.set(key, id)
      return
    }
    // As Redis: an entry that FORCE makes pending counts as delivered once before this delivery.
    const before = this.#counts.get(key)?.count ?? row?.count ?? 1
    const count = deliveries ?? (this.#justId ? before : oneMore(before))
    this.#counts.set(key, { id, count })
    this.#entries.push({ id, fields: this.#justId ? undefined : fields, deliveries: count })
  }

  finish(atMs: number): ClaimResult {
    const deleted = [...this.#deleted.values()]
    const claimed = [...this.#counts.values()]
    if (deleted.length > 0) {
      this.#database.commit({ kind: 'pending-dropped', key: this.#ref.key, group: this.#ref.group, ids: deleted })
    }
    markSeen(this.#database, this.#consumer, this.#ref, { nowMs: this.#nowMs, gotSome: claimed.length > 0 })
    if (claimed.length > 0) {
      const ids = claimed.map(({ id }) => id)
      this.#database.commit({ kind: 'claimed', ...this.#ref, ids, atMs, counts: claimed.map(({ count }) => count) })
    }
    return { entries: this.#entries, deleted }
  }
}

export interface PendingSummary {
  readonly total: number
  readonly first: StreamId | undefined
  readonly last: StreamId | undefined
  /** Only consumers that own something, in the order of their names' bytes. */
  readonly consumers: readonly { readonly name: string; readonly pending: number }[]
}

/** XPENDING, short form. */
export function pendingSummary(database: Database, ref: GroupRef, nowMs: number): PendingSummary {
  const group = requireGroup(database.find(ref.key, nowMs), ref)
  const { size, first, last } = group.pending
  const consumers = group.consumers().filter(({ pending }) => pending > 0)
  return { total: size, first, last, consumers: consumers.map(({ name, pending }) => ({ name, pending })) }
}

export interface PendingQuery {
  readonly from?: StreamId
  readonly to?: StreamId
  readonly count: number
  readonly consumer?: string
  readonly minIdleMs?: number
}

export interface PendingEntry {
  readonly id: StreamId
  /** Empty: it was given back and is nobody's. */
  readonly consumer: string
  /** -1: it is nobody's. */
  readonly idleMs: number
  readonly deliveries: number
}

/** XPENDING, extended form. */
export function pendingEntries(database: Database, ref: GroupRef, query: PendingQuery, nowMs: number): PendingEntry[] {
  const { from = ID_ZERO, to = ID_MAX, count, minIdleMs = 0 } = query
  const group = requireGroup(database.find(ref.key, nowMs), ref)
  const entries: PendingEntry[] = []
  const visit = (row: PendingRow): boolean => {
    if (compareIds(row.id, to) > 0) return false
    const owner = group.ownerName(row)
    const idleMs = owner === undefined ? -1 : Math.max(nowMs - row.timeMs, 0)
    if (minIdleMs === 0 || idleMs >= minIdleMs || owner === undefined) {
      entries.push({ id: row.id, consumer: owner ?? '', idleMs, deliveries: row.count })
    }
    return entries.length < count
  }
  if (count <= 0) return entries
  const consumer = query.consumer === undefined ? undefined : group.consumer(query.consumer)
  if (consumer !== undefined) group.pending.scanOwned(consumer.number, from, visit)
  else if (query.consumer === undefined) group.pending.scan(from, visit)
  return entries
}

function idleOf(row: PendingRow | undefined, nowMs: number): number {
  return row === undefined || row.owner === NOBODY ? Infinity : nowMs - row.timeMs
}
