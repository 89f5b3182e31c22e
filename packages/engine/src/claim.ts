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
import { EntrySeeker } from './entry-seeker.ts'
import { claimedChange, FoundEntries } from './found-entries.ts'
import { checkId, compareIds, ID_ZERO, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { IdCell, nameOf, toStreamId, type NumberId } from './number-id.ts'
import { PendingPicture } from './pending-picture.ts'
import { PendingSeeker } from './pending-seeker.ts'
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

/** What was claimed, in columns: each count is how often the entry has been delivered now. */
export interface PackedClaim {
  readonly entries: FoundEntries
  readonly deleted: IdList
}

/** XCLAIM. The consumer is created when it is missing, even if it gets nothing. */
export function claim(database: Database, ref: ConsumerRef, options: ClaimOptions, nowMs: number): ClaimResult {
  return resultOf(claimPacked(database, ref, { ids: IdList.of(options.ids), how: options }, nowMs), options.justId)
}

/** What `claim` takes, in two: a copy of it with other IDs took as long as the rest of a claim. */
export interface PackedClaimOptions {
  readonly ids: IdList
  readonly how: Omit<ClaimOptions, 'ids'>
}

/** As `claim`, without an object for each entry: what a reply is made of. */
export function claimPacked(
  database: Database,
  ref: ConsumerRef,
  { ids, how: options }: PackedClaimOptions,
  nowMs: number,
): PackedClaim {
  if (!isDeliveryCount(options.deliveries ?? 0)) {
    throw new EngineError('BAD_ARGUMENT', `deliveries is a whole number of 0 and more, not ${options.deliveries}`)
  }
  if (options.lastId !== undefined) checkId(options.lastId)
  const stream = database.find(ref.key, nowMs)
  const group = requireGroup(stream, ref)
  // As Redis: a delivery time in the future, or before 1970, is now.
  const wanted = options.timeMs ?? nowMs - (options.idleMs ?? 0)
  const atMs = Number.isSafeInteger(wanted) && wanted >= 0 && wanted <= nowMs ? wanted : nowMs
  if (options.lastId !== undefined && compareIds(options.lastId, group.lastId) > 0) {
    ensureConsumer(database, group, ref, nowMs)
    database.commit({ kind: 'group-advanced', key: ref.key, group: ref.group, lastId: options.lastId })
  }
  const work = new Claiming(database, { ref, stream: stream!, group, nowMs, justId: options.justId === true })
  const owned = options.ifOwner === undefined ? undefined : group.consumer(options.ifOwner)
  const made = ids.isAscending() ? undefined : new Map<string, number>()
  const id = new IdCell()
  for (let i = 0; i < ids.count; i++) {
    ids.read(i, id)
    // An ID given twice is, the second time, what the first time made of it.
    const key = made && nameOf(id)
    const before = made?.get(key!)
    const isPending = before === undefined && work.pending.seek(id)
    if (before === LOST || (before === undefined && !isPending && options.force !== true)) continue
    const owner = before !== undefined ? work.consumer.number : isPending ? work.pending.owner : NOBODY
    if (options.ifOwner !== undefined && (owner === NOBODY || owner !== owned?.number)) continue
    const isIdle = (before !== undefined ? nowMs - atMs : isPending ? work.idleMs : Infinity) >= options.minIdleMs
    if (!work.entry.seek(id)) {
      if (isPending) work.lose(id)
      if (isPending) made?.set(key!, LOST)
    } else if (isIdle) {
      // As Redis: an entry that FORCE makes pending counts as delivered once before this delivery.
      const count = work.take(id, before ?? (isPending ? work.pending.count : 1), options.deliveries)
      made?.set(key!, count)
    }
  }
  return work.finish(atMs)
}

const LOST = -1

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
  const packed = autoClaimPacked(database, ref, options, nowMs)
  return { ...resultOf(packed, options.justId), next: packed.next }
}

