/** Which entry of a stream is the n-th or the last, and how many are below an ID: whole segments are counted, one is looked into. */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import { IdCell, toStreamId } from './number-id.ts'
import type { Segment } from './segment.ts'
import type { Stream } from './stream.ts'

/** The ID of the `index`-th entry that is there, in order; it exists. */
export function idAtIndex({ segments }: Stream, index: number): StreamId {
  let skip = index
  for (const segment of segments) {
    if (skip >= segment.live) {
      skip -= segment.live
      continue
    }
    for (let row = segment.firstLive; row < segment.count; row++) {
      if (segment.isDeleted(row)) continue
      if (skip-- > 0) continue
      const id = new IdCell()
      segment.ids.read(row, id)
      return toStreamId(id)
    }
  }
  assert.fail('an index below the length')
}

/** How many entries that are there have an ID below the given one. */
export function countBelow({ segments }: Stream, id: StreamId): number {
  const bound = IdCell.of(id)
  let count = 0
  for (const segment of segments) {
    const end = segment.lowerBound(bound)
    if (end === segment.count) count += segment.live
    else {
      for (let row = segment.firstLive; row < end; row++) if (!segment.isDeleted(row)) count++
      break
    }
  }
  return count
}

/** The last row of a segment that is not deleted; -1 when all are. */
export function lastLiveRow(segment: Segment): number {
  let row = segment.count - 1
  while (row >= 0 && segment.isDeleted(row)) row--
  return row
}
