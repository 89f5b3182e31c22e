/**
 * Entries that a command found one by one (a history, what was claimed), in columns: what a reply of a million of them is
 * made of, without an object for each.
 *
 *   ids         [1-0 ][1-1 ][2-0 ][7-3 ]      IdList
 *   place       [0   ][-   ][0   ][1   ]      which of the segments below it lies in
 *   row         [17  ][-1  ][19  ][0   ]      and where in it; -1: the stream has lost it
 *   count       [2   ][1   ][2   ][5   ]      deliveries
 *   idle        [900 ][900 ][900 ][40  ]      with CLAIM only: since the delivery before
 *
 *   segments    [ A, B ]
 *
 * Rows of a segment never move and their bytes stay (segment.ts), so all of it can be told later, whatever becomes of the
 * stream meanwhile.
 */
import type { EntryView } from './entry-view.ts'
import { IdList } from './id-list.ts'
import { IdCell, toStreamId, type NumberId } from './number-id.ts'
import type { Segment, SegmentRun } from './segment.ts'

const PLACES_MIN = 16
const LOST = -1

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

export class FoundEntries {
  readonly ids = new IdList()
  /** Whether idle times are told. */
  readonly isTimed: boolean
  readonly #segments: Segment[] = []
  #place = new Uint32Array(PLACES_MIN)
  #row = new Int32Array(PLACES_MIN)
  #count = new Float64Array(PLACES_MIN)
  #idle: Float64Array
  #lost = 0

  constructor(isTimed = false) {
    this.isTimed = isTimed
    this.#idle = new Float64Array(isTimed ? PLACES_MIN : 0)
  }

  get length(): number {
    return this.ids.count
  }

  /** Adds an entry; without a place the stream has lost it. */
  add(id: NumberId, place: EntryPlace | undefined, count: number, idleMs = 0): void {
    const at = this.ids.count
    if (at === this.#row.length) this.#grow()
    this.ids.add(id)
    if (place?.segment === undefined) {
      this.#row[at] = LOST
      this.#lost++
    } else {
      if (this.#segments.at(-1) !== place.segment) this.#segments.push(place.segment)
      this.#place[at] = this.#segments.length - 1
      this.#row[at] = place.row
    }
    this.#count[at] = count
    if (this.isTimed) this.#idle[at] = idleMs
  }

  /** Adds rows that have not been delivered before. */
  addRun({ segment, from, end }: SegmentRun): void {
    const id = new IdCell()
    for (let row = from; row < end; row++) {
      segment.ids.read(row, id)
      this.add(id, { segment, row }, 0)
    }
  }

  isLost(index: number): boolean {
    return this.#row[index] === LOST
  }

  /** Moves a view to an entry that is not lost. */
  look(index: number, view: EntryView): void {
    this.#segments[this.#place[index]!]!.look(this.#row[index]!, view)
  }

  countAt(index: number): number {
    return this.#count[index]!
  }

  /** Only where idle times are told. */
  idleAt(index: number): number {
    return this.#idle[index]!
  }

  /** The fields of an entry; undefined: it is lost. */
  fieldsAt(index: number): Uint8Array[] | undefined {
    if (this.isLost(index)) return undefined
    return this.#segments[this.#place[index]!]!.fieldsAt(this.#row[index]!)
  }

  /** Those that are not lost, as they are written into a change; each count as `count` makes it. */
  counted(count: (told: number) => number): CountedIds {
    const kept = this.length - this.#lost
    const ids = this.#lost === 0 ? this.ids : new IdList(kept)
    const counts = new Float64Array(kept)
    const id = new IdCell()
    for (let i = 0, at = 0; i < this.length; i++) {
      if (this.isLost(i)) continue
      counts[at++] = count(this.#count[i]!)
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

  #grow(): void {
    const places = this.#row.length * 2
    this.#place = grown(this.#place, new Uint32Array(places))
    this.#row = grown(this.#row, new Int32Array(places))
    this.#count = grown(this.#count, new Float64Array(places))
    if (this.isTimed) this.#idle = grown(this.#idle, new Float64Array(places))
  }
}

function grown<T extends Uint32Array | Int32Array | Float64Array>(column: T, into: T): T {
  into.set(column)
  return into
}
