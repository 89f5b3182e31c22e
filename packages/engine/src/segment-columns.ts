/**
 * The parts of a segment that are as large as its entries, and how they are written out and had again.
 *
 *   ids     IdColumns        end     u32 each        shape   u8 each        arena   bytes
 *
 *   pieces  │ ids, one or two columns │ ends │ shapes │ the used bytes of the arena │
 */
import { Arena } from './arena.ts'
import { bytesOf, IdColumns, type IdLayout } from './id-columns.ts'
import { IdCell, type NumberId } from './number-id.ts'

// Beyond this the arena takes no further entry, unless it is the segment's first (an entry may be larger).
export const ARENA_BYTES_MAX = 1 << 20
export const ROWS_MIN = 8
const ARENA_MARGIN = 1.02
// An ID that does not fit behind fewer rows than this gets a wide segment: the next one may not fit either.
const NARROW_ROWS_MIN = 64

export interface Columns {
  readonly ids: IdColumns
  readonly end: Uint32Array
  readonly shape: Uint8Array
  readonly arena: Arena
}

/** What stands in for those that are on disk only. */
export const NO_COLUMNS: Columns = emptyColumns(
  IdColumns.create(new IdCell(), false, { rows: 0, like: undefined }),
  0,
  0,
)

export function emptyColumns(ids: IdColumns, rows: number, bytes?: number): Columns {
  return { ids, end: new Uint32Array(rows), shape: new Uint8Array(rows), arena: new Arena(bytes) }
}

/** For the `index`-th segment of a stream, which begins with this ID; `before`: the one that it did not fit, or had no room, in. */
export function columnsFor(
  first: NumberId,
  index: number,
  before: { readonly ids: IdColumns; readonly arena: Arena; readonly rows: number } | undefined,
): Columns {
  const isFull = before !== undefined && before.ids.fits(first)
  const isWide = first.wide !== undefined || (before !== undefined && !isFull && before.rows < NARROW_ROWS_MIN)
  // Behind full segments the next will be full as well, most likely, and growing took a sixth of an append. What stays
  // unused if not is less than a quarter of the stream.
  const share = Math.min(index / 4, 1)
  const rows = isFull ? Math.max(Math.trunc(before.rows * share), ROWS_MIN) : ROWS_MIN
  // What one large entry took is no measure for those after it.
  const bytes = isFull ? Math.trunc(Math.min(before.arena.used * ARENA_MARGIN, ARENA_BYTES_MAX) * share) : undefined
  const ids = IdColumns.create(first, isWide, { rows, like: isFull ? before.ids : undefined })
  return emptyColumns(ids, rows, bytes)
}

/** As large as they were, to be filled through their `pieces`. */
export function columnsToFill(layout: IdLayout, rows: number, arenaBytes: number): Columns {
  const columns = emptyColumns(IdColumns.laidOut(layout, rows), rows, arenaBytes)
  columns.arena.used = arenaBytes
  return columns
}

/** The bytes of the first so many rows where they lie. */
export function piecesOf({ ids, end, shape, arena }: Columns, rows: number): Uint8Array[] {
  return [
    ...ids.pieces(rows),
    bytesOf(end.subarray(0, rows)),
    shape.subarray(0, rows),
    arena.bytes.subarray(0, arena.used),
  ]
}
