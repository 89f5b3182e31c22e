/** What readers get of segments: an entry as an object, or a run of rows. */
import type { StreamId } from './id.ts'
import type { IdColumns } from './id-columns.ts'
import type { Segment } from './segment.ts'

export interface StreamEntry {
  readonly id: StreamId
  /** Name, value, name, value, … as views of the segment's bytes: copy what is to outlive the moment, change nothing. */
  readonly fields: readonly Uint8Array[]
}

/** Rows `from` to `end - 1` of a segment, none of which is deleted. */
export interface SegmentRun {
  readonly segment: Segment
  /** The segment's: whoever has them keeps them. */
  readonly ids: IdColumns
  readonly from: number
  readonly end: number
}
