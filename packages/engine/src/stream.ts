/**
 * A stream: entries in ID order, what Redis remembers about them, and the consumer groups.
 *
 *   segments   [ 1-0 … 9-4 ][ 9-5 … 17-0 ][ 17-2 …  ]      where the entries are (segment.ts)
 *   nodes      [  ][  ][  ][  ][  ][  ][  ][  ][  ][ ]     where Redis's listpacks would end (nodes.ts)
 *   counters   length, lastId, maxDeletedId, entriesAdded
 *   groups     name → Group
 *
 * Only the database's `apply` calls what changes a stream; commands read it.
 */
import assert from 'node:assert'
import { compareIds, ID_ZERO, type StreamId } from './id.ts'
import { Group } from './group.ts'
import { Meter } from './meter.ts'
import { RecentNameSets } from './name-set.ts'
import { Nodes } from './nodes.ts'
import { IDEMPOTENCY_DEFAULT, Producers } from './producers.ts'
import { Segment, type StreamEntry } from './segment.ts'

// The object, its maps and its node table's; measured with 100,000 empty streams.
const STREAM_BYTES = 1400
// A segment is compacted when more than half of it is dead, but not for a handful of small rows.
const COMPACT_ROWS_MIN = 64
const COMPACT_BYTES_MIN = 65_536

export class Stream {
  /** Tells it from the other values that a key can hold. */
  readonly type = 'stream'
  /** The last ID ever given, whether or not its entry is still there. */
  lastId: StreamId = ID_ZERO
  /** The highest ID that was deleted on its own (not trimmed). */
  maxDeletedId: StreamId = ID_ZERO
  /** Entries ever added. */
  entriesAdded = 0
  /** What its idempotent producers sent lately; undefined: none ever did, and the settings are the defaults. */
  producers: Producers | undefined = undefined
  readonly nodes: Nodes
  readonly #segments: Segment[] = []
  readonly #names = new RecentNameSets()
  readonly #groups = new Map<string, Group>()
  readonly #meter: Meter
  #length = 0

