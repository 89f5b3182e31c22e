/**
 * A stream: entries in ID order, what Redis remembers about them, and the consumer groups.
 *
 *   segments   [ 1-0 … 9-4 ][ 9-5 … 17-0 ][ 17-2 …  ]      where the entries are (segment.ts)
 *   nodes      [  ][  ][  ][  ][  ][  ][  ][  ][  ][ ]     where Redis's listpacks would end (nodes.ts)
 *   counters   length, lastId, maxDeletedId, entriesAdded
 *   groups     name → Group
 *
 * Only the database's `apply`, and who reads a stream from a file, calls what changes a stream; commands read it.
 */
import assert from 'node:assert'
import type { ColdSegments } from './disk/cold-segments.ts'
import { planDeletions } from './deletion.ts'
import { EntryCursor } from './entry-cursor.ts'
import { lastLiveRow } from './entry-ranks.ts'
import { EngineError } from './errors.ts'
import { Fences } from './fences.ts'
import { ID_ZERO, type StreamId } from './id.ts'
import { Group } from './group.ts'
import { Meter } from './meter.ts'
import { RecentNameSets } from './name-set.ts'
import { Nodes, type NodeLimits } from './nodes.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { fieldBytes, type EntryRun, type PackedFields } from './packed-fields.ts'
import { IDEMPOTENCY_DEFAULT, Producers } from './producers.ts'
import { FIELD_BYTES_SPARE, Segment } from './segment.ts'
import type { SegmentRun, StreamEntry } from './segment-run.ts'

// The object, its maps and its node table's; measured with 100,000 empty streams.
const STREAM_BYTES = 1200
// A segment is compacted when more than half of it is dead, but not for a handful of small rows.
const COMPACT_ROWS_MIN = 64
const COMPACT_BYTES_MIN = 65_536

export class Stream {
  /** Tells it from the other values that a key can hold. */
  readonly type = 'stream'
  /** `lastId` in numbers. */
  readonly last = new IdCell()
  /** `maxDeletedId` in numbers. */
  readonly maxDeleted = new IdCell()
  /** Entries ever added. */
  entriesAdded = 0
  /** What its idempotent producers sent lately; undefined: none ever did, and the settings are the defaults. */
  producers: Producers | undefined = undefined
  readonly nodes: Nodes
  readonly #segments: Segment[] = []
  #fences = new Fences()
  readonly #key = new IdCell()
  readonly #names = new RecentNameSets()
  readonly #groups = new Map<string, Group>()
  readonly #meter: Meter
  #length = 0
  /** The number of the freeze that has a picture of it, or needs none: see freezer.ts, which alone writes these two. */
  frozenFor = 0
  /** That picture, until it is taken. */
  kept: Stream | undefined = undefined
  /** What sends its full segments to disk; undefined: all stay in memory. */
  readonly #cold: ColdSegments | undefined

