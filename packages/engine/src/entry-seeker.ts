/**
 * Finds the entries of many IDs in a stream, one after the other: the next ID is mostly the next row.
 *
 *   segment   [ 1-0  1-1  ✗  2-0  5-0 ]
 *                     ▲
 *                    row      seek(2-0): the next row is deleted, so it is searched for      seek(5-0): a step
 *
 * The stream must not change meanwhile. A step takes 10 ns, a search 100 to 300, by the stream's length.
 */
import type { NumberId } from './number-id.ts'
import type { Segment } from './segment.ts'
import type { Stream } from './stream.ts'

export class EntrySeeker {
  /** Where the last entry that was found lies. */
  segment: Segment | undefined = undefined
  row = -1
  readonly #stream: Stream

  constructor(stream: Stream) {
    this.#stream = stream
  }

  /** Goes to an entry; false, and stays, when the stream doesn't have it. */
  seek(id: NumberId): boolean {
    const { segment: before, row: rowBefore } = this
    const next = rowBefore + 1
    if (before !== undefined && next < before.count && before.ids.compare(next, id) === 0) {
      if (before.isDeleted(next)) return false
      this.row = next
      return true
    }
    const segment = this.#stream.segments[this.#stream.segmentFor(id)]
    const row = segment?.find(id) ?? -1
    if (row < 0) return false
    this.segment = segment
    this.row = row
    return true
  }
}
