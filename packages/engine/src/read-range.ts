/** XLEN, XRANGE, XREVRANGE and XREAD: what only looks. */
import type { Database } from './database.ts'
import { EngineError } from './errors.ts'
import { ID_MAX, ID_ZERO, nextId, type StreamId } from './id.ts'
import type { StreamEntry } from './segment.ts'
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
  count: number,
  nowMs: number,
): StreamEntries<StreamEntry>[] {
  checkCount(count)
  const found: StreamEntries<StreamEntry>[] = []
  for (const { key, from } of positions) {
    const stream = database.find(key, nowMs)
    const entries = stream === undefined ? [] : readFrom(stream, from, count)
    if (entries.length > 0) found.push({ key, entries })
  }
  return found
}

/** `Infinity` is no limit. */
export function checkCount(count: number): void {
  if (count === Infinity || (Number.isSafeInteger(count) && count > 0)) return
  throw new EngineError('BAD_ARGUMENT', `A count is a whole number above 0, not ${count}`)
}

/** Up to `count` entries above an ID. */
export function entriesAfter(stream: Stream, after: StreamId, count: number): StreamEntry[] {
  const from = nextId(after)
  return from === undefined ? [] : stream.range(from, ID_MAX, count)
}

// As Redis: `+` gives the last entry alone whatever the count, and waits like 0-0 while there is none.
function readFrom(stream: Stream, from: FixedReadFrom, count: number): StreamEntry[] {
  return from === '+' ? stream.rangeBackward(ID_ZERO, ID_MAX, 1) : entriesAfter(stream, from, count)
}
