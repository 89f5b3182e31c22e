/**
 * What stays in memory of a segment whose columns and arena are on disk: enough to find, count and trim it whole.
 *
 *   place     where its record is            record   ids │ ends │ shapes │ arena, as they lay in memory (segment.ts)
 *   begin     ID of the first row,
 *   first       of the first that was not deleted when the columns were let go,
 *   last        and of the last
 *   ids       what is to be known of the ID columns to have them again
 *   deleted   one bit a row: deleted since the record was written; none at all mostly
 */
import type { ColdPlace } from './disk/cold-files.ts'
import type { IdLayout } from './id-columns.ts'
import { IdCell } from './number-id.ts'

// The object, its place, three cells and the layout; measured with 20,000 of them.
const STUB_BYTES = 450

export class ColdStub {
  readonly place: ColdPlace
  readonly ids: IdLayout
  readonly arenaBytes: number
  readonly begin = new IdCell()
  readonly first = new IdCell()
  readonly last = new IdCell()
  #deleted: Uint8Array | undefined = undefined

  constructor(place: ColdPlace, ids: IdLayout, arenaBytes: number) {
    this.place = place
    this.ids = ids
    this.arenaBytes = arenaBytes
  }

  get memoryBytes(): number {
    return STUB_BYTES + (this.#deleted === undefined ? 0 : this.#deleted.length)
  }

  /** The same, for a picture of the segment. */
  picture(): ColdStub {
    const picture = new ColdStub(this.place, this.ids, this.arenaBytes)
    picture.begin.copy(this.begin)
    picture.first.copy(this.first)
    picture.last.copy(this.last)
    picture.#deleted = this.#deleted?.slice()
    return picture
  }

  /** One of `rows` rows was deleted; the record stays as it is. Returns by how many bytes this grew. */
  markDeleted(row: number, rows: number): number {
    const before = this.memoryBytes
    this.#deleted ??= new Uint8Array(Math.ceil(rows / 8))
    this.#deleted[row >>> 3]! |= 1 << (row & 7)
    return this.memoryBytes - before
  }

  /** Sets a flag in the shapes, as they were written, of those that were deleted since. */
  applyDeleted(shapes: Uint8Array, flag: number): void {
    const deleted = this.#deleted
    if (deleted === undefined) return
    for (let row = 0; row < shapes.length; row++) {
      if ((deleted[row >>> 3]! & (1 << (row & 7))) !== 0) shapes[row]! |= flag
    }
  }
}
