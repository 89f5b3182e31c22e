/**
 * XREADGROUP.
 *
 *   `>`       with CLAIM first what is pending too long (claim-idle.ts), then
 *             entries above the group's last ID ──► delivered: pending for this consumer, the group's position moves
 *   an ID     this consumer's own pending entries above it (its history); one more delivery for each that is still there
 */
import { claimIdle } from './claim-idle.ts'
import type { Database } from './database.ts'
import { oneMore } from './delivery-count.ts'
import type { Consumer, Group } from './group.ts'
import { ensureConsumer, markSeen, requireGroup, type ConsumerRef } from './group-commands.ts'
import type { EntryCursor } from './entry-cursor.ts'
import { nextId, type StreamId } from './id.ts'
import { entriesReadAfter } from './lag.ts'
import { IdCell } from './number-id.ts'
import { checkCount, ReadBudget, type ReadLimits } from './read-budget.ts'
import { entriesAfter, type StreamEntries, type StreamPosition } from './read-range.ts'
import type { StreamEntry } from './segment.ts'
import type { Stream } from './stream.ts'

/** Where a group read of one stream begins: at what nobody got yet, or in the consumer's own history after an ID. */
export type ReadGroupFrom = StreamId | '>'

/** An entry that a group delivered; `fields` is undefined when the stream no longer has it. */
export interface DeliveredEntry {
  readonly id: StreamId
  readonly fields: readonly Uint8Array[] | undefined
  /** With CLAIM: since its delivery before this one; 0 when it is new. */
  readonly idleMs?: number
  /** With CLAIM: how often it had been delivered before; 0 when it is new. */
  readonly deliveriesBefore?: number
}

export interface ReadGroupQuery extends ReadLimits {
  readonly group: string
  readonly consumer: string
  readonly positions: readonly StreamPosition<ReadGroupFrom>[]
  /** NOACK: what is delivered does not become pending; what is claimed stays it. */
  readonly noAck?: boolean
  /** CLAIM: with `>`, first what has been pending for so long. */
  readonly claimMinIdleMs?: number
}

/**
 * Of streams read with `>` only those with entries are in the result; one read with an ID always is. A missing group
 * fails with `NO_GROUP` before anything is delivered.
 */
export function readGroup(database: Database, query: ReadGroupQuery, nowMs: number): StreamEntries<DeliveredEntry>[] {
  const budget = new ReadBudget(query)
  for (const { key } of query.positions) requireGroup(database.find(key, nowMs), { key, group: query.group })
  const found: StreamEntries<DeliveredEntry>[] = []
  for (const { key, from } of query.positions) {
    if (!budget.begin(key)) break
    const stream = database.require(key, nowMs)
    const ref = { key, group: query.group, consumer: query.consumer }
    const group = requireGroup(stream, ref)
    const reader = { ref, group, consumer: ensureConsumer(database, group, ref, nowMs), nowMs }
    if (from === '>') {
      const entries = readNew(database, stream, { ...reader, budget }, query)
      if (entries.length > 0) found.push({ key, entries })
    } else {
      found.push({ key, entries: readHistory(database, stream, { ...reader, budget }, from) })
    }
  }
  return found
}

export interface DeliverQuery extends ConsumerRef {
  /** At most so many; `Infinity` is no limit. */
  readonly count: number
  /** NOACK. */
  readonly noAck?: boolean
}

/**
 * XREADGROUP of one stream with `>`, COUNT and NOACK alone: delivers, and leaves a cursor before the first of the entries
 * that it delivered; returns how many those are. Hot: nothing is allocated for any of them.
 */
export function deliverPacked(database: Database, query: DeliverQuery, nowMs: number, cursor: EntryCursor): number {
  checkCount(query.count)
  const stream = database.find(query.key, nowMs)
  const group = requireGroup(stream, query)
  const consumer = ensureConsumer(database, group, query, nowMs)
  const count = stream!.runsAfter(group.last, query.count, () => {})
  cursor.after(stream!, group.last, count)
  const reader = { ref: query, group, consumer, nowMs }
  commitDelivery(database, stream!, reader, { count, noAck: query.noAck === true })
  return count
}

interface Reader {
  readonly ref: ConsumerRef
  readonly group: Group
  readonly consumer: Consumer
  readonly nowMs: number
  readonly budget: ReadBudget
}

/** What stands beside a new entry where others were claimed. */
const NEW = { idleMs: 0, deliveriesBefore: 0 }

function readNew(database: Database, stream: Stream, reader: Reader, query: ReadGroupQuery): readonly DeliveredEntry[] {
  const { claimMinIdleMs } = query
  const { budget } = reader
  if (claimMinIdleMs === undefined) {
    return deliver(database, stream, reader, { entries: entriesAfter(stream, reader.group.lastId, budget), query })
  }
  const claimed: DeliveredEntry[] = claimIdle(database, stream, { ...reader, minIdleMs: claimMinIdleMs }, (entry) =>
    budget.take(entry),
  )
  const entries = entriesAfter(stream, reader.group.lastId, budget, NEW)
  for (const entry of deliver(database, stream, reader, { entries, query })) claimed.push({ ...entry, ...NEW })
  return claimed
}

function deliver(
  database: Database,
  stream: Stream,
  reader: Reader,
  { entries, query }: { readonly entries: readonly StreamEntry[]; readonly query: ReadGroupQuery },
): readonly StreamEntry[] {
  commitDelivery(database, stream, reader, { count: entries.length, noAck: query.noAck === true })
  return entries
}

/** The first `count` entries above the group's position, which are there, go to the consumer. */
function commitDelivery(
  database: Database,
  stream: Stream,
  reader: Omit<Reader, 'budget'>,
  what: { readonly count: number; readonly noAck: boolean },
): void {
  const { group, consumer, ref, nowMs } = reader
  const { count } = what
  if (count === 0) {
    markSeen(database, consumer, ref, { nowMs, gotSome: false })
    return
  }
  const lastId = new IdCell()
  stream.runsAfter(group.last, count, ({ segment, end }) => segment.ids.read(end - 1, lastId))
  database.commit({
    kind: 'delivered',
    key: ref.key,
    group: ref.group,
    consumer: ref.consumer,
    count,
    atMs: nowMs,
    pending: !what.noAck,
    lastId,
    entriesRead: entriesReadAfter(stream, group, count),
  })
}

// As Redis: reading the history makes the consumer seen but not active, and a deleted entry is not delivered once more.
function readHistory(database: Database, stream: Stream, reader: Reader, after: StreamId): DeliveredEntry[] {
  const { group, consumer, ref, nowMs, budget } = reader
  const entries: DeliveredEntry[] = []
  const ids: StreamId[] = []
  const counts: number[] = []
  const from = nextId(after)
  if (from !== undefined) {
    group.pending.scanOwned(consumer.number, from, (row) => {
      const fields = stream.fieldsOf(row.id)
      if (!budget.take({ id: row.id, fields })) return false
      entries.push({ id: row.id, fields })
      if (fields !== undefined) counts.push(oneMore(row.count))
      if (fields !== undefined) ids.push(row.id)
      return budget.countLeft > 0
    })
  }
  markSeen(database, consumer, ref, { nowMs, gotSome: false })
  if (ids.length > 0) database.commit({ kind: 'claimed', ...ref, ids, atMs: nowMs, counts })
  return entries
}
