/**
 * A segment is up to 4,096 consecutive entries, held in columns, their bytes packed into one arena.
 *
 *            0      1      2      3   …                 4,095
 *   id     [1-0  ][1-1  ][2-0  ][6-0  ]    two narrow columns, 3 to 6 bytes a row, or wide ones of 16 (id-columns.ts)
 *   end    [17   ][40   ][58   ][71   ]    u32, where the entry's body ends in the arena
 *   shape  [1    ][1    ][129  ][0    ]    u8: 0 = names in the body, n = names of nameSets[n - 1]; +128 = deleted
 *                           ▲        ▲
 *                       tombstone  count (next free row)
 *
 *   arena  │ len value len value │ len value … │        body with a name set: one length and value per field
 *          │ pairs len name len value …        │        body without (shape 0)
 *
 * Rows are appended in ID order and never move, so a search is a binary search over two columns and touches no object.
 * A deleted row stays as a tombstone; when more than half of a segment is dead the log asks for a `compacted` copy, and
 * when all of it is, drops it. Arena bytes are never overwritten: views of them stay valid as long as somebody holds
 * them, and keep the arena alive.
 *
 * A narrow segment holds plain IDs only (number-id.ts) and works on numbers. An ID that does not fit its columns (2^53
 * and more, or far from the ones before) goes to a new segment, narrow or wide; a wide one takes any ID.
 *
 * A segment that gets no more entries may leave memory (disk/cold-segments.ts): its columns and its arena are on disk then,
 * a stub (cold-stub.ts) answers what it can, and everything else brings them back. Who has taken an arena, or `ids`, keeps
 * it.
 *
 * A `picture` shows the segment as it was. It shares the columns: rows to come are written behind its own, and the one
 * thing that changes in place, the mark of a deleted row, is made in a copy of that column. When the segment leaves memory
 * its picture goes with it, but for its own marks.
 */
import assert from 'node:assert'
import type { Arena } from './arena.ts'
import { ColdStub } from './cold-stub.ts'
import type { ColdPlace } from './disk/cold-files.ts'
import type { ColdSegments } from './disk/cold-segments.ts'
import type { Deletion } from './deletion.ts'
import { bodyBytes, fittingEntries, readNamesAndValues, readValues, writeBody } from './entry-body.ts'
import { EntryView } from './entry-view.ts'
import { resized, type IdColumns } from './id-columns.ts'
import { Meter } from './meter.ts'
import { bytesOfNames, type NameSet } from './name-set.ts'
import { compareNumberIds, IdCell, type NumberId } from './number-id.ts'
import type { EntryRun, PackedFields } from './packed-fields.ts'
import {
  ARENA_BYTES_MAX,
  columnsFor,
  columnsToFill,
  emptyColumns,
  NO_COLUMNS,
  piecesOf,
  ROWS_MIN,
  type Columns,
} from './segment-columns.ts'

const ROWS_MAX = 4096
const ROWS_GROWTH = 1.5
const NAME_SETS_MAX = 16
/** What is reckoned for the length of a field before an entry is written. */
export const FIELD_BYTES_SPARE = 5
const DELETED = 128
// The object itself and its typed arrays, about 110 bytes each; measured with a million one-row segments.
const OVERHEAD_BYTES = 900

export class Segment {
  #ids: IdColumns
  #end: Uint32Array
  #shape: Uint8Array
  #arena: Arena
  /** These four are on disk only. */
  #isAway = false
  #count = 0
  #live = 0
  #firstLive = 0
  /** A picture has `#shape` as well. */
  #isShared = false
  readonly #nameSets: NameSet[]
  #meter: Meter
  /** Searched since `takeTouch`. */
  #isTouched = false
  /** Who decides whether it is in memory; undefined: it may get entries, and stays. */
  #home: ColdSegments | undefined = undefined
  /** Of one that has a record on disk. */
  #stub: ColdStub | undefined = undefined
  /** Of a picture: its shapes, where those of the record are of later. */
  #ownShape: Uint8Array | undefined = undefined

  private constructor(columns: Columns, nameSets: NameSet[], meter: Meter) {
    this.#ids = columns.ids
    this.#end = columns.end
    this.#shape = columns.shape
    this.#arena = columns.arena
    this.#nameSets = nameSets
    this.#meter = meter
    meter.add(this.columnBytes + OVERHEAD_BYTES)
  }

