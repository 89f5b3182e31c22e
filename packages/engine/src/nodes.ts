/**
 * Where Redis would have ended its listpack nodes. `~` trimming removes whole nodes only, so to trim what Redis would
 * trim we keep its boundaries, apart from the segments in which entries really are.
 *
 *              head                                    tail
 *   node     [ 0        ][ 1        ][ 2        ] … [ n        ]
 *   first      1700-0      1705-3      1709-0          1800-0      ID of the first entry ever in it
 *   last       1705-2      1708-9      1711-4          1800-7      ID of the last one, deleted or not
 *   live       100         0           97              8           entries that are there
 *   total      100         0           100             8           the deleted ones too; 0 = the node was emptied, is gone
 *   body       3,812       …                                       listpack bytes but the two counters
 *   names      ●           ●           ●               ●           names of its first entry: entries with the same omit them
 *             └──── page 0 ────┘ └──── page 1 … ────────────┘      node-page.ts: no node is moved when others come or go
 *
 * A node ends at `entriesMax` entries or when its listpack and the new entry's text would reach `bytesMax`.
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import { LISTPACK_EMPTY_BYTES, listpackBytesSize, listpackIntegerSize } from './listpack-size.ts'
import type { Meter } from './meter.ts'
import type { NameSet } from './name-set.ts'
import { NodePage, PAGE_NODES_MAX } from './node-page.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { fieldBytes, type EntryRun, type PackedFields } from './packed-fields.ts'

export interface NodeLimits {
  /** Entries of a node, deleted ones included; 0 = no limit. Redis: stream-node-max-entries. */
  readonly entriesMax: number
  /** Bytes of a node; 0 = 1 GiB. Redis: stream-node-max-bytes. */
  readonly bytesMax: number
}

/** A node as the table holds it. */
export interface NodePicture {
  readonly firstId: StreamId
  readonly lastId: StreamId
  readonly live: number
  readonly total: number
  readonly body: number
  readonly names: NameSet
}

const LISTPACK_BYTES_MAX = 1 << 30
const GONE_MIN = 64
const JOINED_NODES_MAX = PAGE_NODES_MAX / 2

export class Nodes {
  readonly #pages: NodePage[] = []
  /** Of how many nodes each set of names is that of the first entry. */
  readonly #names = new Map<NameSet, number>()
  #count = 0
  readonly #scratch = new IdCell()
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /** How many nodes there are. */
  get count(): number {
    return this.#count
  }

  /** Entries in the first node that are not deleted; undefined when there is no node. */
  get headLive(): number | undefined {
    const page = this.#pages[0]
    return page?.live(page.start)
  }

  /** Leaves the last ID of the first node in a cell. */
  readHeadLast(into: IdCell): void {
    const page = this.#pages[0]!
    page.readLast(page.start, into)
  }

  /** The nodes from the first on, until `visit` returns false: how many entries are in each, and its last ID (to be copied by who keeps it). */
  walk(visit: (live: number, last: NumberId) => boolean): void {
    const last = new IdCell()
    for (const page of this.#pages) {
      for (let node = page.start; node < page.end; node++) {
        if (page.isGone(node)) continue
        page.readLast(node, last)
        if (!visit(page.live(node), last)) return
      }
    }
  }

  /** The ID of the first entry that was ever in each node, in order (to be copied by who keeps it). */
  *firstIds(): IterableIterator<NumberId> {
    const first = new IdCell()
    for (const page of this.#pages) {
      for (let node = page.start; node < page.end; node++) {
        if (page.isGone(node)) continue
        page.readFirst(node, first)
        yield first
      }
    }
  }

  /** Everything that is known of each node, in order. */
  *pictures(): IterableIterator<NodePicture> {
    const [first, last] = [new IdCell(), new IdCell()]
    for (const page of this.#pages) {
      for (let node = page.start; node < page.end; node++) {
        if (page.isGone(node)) continue
        page.readFirst(node, first)
        page.readLast(node, last)
        const [live, total, body, names] = [page.live(node), page.total(node), page.body(node), page.names(node)]
        yield { firstId: toStreamId(first), lastId: toStreamId(last), live, total, body, names }
      }
    }
  }

  /** Whether an entry with these fields would begin a new node. */
  startsNode(fields: PackedFields, limits: NodeLimits): boolean {
    const page = this.#pages.at(-1)
    if (page === undefined) return true
    const tail = page.end - 1
    const live = page.live(tail)
    const total = page.total(tail)
    if (limits.entriesMax > 0 && total >= limits.entriesMax) return true
    const counters = listpackIntegerSize(live) + listpackIntegerSize(total - live)
    return page.body(tail) + counters + fieldBytes(fields) >= nodeBytesMax(limits)
  }

