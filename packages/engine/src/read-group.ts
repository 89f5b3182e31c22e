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
import { EntrySeeker } from './entry-seeker.ts'
import { claimedChange, FoundEntries } from './found-entries.ts'
import { nextId, type StreamId } from './id.ts'
import { entriesReadAfter } from './lag.ts'
import { IdCell, toStreamId } from './number-id.ts'
import { checkCount, ReadBudget, type ReadLimits } from './read-budget.ts'
import { entriesAfter, type StreamEntries, type StreamPosition } from './read-range.ts'
import type { StreamEntry } from './segment-run.ts'
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
  return readEach(database, query, nowMs, (stream, reader, from): readonly DeliveredEntry[] =>
    from === '>' && query.claimMinIdleMs === undefined
      ? readNew(database, stream, reader, query)
      : deliveredOf(readFound(database, stream, reader, { from, query })),
  ).map(({ key, found }) => ({ key, entries: found }))
}

/** As `readGroup`, without an object for each entry: what a reply is made of. */
export function readGroupPacked(database: Database, query: ReadGroupQuery, nowMs: number): FoundIn<FoundEntries>[] {
  return readEach(database, query, nowMs, (stream, reader, from) =>
    readFound(database, stream, reader, { from, query }),
  )
}

/** What was found in a stream. */
export interface FoundIn<T> {
  readonly key: string
  readonly found: T
}

function readEach<T extends { readonly length: number }>(
  database: Database,
  query: ReadGroupQuery,
  nowMs: number,
  read: (stream: Stream, reader: Reader, from: ReadGroupFrom) => T,
): FoundIn<T>[] {
  const budget = new ReadBudget(query)
  for (const { key } of query.positions) requireGroup(database.find(key, nowMs), { key, group: query.group })
  const result: FoundIn<T>[] = []
  for (const { key, from } of query.positions) {
    if (!budget.begin(key)) break
    const stream = database.require(key, nowMs)
    const ref = { key, group: query.group, consumer: query.consumer }
    const group = requireGroup(stream, ref)
    const reader = { ref, group, consumer: ensureConsumer(database, group, ref, nowMs), nowMs, budget }
    const found = read(stream, reader, from)
    if (from !== '>' || found.length > 0) result.push({ key, found })
  }
  return result
}

function deliveredOf(found: FoundEntries): DeliveredEntry[] {
  return found.map(({ id, fields, count, index }) =>
    found.isTimed ? { id, fields, idleMs: found.idleAt(index), deliveriesBefore: count } : { id, fields },
  )
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

function readNew(database: Database, stream: Stream, reader: Reader, query: ReadGroupQuery): readonly StreamEntry[] {
  const entries = entriesAfter(stream, reader.group.lastId, reader.budget)
  commitDelivery(database, stream, reader, { count: entries.length, noAck: query.noAck === true })
  return entries
}

function readFound(
  database: Database,
  stream: Stream,
  reader: Reader,
  what: { readonly from: ReadGroupFrom; readonly query: ReadGroupQuery },
): FoundEntries {
  const { from, query } = what
  if (from !== '>') return readHistory(database, stream, reader, from)
  const { claimMinIdleMs } = query
  const { budget, group } = reader
  const found = claimMinIdleMs === undefined ? new FoundEntries() : claimIdle(database, stream, reader, claimMinIdleMs)
  const claimed = found.length
  if (!budget.isMeasured) {
    stream.runsAfter(group.last, budget.countLeft, (run) => found.addRun(run))
    budget.takeUnmeasured(found.length - claimed)
  } else {
    const seeker = new EntrySeeker(stream)
    const cell = new IdCell()
    for (const { id } of entriesAfter(stream, group.lastId, budget, found.isTimed ? NEW : undefined)) {
      cell.setId(id)
      seeker.seek(cell)
      found.add(cell, seeker, 0)
    }
  }
  commitDelivery(database, stream, reader, { count: found.length - claimed, noAck: query.noAck === true })
  return found
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
  stream.runsAfter(group.last, count, ({ ids, end }) => ids.read(end - 1, lastId))
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
function readHistory(database: Database, stream: Stream, reader: Reader, after: StreamId): FoundEntries {
  const { group, consumer, ref, nowMs, budget } = reader
  const found = new FoundEntries()
  const from = nextId(after)
  if (from !== undefined) {
    const seeker = new EntrySeeker(stream)
    const id = new IdCell()
    group.pending.scanOwnedRows(consumer.number, from, (block, row) => {
      block.readId(row, id)
      const isThere = seeker.seek(id)
      if (budget.isMeasured) {
        const fields = isThere ? seeker.segment!.fieldsAt(seeker.row) : undefined
        if (!budget.take({ id: toStreamId(id), fields })) return false
      } else if (budget.takeUnmeasured(1) === 0) return false
      found.add(id, isThere ? seeker : undefined, block.countAt(row))
      return budget.countLeft > 0
    })
  }
  markSeen(database, consumer, ref, { nowMs, gotSome: false })
  const again = found.counted(oneMore)
  if (again.ids.count > 0) database.commit(claimedChange(ref, again, nowMs))
  return found
}