/** As `autoClaim`, without an object for each entry: what a reply is made of. */
export function autoClaimPacked(
  database: Database,
  ref: ConsumerRef,
  options: AutoClaimOptions,
  nowMs: number,
): PackedClaim & { readonly next: StreamId } {
  const { from = ID_ZERO, count = 100, minIdleMs } = options
  if (!Number.isSafeInteger(count) || count <= 0) {
    throw new EngineError('BAD_ARGUMENT', `A claim's count is a whole number above 0, not ${count}`)
  }
  const stream = database.find(ref.key, nowMs)
  const group = requireGroup(stream, ref)
  const work = new Claiming(database, { ref, stream: stream!, group, nowMs, justId: options.justId === true })
  let next = ID_ZERO
  let looksLeft = count * 10
  const id = new IdCell()
  group.pending.scanRows(from, (block, row) => {
    block.readId(row, id)
    if (looksLeft-- === 0 || work.size === count) {
      next = toStreamId(id)
      return false
    }
    if (!work.entry.seek(id)) work.lose(id)
    else if (block.ownerAt(row) === NOBODY || nowMs - block.timeAt(row) >= minIdleMs) {
      work.take(id, block.countAt(row), undefined)
    }
    return true
  })
  return { ...work.finish(nowMs), next }
}

function resultOf({ entries, deleted }: PackedClaim, justId: boolean | undefined): ClaimResult {
  return {
    entries: entries.map(({ id, fields, count }) => ({
      id,
      fields: justId === true ? undefined : fields,
      deliveries: count,
    })),
    deleted: deleted.toIds(),
  }
}

/** One claim in the making: collects first, then makes the changes in one go. Hot: there may be a million entries. */
class Claiming {
  readonly consumer: Consumer
  readonly pending: PendingSeeker
  readonly entry: EntrySeeker
  readonly #database: Database
  readonly #ref: ConsumerRef
  readonly #nowMs: number
  readonly #justId: boolean
  readonly #entries = new FoundEntries()
  readonly #deleted = new IdList()

  constructor(
    database: Database,
    work: { ref: ConsumerRef; stream: Stream; group: Group; nowMs: number; justId: boolean },
  ) {
    this.#database = database
    this.#ref = { key: work.ref.key, group: work.ref.group, consumer: work.ref.consumer }
    this.consumer = ensureConsumer(database, work.group, work.ref, work.nowMs)
    this.pending = new PendingSeeker(work.group.pending)
    this.entry = new EntrySeeker(work.stream)
    this.#nowMs = work.nowMs
    this.#justId = work.justId
  }

  /** How many entries it has dealt with, the lost ones included. */
  get size(): number {
    return this.#entries.length + this.#deleted.count
  }

  /** Of what `pending` has gone to. What is nobody's is claimable at once. */
  get idleMs(): number {
    return this.pending.owner === NOBODY ? Infinity : this.#nowMs - this.pending.timeMs
  }

  /** Claims the entry that `entry` has gone to; returns how often it has been delivered then. */
  take(id: NumberId, before: number, deliveries: number | undefined): number {
    const count = deliveries ?? (this.#justId ? before : oneMore(before))
    this.#entries.add(id, this.entry, count)
    return count
  }

  /** Marks a pending entry as lost. */
  lose(id: NumberId): void {
    this.#deleted.add(id)
  }

  finish(atMs: number): PackedClaim {
    const entries = this.#entries
    const deleted = this.#deleted
    const gotSome = entries.length > 0
    if (deleted.count > 0) {
      this.#database.commit({ kind: 'pending-dropped', key: this.#ref.key, group: this.#ref.group, ids: deleted })
    }
    markSeen(this.#database, this.consumer, this.#ref, { nowMs: this.#nowMs, gotSome })
    if (gotSome) this.#database.commit(claimedChange(this.#ref, entries.counted(same), atMs))
    return { entries, deleted }
  }
}

function same(count: number): number {
  return count
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
  const picture = pendingPicture(database, ref, query, nowMs)
  const entries: PendingEntry[] = []
  while (picture.next()) {
    const idleMs = picture.idleMs(nowMs)
    entries.push({ id: toStreamId(picture.id), consumer: picture.consumer, idleMs, deliveries: picture.deliveries })
  }
  return entries
}

/** As `pendingEntries`, without an object for each entry. */
export function pendingPicture(database: Database, ref: GroupRef, query: PendingQuery, nowMs: number): PendingPicture {
  const { from, to, count, minIdleMs = 0 } = query
  const group = requireGroup(database.find(ref.key, nowMs), ref)
  const consumer = query.consumer === undefined ? undefined : group.consumer(query.consumer)
  const isNone = query.consumer !== undefined && consumer === undefined
  return new PendingPicture(group, {
    countMax: isNone ? 0 : count,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(consumer !== undefined && { owner: consumer.number }),
    ...(minIdleMs > 0 && { deliveredMsMax: nowMs - minIdleMs }),
  })
}
