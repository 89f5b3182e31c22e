/** XLEN, XRANGE, XREVRANGE and XREAD: what only looks. */
import type { Database } from './database.ts'
import { ID_MAX, ID_ZERO, nextId, type StreamId } from './id.ts'
import { ReadBudget, type MeasuredEntry, type ReadLimits } from './read-budget.ts'
import type { StreamEntry } from './segment-run.ts'
import type { Stream } from './stream.ts'

export interface RangeQuery {
  readonly key: string
  /** Default 0-0. Included. */
  readonly from?: StreamId
  /** Default the highest ID. Included. */
  readonly to?: StreamId
  /** At most so many. Default all. */
  readonly count?: number
  /** The newest first. */
  readonly reverse?: boolean
}

/** Where a read of one stream begins: after an ID, after its last ID of now (`$`), or at its last entry (`+`). */
export type ReadFrom = StreamId | '$' | '+'

/** Where it begins once `$` has been replaced: what a blocked read waits with. */
export type FixedReadFrom = StreamId | '+'

export interface StreamPosition<P> {
  readonly key: string
  readonly from: P
}

export interface StreamEntries<E> {
  readonly key: string
  readonly entries: readonly E[]
}

// How many entries are fetched at a time where it shows only then how many fit.
const PAGE = 64

export function length(database: Database, key: string, nowMs: number): number {
  return database.find(key, nowMs)?.length ?? 0
}

/** XRANGE and XREVRANGE. A missing stream is empty. */
export function range(database: Database, query: RangeQuery, nowMs: number): StreamEntry[] {
  const { from = ID_ZERO, to = ID_MAX, count = Infinity } = query
  const stream = database.find(query.key, nowMs)
  if (stream === undefined) return []
  return query.reverse === true ? stream.rangeBackward(from, to, count) : stream.range(from, to, count)
}

/** Replaces `$` by the last ID of each stream as it is now: the first step of a read that may wait. */
export function fixPositions(
  database: Database,
  positions: readonly StreamPosition<ReadFrom>[],
  nowMs: number,
): StreamPosition<FixedReadFrom>[] {
  return positions.map(({ key, from }) => ({
    key,
    from: from === '$' ? (database.find(key, nowMs)?.lastId ?? ID_ZERO) : from,
  }))
}

/** XREAD. Only streams with entries are in the result, at most `count` entries of each. */
export function read(
  database: Database,
  positions: readonly StreamPosition<FixedReadFrom>[],
  limits: number | ReadLimits,
  nowMs: number,
): StreamEntries<StreamEntry>[] {
  const budget = new ReadBudget(typeof limits === 'number' ? { count: limits } : limits)
  const found: StreamEntries<StreamEntry>[] = []
  for (const { key, from } of positions) {
    if (!budget.begin(key)) break
    const stream = database.find(key, nowMs)
    const entries = stream === undefined ? [] : readFrom(stream, from, budget)
    if (entries.length > 0) found.push({ key, entries })
  }
  return found
}

/** The entries above an ID, as many as the budget has room for; `beside`: what is told with each of them. */
export function entriesAfter(
  stream: Stream,
  after: StreamId,
  budget: ReadBudget,
  beside?: Pick<MeasuredEntry, 'idleMs' | 'deliveriesBefore'>,
): StreamEntry[] {
  const found: StreamEntry[] = []
  for (let from = nextId(after); from !== undefined; from = nextId(found.at(-1)!.id)) {
    const wanted = budget.isMeasured ? Math.min(budget.countLeft, PAGE) : budget.countLeft
    const page = stream.range(from, ID_MAX, wanted)
    for (let i = 0; i < page.length; i++) {
      if (!budget.take(beside === undefined ? page[i]! : { ...page[i]!, ...beside })) return found
      found.push(page[i]!)
    }
    if (page.length === 0 || page.length < wanted) break
  }
  return found
}

// As Redis: `+` gives the last entry alone whatever the count, and waits like 0-0 while there is none.
function readFrom(stream: Stream, from: FixedReadFrom, budget: ReadBudget): StreamEntry[] {
  if (from !== '+') return entriesAfter(stream, from, budget)
  return stream.rangeBackward(ID_ZERO, ID_MAX, 1).filter((entry) => budget.take(entry))
}
