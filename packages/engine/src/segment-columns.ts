/**
 * The parts of a segment that are as large as its entries, and how they are written out and had again.
 *
 *   ids     IdColumns        end     u32 each        shape   u8 each        arena   bytes
 *
 *   pieces  │ ids, one or two columns │ ends │ shapes │ the used bytes of the arena │
 */
import { Arena } from './arena.ts'
import { bytesOf, IdColumns, type IdLayout } from './id-columns.ts'
import { IdCell } from './number-id.ts'

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
