/**
 * Deletions of entries in segments that may be on disk only: all that has to be read is read before anything is changed, so that a
 * disk that fails leaves all as it was.
 *
 *   ids ──planDeletions──► segment ──► rows, and what is left then ──segment.deletePlanned──► tombstones, without a read
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import { IdCell, type NumberId } from './number-id.ts'
import type { Segment } from './segment.ts'
import type { Stream } from './stream.ts'

/** Rows that are to be deleted, each of which is there. */
export interface Deletion {
  readonly rows: ReadonlySet<number>
  /** The first row that is left; the segment's `count` when none is. */
  readonly firstLive: number
  /** Its ID, if there is one. */
  readonly first: NumberId
}

/** What is to be deleted of each segment for IDs that are there, each given once. `UNAVAILABLE`, `CORRUPT`: it can't be read. */
export function planDeletions(stream: Stream, ids: readonly StreamId[]): Map<Segment, Deletion> {
  const key = new IdCell()
  const rows = new Map<Segment, Set<number>>()
  for (const id of ids) {
    key.setId(id)
    const segment = stream.segments[stream.segmentFor(key)]
    const row = segment?.find(key) ?? -1
    assert(segment !== undefined && row >= 0, 'an entry to delete is there')
    const before = rows.get(segment)
    if (before === undefined) rows.set(segment, new Set([row]))
    else before.add(row)
  }
  return new Map(Array.from(rows, ([segment, doomed]) => [segment, planDeletion(segment, doomed)]))
}

function planDeletion(segment: Segment, rows: ReadonlySet<number>): Deletion {
  const first = new IdCell()
  let { firstLive } = segment
  if (!rows.has(firstLive)) segment.readFirst(first)
  else {
    while (firstLive < segment.count && (rows.has(firstLive) || segment.isDeleted(firstLive))) firstLive++
    if (firstLive < segment.count) segment.ids.read(firstLive, first)
  }
  return { rows, firstLive, first }
}