  /** Begins a node, which is empty yet, and has to get an entry before anything else happens. */
  begin(id: NumberId, names: NameSet): void {
    const pairs = listpackIntegerSize(names.count)
    const body = LISTPACK_EMPTY_BYTES + pairs + names.listpackBytes + listpackIntegerSize(0)
    // Of a stream that is trimmed all the time the page stays as small as the stream.
    if (this.#pages.length > 0 && this.#pages.at(-1)!.needsPlaces) this.#tidy(this.#pages.length - 1)
    let page = this.#pages.at(-1)
    if (page === undefined || page.isFull) {
      // Behind a full page the next will be full as well, most likely.
      page = new NodePage(this.#meter, page === undefined ? undefined : PAGE_NODES_MAX / 4)
      this.#pages.push(page)
    }
    page.push(id, names, body)
    this.#keepNames(names, 1)
    this.#count++
  }

  /** The last node has so many deleted entries as well, ends with this ID, and its body has so many bytes. */
  end(last: NumberId, deleted: number, body: number): void {
    const page = this.#pages.at(-1)
    assert(page !== undefined, 'a node that was begun')
    const tail = page.end - 1
    page.addRun(tail, last, deleted, body)
    page.lose(tail, deleted)
  }

  append(id: NumberId, fields: PackedFields, names: NameSet, isNew: boolean): void {
    if (isNew) this.begin(id, names)
    const page = this.#pages.at(-1)
    if (page === undefined) assert.fail('the first entry begins a node')
    const tail = page.end - 1
    page.add(tail, id, this.#entryBytes(page, id, fields, names))
  }

  /**
   * As `append` of the first `entriesMax` entries of a run, as many as do not begin a node; returns how many those are. 0
   * also where one at a time has to be looked at. Hot.
   */
  appendRun(run: EntryRun, entriesMax: number, names: NameSet, limits: NodeLimits): number {
    const page = this.#pages.at(-1)
    const tail = page === undefined ? -1 : page.end - 1
    if (page === undefined || page.hasWide || page.isGone(tail) || !page.names(tail).equals(names)) return 0
    const { id, fields } = run
    const { bytes: text, starts, ends, first, count } = fields
    const live = page.live(tail)
    const total = page.total(tail)
    const most = Math.min(entriesMax, limits.entriesMax > 0 ? limits.entriesMax - total : entriesMax)
    const deletedBytes = listpackIntegerSize(total - live)
    const room = nodeBytesMax(limits) - names.bytes - deletedBytes
    const fixedBytes = 2 + listpackIntegerSize(page.msAfterFirst(tail, id)) + listpackIntegerSize(count / 2 + 3)
    const seqFrom = page.seqAfterFirst(tail, id)
    let body = page.body(tail)
    let added = 0
    for (let at = first + 1; added < most; added++, at += count) {
      let valueBytes = 0
      let elementBytes = 0
      for (let i = at; i < at + count; i += 2) {
        valueBytes += ends[i]! - starts[i]!
        elementBytes += listpackBytesSize(text, starts[i]!, ends[i]!)
      }
      if (body + listpackIntegerSize(live + added) + valueBytes >= room) break
      body += fixedBytes + listpackIntegerSize(seqFrom + added) + elementBytes
    }
    if (added <= 0) return 0
    this.#scratch.setPlain(id.ms, id.seq + added - 1)
    page.addRun(tail, this.#scratch, added, body)
    return added
  }

  /** An entry was deleted on its own (XDEL): a node that loses its last entry is gone. */
  delete(id: NumberId): void {
    const index = this.#pageFor(id)
    const page = this.#pages[index]!
    const node = page.find(id, this.#scratch)
    assert(node >= page.start && page.live(node) > 0, 'an entry is in a node')
    page.lose(node, 1)
    if (page.live(node) > 0) return
    this.#remove(page, node)
    this.#tidy(index)
  }

  /** Drops the first node whole. */
  dropHead(): void {
    const page = this.#pages[0]
    assert(page !== undefined, 'a node to drop')
    this.#remove(page, page.start)
    if (page.count === 0) this.#tidy(0)
  }

  /** The first node lost so many entries to an exact trim; unlike with `delete` it stays even when empty. */
  shrinkHead(entries: number): void {
    const page = this.#pages[0]
    assert(page !== undefined && page.live(page.start) >= entries, 'a node has the entries that it loses')
    page.lose(page.start, entries)
  }

  /** IDs above this one, which are all of deleted entries, can come again: the last node is to begin and end no later. */
  capLast(id: NumberId): void {
    const page = this.#pages.at(-1)
    page?.cap(page.end - 1, id, this.#scratch)
  }

  /** Takes the nodes of another table; it has none of its own: for a copy of a stream. */
  copyFrom(other: Nodes): void {
    for (const page of other.#pages) this.#pages.push(NodePage.joined([page], this.#meter))
    this.#count = other.#count
    for (const [names, nodes] of other.#names) this.#keepNames(names, nodes)
  }

  /** A node, by its index, is as a file tells. */
  amend(index: number, node: Pick<NodePicture, 'firstId' | 'lastId' | 'body'>): void {
    let skip = index
    for (const page of this.#pages) {
      if (skip >= page.count) {
        skip -= page.count
        continue
      }
      let at = page.start
      while (skip > 0 || page.isGone(at)) if (!page.isGone(at++)) skip--
      page.amend(at, { first: IdCell.of(node.firstId), last: IdCell.of(node.lastId), body: node.body })
      return
    }
    assert.fail('an index below the number of nodes')
  }

  /** From now on shows another table as it is now, to be read, whatever becomes of that one; has no nodes of its own. */
  show(other: Nodes): void {
    for (const page of other.#pages) this.#pages.push(page.picture(this.#meter))
    this.#count = other.#count
  }

  #remove(page: NodePage, node: number): void {
    this.#keepNames(page.names(node), -1)
    page.remove(node)
    this.#count--
  }

  /** So many nodes more, or fewer, hold on to a set. Its first one pays for it, with segments that have it as well. */
  #keepNames(names: NameSet, nodes: number): void {
    const before = this.#names.get(names) ?? 0
    const after = before + nodes
    if (before === 0) this.#meter.add(names.memoryBytes)
    if (after > 0) this.#names.set(names, after)
    else {
      this.#names.delete(names)
      this.#meter.add(-names.memoryBytes)
    }
  }

  #entryBytes(page: NodePage, id: NumberId, fields: PackedFields, names: NameSet): number {
    const { bytes: text, starts, ends, first, count } = fields
    const tail = page.end - 1
    // Flags, the ID's distance from the node's first, and at the end how many elements there are (to walk backwards).
    let bytes = 2 + this.#distanceBytes(page, id)
    for (let i = first + 1; i < first + count; i += 2) bytes += listpackBytesSize(text, starts[i]!, ends[i]!)
    const pairs = count / 2
    if (page.names(tail).equals(names)) return bytes + listpackIntegerSize(pairs + 3)
    return bytes + listpackIntegerSize(pairs) + names.listpackBytes + listpackIntegerSize(pairs * 2 + 4)
  }

  #distanceBytes(page: NodePage, id: NumberId): number {
    const tail = page.end - 1
    if (id.wide === undefined && !page.hasWide)
      return listpackIntegerSize(page.msAfterFirst(tail, id)) + listpackIntegerSize(page.seqAfterFirst(tail, id))
    // As Redis: the distance is stored as a signed number of 64 bits, and wraps around.
    page.readFirst(tail, this.#scratch)
    const first = toStreamId(this.#scratch)
    const exact = toStreamId(id)
    const ms = Number(BigInt.asIntN(64, exact.ms - first.ms))
    return listpackIntegerSize(ms) + listpackIntegerSize(Number(BigInt.asIntN(64, exact.seq - first.seq)))
  }

  /** The last page that begins at or before the ID. */
  #pageFor(id: NumberId): number {
    let low = 0
    let high = this.#pages.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      const page = this.#pages[middle]!
      page.readFirst(page.start, this.#scratch)
      if (compareNumberIds(this.#scratch, id) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  /** A page without nodes goes; one that is half gone is written anew, together with the next one where both are small. */
  #tidy(index: number): void {
    const page = this.#pages[index]!
    if (page.count === 0) {
      page.release()
      this.#pages.splice(index, 1)
      return
    }
    const unused = page.start + page.gone
    if (unused * 2 < page.end || (unused < GONE_MIN && !page.needsPlaces)) return
    const next = this.#pages[index + 1]
    const isJoined = next !== undefined && page.count + next.count <= JOINED_NODES_MAX
    const old = isJoined ? [page, next] : [page]
    const joined = NodePage.joined(old, this.#meter)
    for (const one of old) one.release()
    this.#pages.splice(index, old.length, joined)
  }
}

function nodeBytesMax({ bytesMax }: NodeLimits): number {
  return bytesMax === 0 ? LISTPACK_BYTES_MAX : Math.min(bytesMax, LISTPACK_BYTES_MAX)
}
