/**
 * A page is up to 1,024 consecutive nodes of a stream's node table (nodes.ts), held in columns.
 *
 *             start                          end
 *   ids      [ 1700 0 1705 2 ][ 1705 3 1708 9 ][ …      f64: first ms, first seq, last ms, last seq (number-id.ts)
 *   counts   [ 100 100 3812  ][ 0 0 3790      ][ …      u32: live, total, body
 *   names    [ ●             ][ (none)        ][ …      names of the node's first entry
 *                                   ▲
 *                              total 0: the node is gone, and waits for the page to be joined with the next one
 *
 * A `picture` shares the columns until the page is about to change: then the page takes copies.
 */
import type { StreamId } from './id.ts'
import type { Meter } from './meter.ts'
import type { NameSet } from './name-set.ts'
import { compareNumberIds, IdCell, type NumberId } from './number-id.ts'

export const PAGE_NODES_MAX = 1024
const PLACES_MIN = 2
const NODE_BYTES = 4 * 8 + 3 * 4 + 8
// The object, its two typed arrays and its array of names.
const OVERHEAD_BYTES = 500
const LIVE = 0
const TOTAL = 1
const BODY = 2
const FIRST = 0
const LAST = 2

export class NodePage {
  start = 0
  end = 0
  /** How many nodes from `start` on are gone. */
  gone = 0
  #ids: Float64Array
  #counts: Uint32Array
  #names: (NameSet | undefined)[] = []
  /** The exact IDs of those that are no plain numbers, by their place in `#ids`. */
  #wide: Map<number, StreamId> | undefined = undefined
  /** A picture has the columns as well. */
  #isShared = false
  readonly #meter: Meter

  constructor(meter: Meter, places = PLACES_MIN) {
    this.#ids = new Float64Array(places * 4)
    this.#counts = new Uint32Array(places * 3)
    this.#meter = meter
    meter.add(OVERHEAD_BYTES + places * NODE_BYTES)
  }

  /** One page with the nodes of several that are there, in order; those are to be released. */
  static joined(pages: readonly NodePage[], meter: Meter): NodePage {
    let nodes = 0
    for (const page of pages) nodes += page.count
    const joined = new NodePage(meter, Math.max(nodes, PLACES_MIN))
    for (const page of pages) for (let node = page.start; node < page.end; node++) joined.#take(page, node)
    return joined
  }

  /** How many nodes are there. */
  get count(): number {
    return this.end - this.start - this.gone
  }

  get isFull(): boolean {
    return this.end === PAGE_NODES_MAX
  }

  /** Whether the next node makes the columns grow. */
  get needsPlaces(): boolean {
    return this.end * 3 === this.#counts.length
  }

  /** Whether there are, or were, IDs that are no plain numbers. */
  get hasWide(): boolean {
    return this.#wide !== undefined
  }

  isGone(node: number): boolean {
    return this.#counts[node * 3 + TOTAL] === 0
  }

  live(node: number): number {
    return this.#counts[node * 3 + LIVE]!
  }

  total(node: number): number {
    return this.#counts[node * 3 + TOTAL]!
  }

  body(node: number): number {
    return this.#counts[node * 3 + BODY]!
  }

  names(node: number): NameSet {
    return this.#names[node]!
  }

  readFirst(node: number, into: IdCell): void {
    this.#read(node * 4 + FIRST, into)
  }

  readLast(node: number, into: IdCell): void {
    this.#read(node * 4 + LAST, into)
  }

  /** How far an ID is from the node's first one, as two numbers that are exact where the ID is plain. */
  msAfterFirst(node: number, id: NumberId): number {
    return id.ms - this.#ids[node * 4]!
  }

  seqAfterFirst(node: number, id: NumberId): number {
    return id.seq - this.#ids[node * 4 + 1]!
  }

  /** The page as it is now, to be read, whatever becomes of this one. */
  picture(meter: Meter): NodePage {
    const picture = new NodePage(meter, 0)
    picture.start = this.start
    picture.end = this.end
    picture.gone = this.gone
    picture.#ids = this.#ids
    picture.#counts = this.#counts
    picture.#names = this.#names
    picture.#wide = this.#wide
    this.#isShared = true
    return picture
  }