  /** `parent`: the meter to which its bytes are charged. Default: none yet. */
  constructor(parent?: Meter) {
    this.#meter = new Meter(parent)
    this.#meter.add(STREAM_BYTES)
    this.nodes = new Nodes(this.#meter)
  }

  /** Entries that are there. */
  get length(): number {
    return this.#length
  }

  get memoryBytes(): number {
    return this.#meter.bytes
  }

  /** The ID of the first entry that is there; 0-0 when there is none. */
  get firstId(): StreamId {
    const segment = this.#segments[0]
    return segment === undefined ? ID_ZERO : segment.idAt(segment.firstLive)
  }

  /** The ID of the last entry that is there; 0-0 when there is none. */
  get lastEntryId(): StreamId {
    const segment = this.#segments.at(-1)
    return segment === undefined ? ID_ZERO : segment.idAt(segment.lastLive)
  }

  has(id: StreamId): boolean {
    const segment = this.#segments[this.#segmentFor(id)]
    return segment !== undefined && segment.find(id) >= 0
  }

  /** The fields of an entry that is there. */
  fieldsOf(id: StreamId): Uint8Array[] | undefined {
    const segment = this.#segments[this.#segmentFor(id)]
    const row = segment?.find(id) ?? -1
    return row < 0 ? undefined : segment!.fieldsAt(row)
  }

  /** The first `countMax` entries from an ID up to another, both included. */
  range(from: StreamId, to: StreamId, countMax: number): StreamEntry[] {
    const found: StreamEntry[] = []
    if (countMax <= 0 || compareIds(from, to) > 0) return found
    for (let index = this.#segmentFor(from); index < this.#segments.length; index++) {
      const segment = this.#segments[index]!
      for (let row = segment.lowerBound(from); row < segment.count; row++) {
        if (segment.isDeleted(row)) continue
        const id = segment.idAt(row)
        if (compareIds(id, to) > 0) return found
        found.push({ id, fields: segment.fieldsAt(row) })
        if (found.length >= countMax) return found
      }
    }
    return found
  }

  /** The last `countMax` entries of the same range, the newest first. */
  rangeBackward(from: StreamId, to: StreamId, countMax: number): StreamEntry[] {
    const found: StreamEntry[] = []
    if (countMax <= 0 || compareIds(from, to) > 0) return found
    for (let index = Math.min(this.#segmentFor(to), this.#segments.length - 1); index >= 0; index--) {
      const segment = this.#segments[index]!
      let row = segment.lowerBound(to)
      if (row === segment.count || compareIds(segment.idAt(row), to) > 0) row--
      for (; row >= 0; row--) {
        if (segment.isDeleted(row)) continue
        const id = segment.idAt(row)
        if (compareIds(id, from) < 0) return found
        found.push({ id, fields: segment.fieldsAt(row) })
        if (found.length >= countMax) return found
      }
    }
    return found
  }

  /** The ID of the `index`-th entry that is there, in order; it exists. */
  idAtIndex(index: number): StreamId {
    let skip = index
    for (const segment of this.#segments) {
      if (skip >= segment.live) {
        skip -= segment.live
        continue
      }
      for (let row = segment.firstLive; row < segment.count; row++) {
        if (segment.isDeleted(row)) continue
        if (skip-- === 0) return segment.idAt(row)
      }
    }
    assert.fail('an index below the length')
  }

  /** How many entries that are there have an ID below the given one. */
  countBelow(id: StreamId): number {
    let count = 0
    for (const segment of this.#segments) {
      const end = segment.lowerBound(id)
      if (end === segment.count) count += segment.live
      else {
        for (let row = segment.firstLive; row < end; row++) if (!segment.isDeleted(row)) count++
        break
      }
    }
    return count
  }

  /** Adds an entry whose ID is above `lastId`. */
  append(id: StreamId, fields: readonly Uint8Array[], startsNode: boolean): void {
    assert(compareIds(id, this.lastId) > 0, 'IDs of a stream increase')
    const names = this.#names.of(fields)
    let bytes = 0
    for (let i = 0; i < fields.length; i++) bytes += fields[i]!.length + 5
    this.#tailFor(id, bytes).append(id, fields, names)
    this.nodes.append(id, fields, names, startsNode)
    this.lastId = id
    this.entriesAdded++
    this.#length++
  }

  /** Sets the last ID, which is not below the last entry that is there. */
  setLastId(id: StreamId): void {
    this.lastId = id
    const index = this.#segments.length - 1
    const tail = this.#segments[index]
    // Tombstones above it would stand before lower IDs to come, and rows are found by their order.
    if (tail !== undefined && compareIds(tail.idAt(tail.count - 1), id) > 0) this.#compactSegment(index)
  }

  /** Deletes one entry, which is there. */
  delete(id: StreamId): void {
    this.removeOne(id)
    if (compareIds(id, this.maxDeletedId) > 0) this.maxDeletedId = id
  }

  /** Removes one entry, which is there, as a trim does: the highest deleted ID stays. */
  removeOne(id: StreamId): void {
    const index = this.#segmentFor(id)
    const segment = this.#segments[index]
    const row = segment?.find(id) ?? -1
    assert(segment !== undefined && row >= 0, 'an entry to delete is there')
    segment.delete(row)
    this.nodes.delete(id)
    this.#length--
    this.#tidySegment(index)
  }

  /** Removes all entries up to an ID from the front, as a trim does; returns how many were there. */
  removeThrough(through: StreamId): number {
    let removed = 0
    while (this.nodes.headLive !== undefined && compareIds(this.nodes.headLast, through) <= 0) {
      removed += this.nodes.headLive
      this.nodes.dropHead()
    }
    const rows = this.#deleteRowsThrough(through)
    if (rows > removed) this.nodes.shrinkHead(rows - removed)
    this.#length -= rows
    return rows
  }

  ensureProducers(): Producers {
    this.producers ??= new Producers(IDEMPOTENCY_DEFAULT, this.#meter)
    return this.producers
  }

  group(name: string): Group | undefined {
    return this.#groups.get(name)
  }

  get groupCount(): number {
    return this.#groups.size
  }

  /** In the order of their names' bytes, as Redis lists them. */
  groups(): Group[] {
    return [...this.#groups.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  createGroup(name: string, lastId: StreamId, entriesRead: number | undefined): void {
    assert(!this.#groups.has(name), 'a group is created once')
    this.#groups.set(name, new Group(name, lastId, entriesRead, this.#meter))
  }

  destroyGroup(name: string): void {
    this.#groups.get(name)?.release()
    this.#groups.delete(name)
  }

  /** From now on another meter counts the stream; undefined: none, because nobody has it any more. */
  chargeTo(parent: Meter | undefined): void {
    this.#meter.chargeTo(parent)
  }

  /** The same stream once more, sharing nothing that changes: entries, nodes, counters, groups. */
  copy(): Stream {
    const copy = new Stream()
    copy.lastId = this.lastId
    copy.maxDeletedId = this.maxDeletedId
    copy.entriesAdded = this.entriesAdded
    copy.#length = this.#length
    copy.nodes.copyFrom(this.nodes)
    copy.producers = this.producers?.copy(copy.#meter)
    for (const segment of this.#segments) {
      const copied = segment.compacted(copy.#meter)
      if (segment !== this.#segments.at(-1)) copied.seal()
      copy.#segments.push(copied)
    }
    for (const group of this.#groups.values()) copy.#groups.set(group.name, group.copy(copy.#meter))
    return copy
  }

  #deleteRowsThrough(through: StreamId): number {
    let removed = 0
    for (let segment = this.#segments[0]; segment !== undefined; segment = this.#segments[0]) {
      if (compareIds(segment.idAt(segment.count - 1), through) <= 0) {
        removed += segment.live
        segment.release()
        this.#segments.shift()
        continue
      }
      for (let row = segment.firstLive; row < segment.count; row++) {
        if (compareIds(segment.idAt(row), through) > 0) break
        if (segment.isDeleted(row)) continue
        segment.delete(row)
        removed++
      }
      this.#tidySegment(0)
      break
    }
    return removed
  }

  #tidySegment(index: number): void {
    const segment = this.#segments[index]!
    const dead = segment.count - segment.live
    if (segment.live === 0) {
      segment.release()
      this.#segments.splice(index, 1)
    } else if (dead > segment.live && (dead > COMPACT_ROWS_MIN || segment.usedBytes > COMPACT_BYTES_MIN)) {
      this.#compactSegment(index)
    }
  }

  #compactSegment(index: number): void {
    const segment = this.#segments[index]!
    const compacted = segment.compacted()
    if (index < this.#segments.length - 1) compacted.seal()
    segment.release()
    this.#segments[index] = compacted
  }

  #tailFor(id: StreamId, bytes: number): Segment {
    const tail = this.#segments.at(-1)
    const fits = tail === undefined || tail.fits(id)
    if (tail !== undefined && fits && tail.hasRoom(bytes)) return tail
    tail?.seal()
    const created = Segment.create(id, !fits, this.#meter)
    this.#segments.push(created)
    return created
  }

  /** The first segment that ends at or after the ID; the number of segments when all end before it. */
  #segmentFor(id: StreamId): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const segment = this.#segments[middle]!
      if (compareIds(segment.idAt(segment.count - 1), id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