  /** `parent`: the meter to which its bytes are charged. Default: none yet. */
  constructor(parent?: Meter, cold?: ColdSegments) {
    this.#cold = cold
    this.#meter = new Meter(parent)
    this.#meter.add(STREAM_BYTES)
    this.nodes = new Nodes(this.#meter)
  }

  /** Entries that are there. */
  get length(): number {
    return this.#length
  }

  /** The last ID ever given, whether or not its entry is still there. */
  get lastId(): StreamId {
    return toStreamId(this.last)
  }

  /** The highest ID that was deleted on its own (not trimmed). */
  get maxDeletedId(): StreamId {
    return toStreamId(this.maxDeleted)
  }

  set maxDeletedId(id: StreamId) {
    this.maxDeleted.setId(id)
  }

  /** For cursors. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  get memoryBytes(): number {
    return this.#meter.bytes
  }

  /** The ID of the first entry that is there; 0-0 when there is none. */
  get firstId(): StreamId {
    const id = new IdCell()
    this.readFirst(id)
    return toStreamId(id)
  }

  /** `firstId` in numbers. */
  readFirst(into: IdCell): void {
    const segment = this.#segments[0]
    if (segment === undefined) into.setPlain(0, 0)
    else segment.readFirst(into)
  }

  /** The ID of the last entry that is there; 0-0 when there is none. */
  get lastEntryId(): StreamId {
    const segment = this.#segments.at(-1)
    if (segment === undefined) return ID_ZERO
    const id = new IdCell()
    segment.ids.read(lastLiveRow(segment), id)
    return toStreamId(id)
  }

  has(id: StreamId): boolean {
    this.#key.setId(id)
    const segment = this.#segments[this.segmentFor(this.#key)]
    return segment !== undefined && segment.find(this.#key) >= 0
  }

  /** The fields of an entry that is there. */
  fieldsOf(id: StreamId): Uint8Array[] | undefined {
    this.#key.setId(id)
    const segment = this.#segments[this.segmentFor(this.#key)]
    const row = segment?.find(this.#key) ?? -1
    return row < 0 ? undefined : segment!.fieldsAt(row)
  }

  /** The first `countMax` entries from an ID up to another, both included. */
  range(from: StreamId, to: StreamId, countMax: number): StreamEntry[] {
    const cursor = new EntryCursor()
    cursor.forward(this, IdCell.of(from), IdCell.of(to), countMax)
    return cursor.rest()
  }

  /** The last `countMax` entries of the same range, the newest first. */
  rangeBackward(from: StreamId, to: StreamId, countMax: number): StreamEntry[] {
    const cursor = new EntryCursor()
    cursor.backward(this, IdCell.of(from), IdCell.of(to), countMax)
    return cursor.rest()
  }

  /**
   * Visits the first `countMax` entries above an ID as runs of rows, none of which is deleted;
   * returns how many there are.
   */
  runsAfter(id: NumberId, countMax: number, visit: (run: SegmentRun) => void): number {
    const from = IdCell.copyOf(id)
    if (!from.increment()) return 0
    let visited = 0
    for (let index = this.segmentFor(from); index < this.#segments.length && visited < countMax; index++) {
      const segment = this.#segments[index]!
      for (let row = segment.lowerBound(from); row < segment.count && visited < countMax;) {
        const end = segment.runEnd(row, countMax - visited)
        if (end > row) visit({ segment, ids: segment.ids, from: row, end })
        visited += end - row
        // Where a run ends before its limit, there is a tombstone.
        row = end + 1
      }
    }
    return visited
  }

  /** Adds an entry whose ID is above the last one. */
  append(id: NumberId, fields: PackedFields, startsNode: boolean): void {
    if (compareNumberIds(id, this.last) <= 0) assert.fail('IDs of a stream increase')
    const names = this.#names.of(fields)
    this.#tailFor(id, fieldBytes(fields) + fields.count * FIELD_BYTES_SPARE).append(id, fields, names)
    this.nodes.append(id, fields, names, startsNode)
    this.last.copy(id)
    this.entriesAdded++
    this.#length++
  }

  /**
   * As `append` of a run's entries, as many from its first on as go where the last entry is; returns how many those are.
   * 0: one at a time has to be looked at. Hot.
   */
  appendRun(run: EntryRun, limits: NodeLimits): number {
    const { id, fields } = run
    if (compareNumberIds(id, this.last) <= 0) assert.fail('IDs of a stream increase')
    const segment = this.#segments.at(-1)
    if (segment === undefined) return 0
    const names = this.#names.of(fields)
    const entries = this.nodes.appendRun(run, this.#roomFor(segment, segment.runRoom(run, names)), names, limits)
    if (entries === 0) return 0
    segment.appendRun(run, entries, names)
    this.last.setPlain(id.ms, id.seq + entries - 1)
    this.entriesAdded += entries
    this.#length += entries
    return entries
  }

  /**
   * Begins a node as it is in a file: its first ID, and its names (only those of the fields count), can be those of an entry
   * that is deleted. The entries that are appended next are in it; then `endNode` is called.
   */
  beginNode(first: NumberId, names: PackedFields): void {
    this.nodes.begin(first, this.#names.of(names))
  }

  /** So many of the node's entries are deleted, its last ID may be that of one, and its listpack has these bytes. */
  endNode(last: NumberId, deleted: number, body: number): void {
    this.nodes.end(last, deleted, body)
  }

  /** Sets the last ID, which is not below the last entry that is there. */
  setLastId(id: StreamId): void {
    const last = IdCell.of(id)
    const index = this.#segments.length - 1
    // Tombstones above it would stand before lower IDs to come, and rows are found by their order.
    if (index >= 0 && this.#segments[index]!.compareLast(last) > 0) this.#compactSegment(index)
    this.last.copy(last)
    this.nodes.capLast(last)
  }

  /** Deletes entries, each of which is there, and given once. */
  deleteAll(ids: readonly StreamId[]): void {
    this.removeAll(ids)
    for (const id of ids) {
      this.#key.setId(id)
      if (compareNumberIds(this.#key, this.maxDeleted) > 0) this.maxDeleted.copy(this.#key)
    }
  }

  /** Removes entries as a trim does: the highest deleted ID stays. */
  removeAll(ids: readonly StreamId[]): void {
    if (this.#cold === undefined || ids.length === 1) for (const id of ids) this.#removeOne(id)
    else this.#removePlanned(ids)
  }

  #removeOne(id: StreamId): void {
    const key = IdCell.of(id)
    const index = this.segmentFor(key)
    const segment = this.#segments[index]
    const row = segment?.find(key) ?? -1
    assert(segment !== undefined && row >= 0, 'an entry to delete is there')
    segment.delete(row)
    this.nodes.delete(key)
    this.#length--
    this.#tidySegment(index)
  }

  /** What is on disk only is read before anything is changed: a disk that fails leaves all as it was. */
  #removePlanned(ids: readonly StreamId[]): void {
    const plans = planDeletions(this, ids)
    for (const [segment, deletion] of plans) segment.deletePlanned(deletion)
    for (const id of ids) {
      this.#key.setId(id)
      this.nodes.delete(this.#key)
    }
    this.#length -= ids.length
    for (const segment of plans.keys()) this.#tidySegment(this.#segments.indexOf(segment))
  }

  /** Removes all entries up to an ID from the front, as a trim does; returns how many were there. */
  removeThrough(id: StreamId): number {
    const through = IdCell.of(id)
    const boundary = this.#segments[this.segmentFor(through)]
    // What is on disk only is read before anything is changed.
    if (boundary !== undefined && boundary.compareLast(through) > 0) boundary.find(through)
    const last = new IdCell()
    let removed = 0
    for (let live = this.nodes.headLive; live !== undefined; live = this.nodes.headLive) {
      this.nodes.readHeadLast(last)
      if (compareNumberIds(last, through) > 0) break
      removed += live
      this.nodes.dropHead()
    }
    const rows = this.#deleteRowsThrough(through)
    if (rows > removed) this.nodes.shrinkHead(rows - removed)
    this.#length -= rows
    return rows
  }

  /** The first segment that ends at or after the ID; the number of segments when all end before it. */
  segmentFor(id: NumberId): number {
    const index = this.#fences.find(id)
    const segment = this.#segments[index]
    return segment === undefined || segment.compareLast(id) >= 0 ? index : index + 1
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

  /** Nobody has the stream any more. Nothing to do where all of it is in memory. */
  drop(): void {
    if (this.#cold !== undefined) for (const segment of this.#segments) segment.drop()
  }

  /** The same stream once more, sharing nothing that changes: entries, nodes, counters, groups. `parent` as with `new`. */
  copy(parent?: Meter): Stream {
    const copy = new Stream(parent, this.#cold)
    copy.last.copy(this.last)
    copy.maxDeleted.copy(this.maxDeleted)
    copy.entriesAdded = this.entriesAdded
    copy.#length = this.#length
    copy.nodes.copyFrom(this.nodes)
    copy.producers = this.producers?.copy(copy.#meter)
    try {
      for (const segment of this.#segments) copy.#copySegment(segment, segment === this.#segments.at(-1))
    } catch (error) {
      // The disk did not give one of them.
      copy.chargeTo(undefined)
      copy.drop()
      throw error
    }
    for (const group of this.#groups.values()) copy.#groups.set(group.name, group.copy(copy.#meter))
    return copy
  }

  #copySegment(segment: Segment, isLast: boolean): void {
    const copied = segment.compacted(this.#meter)
    const first = new IdCell()
    copied.ids.read(0, first)
    this.#fences.insert(this.#segments.length, first)
    this.#segments.push(copied)
    if (!isLast) this.#seal(copied)
  }

  /** The stream as it is now, to be read, whatever becomes of this one: some hundred nanoseconds for each part of it. */
  picture(): Stream {
    const picture = new Stream()
    picture.last.copy(this.last)
    picture.maxDeleted.copy(this.maxDeleted)
    picture.entriesAdded = this.entriesAdded
    picture.#length = this.#length
    picture.nodes.show(this.nodes)
    picture.producers = this.producers?.picture()
    picture.#fences = this.#fences.copy()
    for (const segment of this.#segments) picture.#segments.push(segment.picture(picture.#meter))
    for (const group of this.#groups.values()) picture.#groups.set(group.name, group.picture())
    return picture
  }

  #deleteRowsThrough(through: NumberId): number {
    let removed = 0
    let dropped = 0
    for (let segment = this.#segments[0]; segment !== undefined; segment = this.#segments[dropped]) {
      if (segment.compareLast(through) > 0) break
      removed += segment.live
      segment.release()
      dropped++
    }
    if (dropped > 0) this.#drop(0, dropped)
    const head = this.#segments[0]
    if (head === undefined) return removed
    const first = new IdCell()
    head.readFirst(first)
    if (compareNumberIds(first, through) > 0) return removed
    for (let row = head.firstLive; row < head.count && head.ids.compare(row, through) <= 0; row++) {
      if (head.isDeleted(row)) continue
      head.delete(row)
      removed++
    }
    this.#tidySegment(0)
    return removed
  }

  #drop(index: number, count: number): void {
    this.#segments.splice(index, count)
    this.#fences.remove(index, count)
  }

  #tidySegment(index: number): void {
    const segment = this.#segments[index]!
    const dead = segment.count - segment.live
    if (segment.live === 0) {
      segment.release()
      this.#drop(index, 1)
    } else if (dead > segment.live && (dead > COMPACT_ROWS_MIN || segment.usedBytes > COMPACT_BYTES_MIN)) {
      this.#tryToCompact(index)
    }
  }

  /** The deletion is done: where the disk doesn't give the rest, that stays as large as it is. */
  #tryToCompact(index: number): void {
    try {
      this.#compactSegment(index)
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
    }
  }

  #compactSegment(index: number): void {
    const segment = this.#segments[index]!
    const compacted = segment.compacted()
    segment.release()
    this.#segments[index] = compacted
    if (index < this.#segments.length - 1) this.#seal(compacted)
  }

  #seal(segment: Segment): void {
    segment.seal()
    this.#cold?.adopt(segment)
  }

  #tailFor(id: NumberId, bytes: number): Segment {
    const tail = this.#segments.at(-1)
    if (tail !== undefined && tail.hasRoom(bytes) && this.#roomFor(tail, 1) > 0 && tail.ids.fits(id)) return tail
    tail?.seal()
    const created = Segment.create(id, this.#segments.length, tail, this.#meter)
    this.#fences.insert(this.#segments.length, id)
    this.#segments.push(created)
    if (tail !== undefined) this.#cold?.adopt(tail)
    return created
  }

  /** How many of so many entries a segment that has room for them may get. */
  #roomFor(segment: Segment, entries: number): number {
    if (this.#cold === undefined) return entries
    return Math.max(Math.min(entries, this.#cold.segmentRowsMax - segment.count), 0)
  }
}