  /** Begins a node, which is empty yet: behind those that a picture has. */
  push(first: NumberId, names: NameSet, body: number): void {
    if (this.end * 3 === this.#counts.length) this.#grow()
    const node = this.end++
    this.#write(node * 4 + FIRST, first)
    this.#counts[node * 3 + LIVE] = 0
    this.#counts[node * 3 + TOTAL] = 0
    this.#counts[node * 3 + BODY] = body
    this.#names[node] = names
  }

  /** An entry of so many bytes was added to the node. */
  add(node: number, id: NumberId, bytes: number): void {
    if (this.#isShared) this.#unshare()
    this.#write(node * 4 + LAST, id)
    this.#counts[node * 3 + LIVE]!++
    this.#counts[node * 3 + TOTAL]!++
    this.#counts[node * 3 + BODY]! += bytes
  }

  /** So many entries were added to the node, the last under this ID; they make its body so large. */
  addRun(node: number, last: NumberId, entries: number, body: number): void {
    if (this.#isShared) this.#unshare()
    this.#write(node * 4 + LAST, last)
    this.#counts[node * 3 + LIVE]! += entries
    this.#counts[node * 3 + TOTAL]! += entries
    this.#counts[node * 3 + BODY] = body
  }

  /** The node begins and ends otherwise, and has a body of so many bytes. */
  amend(node: number, to: { readonly first: NumberId; readonly last: NumberId; readonly body: number }): void {
    if (this.#isShared) this.#unshare()
    this.#write(node * 4 + FIRST, to.first)
    this.#write(node * 4 + LAST, to.last)
    this.#counts[node * 3 + BODY] = to.body
  }

  /** The node lost so many of its entries. */
  lose(node: number, entries: number): void {
    if (this.#isShared) this.#unshare()
    this.#counts[node * 3 + LIVE]! -= entries
  }

  /** The first and the last ID of the node are not above this one from now on. */
  cap(node: number, id: NumberId, scratch: IdCell): void {
    if (this.#isShared) this.#unshare()
    this.readFirst(node, scratch)
    if (compareNumberIds(scratch, id) > 0) this.#write(node * 4 + FIRST, id)
    this.readLast(node, scratch)
    if (compareNumberIds(scratch, id) > 0) this.#write(node * 4 + LAST, id)
  }

  /** The node is gone; `start` and `end` move over those at the edges that are. */
  remove(node: number): void {
    if (this.#isShared) this.#unshare()
    this.#counts[node * 3 + TOTAL] = 0
    this.#names[node] = undefined
    this.gone++
    while (this.end > this.start && this.isGone(this.end - 1)) {
      this.end--
      this.gone--
    }
    while (this.start < this.end && this.isGone(this.start)) {
      this.start++
      this.gone--
    }
  }

  /** The last node that begins at or before the ID; `start - 1` when none does. */
  find(id: NumberId, scratch: IdCell): number {
    let low = this.start
    let high = this.end
    while (low < high) {
      const middle = (low + high) >>> 1
      this.readFirst(middle, scratch)
      if (compareNumberIds(scratch, id) <= 0) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Takes the page out of the memory account. */
  release(): void {
    this.#meter.add(-(OVERHEAD_BYTES + (this.#counts.length / 3) * NODE_BYTES))
  }

  #unshare(): void {
    this.#ids = this.#ids.slice()
    this.#counts = this.#counts.slice()
    this.#names = this.#names.slice()
    this.#wide = this.#wide && new Map(this.#wide)
    this.#isShared = false
  }

  #take(from: NodePage, node: number): void {
    if (from.isGone(node)) return
    const cell = new IdCell()
    from.readFirst(node, cell)
    this.push(cell, from.names(node), from.body(node))
    from.readLast(node, cell)
    this.#write((this.end - 1) * 4 + LAST, cell)
    this.#counts[(this.end - 1) * 3 + LIVE] = from.live(node)
    this.#counts[(this.end - 1) * 3 + TOTAL] = from.total(node)
  }

  #read(at: number, into: IdCell): void {
    into.setPlain(this.#ids[at]!, this.#ids[at + 1]!)
    if (this.#wide !== undefined) into.wide = this.#wide.get(at)
  }

  #write(at: number, id: NumberId): void {
    this.#ids[at] = id.ms
    this.#ids[at + 1] = id.seq
    if (id.wide !== undefined) this.#wide = (this.#wide ?? new Map<number, StreamId>()).set(at, id.wide)
    else this.#wide?.delete(at)
  }

  #grow(): void {
    const places = this.#counts.length / 3
    const more = Math.min(places * 2, PAGE_NODES_MAX)
    const { ids, counts } = { ids: this.#ids, counts: this.#counts }
    this.#ids = new Float64Array(more * 4)
    this.#counts = new Uint32Array(more * 3)
    this.#ids.set(ids)
    this.#counts.set(counts)
    this.#meter.add((more - places) * NODE_BYTES)
  }
}
