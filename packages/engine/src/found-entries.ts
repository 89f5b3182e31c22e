/**
 * Entries that a command found one by one (a history, what was claimed), in columns: what a reply of a million of them is
 * made of, without an object for each.
 *
 *   ids         [1-0          ][1-1          ][2-0          ]      IdList
 *   columns     [0  17  2  900][-  -1  1  900][0  19  2  900]      each: which of the segments below it lies in, where in it
 *                                                                  (-1: the stream has lost it), deliveries, with CLAIM
 *                                                                  since when
 *
 *   segments    [ A, B ]
 *
 * Rows of a segment never move and their bytes stay (segment.ts), so all of it can be told later, whatever becomes of the
 * stream meanwhile.
 */
import type { Claimed } from './change.ts'
import type { EntryView } from './entry-view.ts'
import type { ConsumerRef } from './group-commands.ts'
import { IdList } from './id-list.ts'
import { IdCell, toStreamId, type NumberId } from './number-id.ts'
import type { Segment } from './segment.ts'
import type { SegmentRun } from './segment-run.ts'

/** Two of them are 64 bytes: a larger array lies outside of the heap, which takes ten times as long to make. */
const PLACES_MIN = 2
const LOST = -1
/** Numbers for each entry: one array, since most commands find one entry. */
const WIDTH = 4
const PLACE = 0
const ROW = 1
const COUNT = 2
const IDLE = 3
const NO_COLUMNS = new Float64Array(0)

/** Where an entry lies. */
export interface EntryPlace {
  readonly segment: Segment | undefined
  readonly row: number
}

/** IDs, which may come twice, and how often each has been delivered; counts beyond them mean nothing. */
export interface CountedIds {
  readonly ids: IdList
  readonly counts: Float64Array
}

/** Written out: objects that are made of others by `...` cost whoever reads them as much again. */
export function claimedChange(
  { key, group, consumer }: ConsumerRef,
  { ids, counts }: CountedIds,
  atMs: number,
): Claimed {
  return { kind: 'claimed', key, group, consumer, ids, counts, atMs }
}

export class FoundEntries {
  readonly ids = new IdList()
  /** Whether idle times are told. */
  readonly isTimed: boolean
  readonly #segments: Segment[] = []
  #columns = NO_COLUMNS
  #lost = 0

  constructor(isTimed = false) {
    this.isTimed = isTimed
  }

  get length(): number {
    return this.ids.count
  }

  /** Adds an entry; without a place the stream has lost it. */
  add(id: NumberId, place: EntryPlace | undefined, count: number, idleMs = 0): void {
    const at = this.ids.count * WIDTH
    if (at === this.#columns.length) this.#grow()
    this.ids.add(id)
    const columns = this.#columns
    if (place?.segment === undefined) {
      columns[at + ROW] = LOST
      this.#lost++
    } else {
      if (this.#segments.at(-1) !== place.segment) this.#segments.push(place.segment)
      columns[at + PLACE] = this.#segments.length - 1
      columns[at + ROW] = place.row
    }
    columns[at + COUNT] = count
    columns[at + IDLE] = idleMs
  }

  /** Adds rows that have not been delivered before. */
  addRun({ segment, ids, from, end }: SegmentRun): void {
    const id = new IdCell()
    for (let row = from; row < end; row++) {
      ids.read(row, id)
      this.add(id, { segment, row }, 0)
    }
  }

  isLost(index: number): boolean {
    return this.#columns[index * WIDTH + ROW] === LOST
  }

  /** Moves a view to an entry that is not lost. */
  look(index: number, view: EntryView): void {
    this.#segmentAt(index).look(this.#columns[index * WIDTH + ROW]!, view)
  }

  countAt(index: number): number {
    return this.#columns[index * WIDTH + COUNT]!
  }

  /** Only where idle times are told. */
  idleAt(index: number): number {
    return this.#columns[index * WIDTH + IDLE]!
  }

  /** The fields of an entry; undefined: it is lost. */
  fieldsAt(index: number): Uint8Array[] | undefined {
    if (this.isLost(index)) return undefined
    return this.#segmentAt(index).fieldsAt(this.#columns[index * WIDTH + ROW]!)
  }

  /** Those that are not lost, as they are written into a change; each count as `count` makes it. */
  counted(count: (told: number) => number): CountedIds {
    const kept = this.length - this.#lost
    const ids = this.#lost === 0 ? this.ids : new IdList(kept)
    const counts = new Float64Array(kept)
    const id = new IdCell()
    for (let i = 0, at = 0; i < this.length; i++) {
      if (this.isLost(i)) continue
      counts[at++] = count(this.countAt(i))
      if (ids === this.ids) continue
      this.ids.read(i, id)
      ids.add(id)
    }
    return { ids, counts }
  }

  /** Each of them as an object. */
  map<T>(make: (entry: ReturnType<FoundEntries['entryAt']>) => T): T[] {
    return Array.from({ length: this.length }, (_, index) => make(this.entryAt(index)))
  }

  entryAt(index: number) {
    const id = new IdCell()
    this.ids.read(index, id)
    return { id: toStreamId(id), fields: this.fieldsAt(index), count: this.countAt(index), index }
  }

  #segmentAt(index: number): Segment {
    return this.#segments[this.#columns[index * WIDTH + PLACE]!]!
  }

  #grow(): void {
    const grown = new Float64Array(Math.max(this.#columns.length * 2, PLACES_MIN * WIDTH))
    grown.set(this.#columns)
    this.#columns = grown
  }
}