  /** An empty segment, the `index`-th, for an entry whose ID did not fit, or had no room, in the one before. */
  static create(first: NumberId, index: number, last: Segment | undefined, meter: Meter): Segment {
    const before =
      last === undefined || last.#isAway ? undefined : { ids: last.#ids, arena: last.#arena, rows: last.#count }
    return new Segment(columnsFor(first, index, before), [], meter)
  }

  get ids(): IdColumns {
    if (this.#isAway) this.#bring()
    return this.#ids
  }

  /** Rows in use, tombstones included. */
  get count(): number {
    return this.#count
  }

  get live(): number {
    return this.#live
  }

  /** Arena bytes in use, those of tombstones included. */
  get usedBytes(): number {
    return this.#stub === undefined ? this.#arena.used : this.#stub.arenaBytes
  }

  /** The first row that is not deleted; `count` when all are. */
  get firstLive(): number {
    return this.#firstLive
  }

  isDeleted(row: number): boolean {
    if (this.#isAway) this.#bring()
    return this.#shape[row]! >= DELETED
  }

  /** Leaves the ID of the first row that is not deleted in a cell; there is one. */
  readFirst(into: IdCell): void {
    if (this.#isAway) into.copy(this.#stub!.first)
    else this.#ids.read(this.#firstLive, into)
  }

  /** Below 0 when the last row's ID comes before the given one, above 0 when after, 0 when they are the same. */
  compareLast(id: NumberId): number {
    if (this.#isAway) return compareNumberIds(this.#stub!.last, id)
    return this.#ids.compare(this.#count - 1, id)
  }

  /** Where the run of rows that are not deleted ends which begins at `row`, after at most so many. */
  runEnd(row: number, rowsMax: number): number {
    const end = Math.min(row + rowsMax, this.#count)
    if (this.#live === this.#count) return end
    let at = row
    while (at < end && !this.isDeleted(at)) at++
    return at
  }

  /** Whether there is room for an entry of about so many bytes. */
  hasRoom(bytes: number): boolean {
    if (this.#home !== undefined) return false
    return this.#count < ROWS_MAX && (this.#count === 0 || this.#arena.used + bytes <= ARENA_BYTES_MAX)
  }

  /** The first row whose ID is not below the given one; `count` when all are. */
  lowerBound(id: NumberId): number {
    this.#isTouched = true
    if (this.#isAway) {
      const { begin, last } = this.#stub!
      if (compareNumberIds(begin, id) >= 0) return 0
      if (compareNumberIds(last, id) < 0) return this.#count
      this.#bring()
    }
    return this.#ids.lowerBound(id, this.#count)
  }

  /** The row of an entry that is there and not deleted, else -1. */
  find(id: NumberId): number {
    if (this.#isAway && compareNumberIds(this.#stub!.first, id) > 0) return -1
    const row = this.lowerBound(id)
    if (row === this.#count || this.isDeleted(row)) return -1
    return this.#ids.compare(row, id) === 0 ? row : -1
  }

  /** Adds an entry; its ID is above the last row's and fits, and `hasRoom` said yes. */
  append(id: NumberId, fields: PackedFields, names: NameSet): void {
    if (this.#count === ROWS_MAX) assert.fail('append to a full segment')
    if (this.#count === this.#end.length) this.#growRows()
    const shape = this.#shapeOf(names)
    const grown = this.#arena.reserve(bodyBytes(fields, shape === 0))
    if (grown > 0) this.#meter.add(grown)
    writeBody(this.#arena, fields, shape === 0)
    this.#addRow(id, shape)
  }

  /** How many of a run's entries can be added without that anything grows. Hot. */
  runRoom(run: EntryRun, names: NameSet): number {
    if (this.#live === 0 || this.#home !== undefined) return 0
    const rows = Math.min(run.entries, this.#end.length - this.#count, this.#ids.runRoom(run.id))
    const spare = names.bytes + run.fields.count * FIELD_BYTES_SPARE
    // As `hasRoom`, where the lengths are not counted but spared for: here they count twice, and less fits.
    const bytesMax = Math.min(this.#arena.bytes.length, ARENA_BYTES_MAX - spare)
    const fitting = fittingEntries(run.fields, rows, bytesMax - this.#arena.used)
    return fitting > 0 && this.#shapeOf(names) === 0 ? 0 : fitting
  }

  /** Adds as many of a run's entries, for which `runRoom` said that there is room. Hot. */
  appendRun(run: EntryRun, entries: number, names: NameSet): void {
    const { fields } = run
    const { first, count } = fields
    const arena = this.#arena
    const end = this.#end
    const row = this.#count
    for (let entry = 0, at = first + 1; entry < entries; entry++, at += count) {
      for (let i = at; i < at + count; i += 2) arena.put(fields, i)
      end[row + entry] = arena.used
    }
    this.#ids.setRun(row, run.id, entries)
    this.#shape.fill(this.#shapeOf(names), row, row + entries)
    this.#count += entries
    this.#live += entries
  }

  /** Moves a view to a row. */
  look(row: number, view: EntryView): void {
    if (this.#isAway) this.#bring()
    this.#ids.read(row, view.id)
    const shape = this.#shape[row]! & (DELETED - 1)
    const start = row === 0 ? 0 : this.#end[row - 1]!
    if (shape === 0) {
      readNamesAndValues(this.#arena, start, view)
      return
    }
    const names = this.#nameSets[shape - 1]!
    view.names = names
    view.arena = this.#arena.bytes
    view.reserve(names.count)
    readValues(this.#arena, start, view)
  }

  fieldsAt(row: number): Uint8Array[] {
    const view = new EntryView()
    this.look(row, view)
    return view.fields()
  }

  /** Makes rows tombstones; what is on disk only stays there. */
  deletePlanned({ rows, firstLive, first }: Deletion): void {
    for (const row of rows) this.#mark(row)
    this.#firstLive = firstLive
    if (this.#isAway) this.#stub!.first.copy(first)
  }

  #mark(row: number): void {
    if (this.#isShared && !this.#isAway) {
      this.#shape = this.#shape.slice()
      this.#isShared = false
    }
    if (!this.#isAway) this.#shape[row]! |= DELETED
    if (this.#stub !== undefined) this.#meter.add(this.#stub.markDeleted(row, this.#count))
    this.#live--
  }

  /** Makes a row a tombstone. */
  delete(row: number): void {
    assert(!this.isDeleted(row), 'an entry is deleted once')
    this.#mark(row)
    if (row !== this.#firstLive) return
    do this.#firstLive++
    while (this.#firstLive < this.#count && this.isDeleted(this.#firstLive))
  }

  /** Gives back what was allocated for growth: called when the segment gets no more entries for now. */
  seal(): void {
    if (this.#home !== undefined) return
    this.#resizing(() => {
      this.#resizeRows(this.#count)
      this.#arena.shrink()
    })
  }

  /** The same entries without the tombstones; in the same account this segment is to be released. */
  compacted(meter: Meter = this.#meter): Segment {
    const id = new IdCell()
    const rows = Math.max(this.#live, ROWS_MIN)
    const copy = new Segment(emptyColumns(this.ids.alike(rows), rows), [], meter)
    for (const names of this.#nameSets) copy.#shapeOf(names)
    for (let row = this.#firstLive; row < this.#count; row++) {
      if (this.isDeleted(row)) continue
      this.#ids.read(row, id)
      copy.#take(this, row, id)
    }
    return copy
  }

  /** The segment as it is now, to be read, whatever becomes of this one. */
  picture(meter: Meter): Segment {
    const [ids, arena] = [this.#ids.picture(), this.#arena.picture()]
    const columns = this.#isAway ? NO_COLUMNS : { ids, end: this.#end, shape: this.#shape, arena }
    const picture = new Segment(columns, this.#nameSets, meter)
    picture.#isAway = this.#isAway
    picture.#stub = this.#stub?.picture()
    picture.#count = this.#count
    picture.#live = this.#live
    picture.#firstLive = this.#firstLive
    this.#isShared = true
    if (this.#home === undefined) return picture
    picture.#home = this.#home
    // What it has beside the segment's own is in the budget.
    picture.#meter = this.#home.meter
    if (!this.#isAway) this.#home.shares(this, picture)
    return picture
  }

  /** A picture's: lets go of what it shares with the segment, which has left. */
  leaveWith(original: Segment): void {
    this.#ownShape = this.#shape.subarray(0, this.#count)
    this.#stub = new ColdStub(original.#stub!.place, this.#ids.layout, this.#arena.used)
    this.#letGo()
  }

  /** A picture's: nobody else has the columns any more; until `release` they are its own. */
  inherit(): void {
    // A record that the segment had is given back.
    this.#stub = undefined
    this.#meter.add(this.columnBytes + OVERHEAD_BYTES + bytesOfNames(this.#nameSets))
  }

  /** Gets no entries from now on, and `home` may send it away. False: that has been said before. */
  close(home: ColdSegments): boolean {
    if (this.#home !== undefined) return false
    this.#home = home
    return true
  }

  /** Bytes of the columns and the arena; 0 while they are on disk only. */
  get columnBytes(): number {
    return this.#ids.byteLength + this.#end.byteLength + this.#shape.byteLength + this.#arena.bytes.length
  }

  /** Whether it was searched since this was last asked. */
  takeTouch(): boolean {
    const isTouched = this.#isTouched
    this.#isTouched = false
    return isTouched
  }

  /** What is to be written before it can leave. */
  pieces(): Uint8Array[] {
    return piecesOf({ ids: this.#ids, end: this.#end, shape: this.#shape, arena: this.#arena }, this.#count)
  }

  /** Its pieces, as they are now, have been written. */
  store(place: ColdPlace): void {
    this.#stub = new ColdStub(place, this.#ids.layout, this.#arena.used)
    this.#meter.add(this.#stub.memoryBytes)
  }

  /** Lets go of the columns and the arena, which are stored. */
  leave(): void {
    this.#meter.add(-this.columnBytes - OVERHEAD_BYTES)
    this.#letGo()
  }

  #letGo(): void {
    const { begin, first, last } = this.#stub!
    this.#ids.read(0, begin)
    if (this.#live > 0) this.readFirst(first)
    this.#ids.read(this.#count - 1, last)
    this.#have(NO_COLUMNS)
    this.#isAway = true
  }

  /** Takes the segment out of the memory account. */
  release(): void {
    const bytes = this.#isAway ? 0 : this.columnBytes + OVERHEAD_BYTES
    this.#meter.add(-bytes - bytesOfNames(this.#nameSets) - (this.#stub?.memoryBytes ?? 0))
    this.drop()
  }

  /** Nobody has it any more but who is still telling it. */
  drop(): void {
    if (this.#home === undefined) return
    this.#home.forget(this, this.#stub)
    // What is brought for those does not count.
    this.#meter = new Meter()
  }

  #bring(): void {
    const [stub, home] = [this.#stub!, this.#home!]
    const columns = columnsToFill(stub.ids, this.#count, stub.arenaBytes)
    home.read(this, stub.place, piecesOf(columns, this.#count))
    stub.applyDeleted(columns.shape, DELETED)
    this.#have(this.#ownShape === undefined ? columns : { ...columns, shape: this.#ownShape })
    this.#isAway = false
    this.#isShared = false
    this.#meter.add(this.columnBytes + OVERHEAD_BYTES)
    home.makeRoom(this)
  }

  #have({ ids, end, shape, arena }: Columns): void {
    this.#ids = ids
    this.#end = end
    this.#shape = shape
    this.#arena = arena
  }

  #take(from: Segment, row: number, id: IdCell): void {
    const start = row === 0 ? 0 : from.#end[row - 1]!
    const end = from.#end[row]!
    this.#meter.add(this.#arena.reserve(end - start))
    this.#arena.putRaw(from.#arena, start, end)
    this.#addRow(id, from.#shape[row]!)
  }

  #addRow(id: NumberId, shape: number): void {
    const row = this.#count
    const grown = this.#ids.set(row, id)
    if (grown > 0) this.#meter.add(grown)
    this.#end[row] = this.#arena.used
    this.#shape[row] = shape
    if (this.#live === 0) this.#firstLive = row
    this.#count++
    this.#live++
  }

  /** 1 + the index of the name set; 0 when the segment has too many of them and the body is to carry the names. */
  #shapeOf(names: NameSet): number {
    const sets = this.#nameSets
    for (let i = 0; i < sets.length; i++) if (sets[i] === names) return i + 1
    for (let i = 0; i < sets.length; i++) if (sets[i]!.equals(names)) return i + 1
    if (sets.length === NAME_SETS_MAX) return 0
    this.#meter.add(names.memoryBytes)
    return sets.push(names)
  }

  #growRows(): void {
    const rows = Math.max(Math.trunc(this.#end.length * ROWS_GROWTH), ROWS_MIN)
    this.#resizing(() => this.#resizeRows(Math.min(rows, ROWS_MAX)))
  }

  #resizeRows(rows: number): void {
    this.#ids.resize(this.#count, rows)
    this.#end = resized(this.#end, new Uint32Array(rows), this.#count)
    this.#shape = resized(this.#shape, new Uint8Array(rows), this.#count)
  }

  #resizing(resize: () => void): void {
    const before = this.columnBytes
    resize()
    this.#meter.add(this.columnBytes - before)
  }
}
