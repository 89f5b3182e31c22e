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
 *
 * A node ends at `entriesMax` entries or when its listpack and the new entry's text would reach `bytesMax`.
 */
import assert from 'node:assert'
import { compareIds, type StreamId } from './id.ts'
import { LISTPACK_EMPTY_BYTES, listpackBytesSize, listpackIntegerSize } from './listpack-size.ts'
import type { Meter } from './meter.ts'
import type { NameSet } from './name-set.ts'

export interface NodeLimits {
  /** Entries of a node, deleted ones included; 0 = no limit. Redis: stream-node-max-entries. */
  readonly entriesMax: number
  /** Bytes of a node; 0 = 1 GiB. Redis: stream-node-max-bytes. */
  readonly bytesMax: number
}

const LISTPACK_BYTES_MAX = 1 << 30
const NODES_MIN = 4
const GONE_MIN = 64
const NODE_BYTES = 4 * 8 + 3 * 4 + 8

export class Nodes {
  #head = 0
  #end = 0
  #gone = 0
  #ids = new BigUint64Array(NODES_MIN * 4)
  #live = new Uint32Array(NODES_MIN)
  #total = new Uint32Array(NODES_MIN)
  #body = new Uint32Array(NODES_MIN)
  #names: (NameSet | undefined)[] = []
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
    meter.add(NODES_MIN * NODE_BYTES)
  }

  /** How many nodes there are. */
  get count(): number {
    return this.#end - this.#head - this.#gone
  }

  /** Entries in the first node that are not deleted; undefined when there is no node. */
  get headLive(): number | undefined {
    return this.#head === this.#end ? undefined : this.#live[this.#head]!
  }

  /** The last ID of the first node. */
  get headLast(): StreamId {
    return this.#idAt(this.#head, 2)
  }

  /** The nodes from the first on, until `visit` returns false: how many entries are in each, and its last ID. */
  walk(visit: (live: number, last: StreamId) => boolean): void {
    for (let node = this.#head; node < this.#end; node++) {
      if (this.#total[node]! > 0 && !visit(this.#live[node]!, this.#idAt(node, 2))) return
    }
  }

  /** Whether an entry with these fields would begin a new node. */
  startsNode(fields: readonly Uint8Array[], limits: NodeLimits): boolean {
    if (this.#head === this.#end) return true
    const tail = this.#end - 1
    const live = this.#live[tail]!
    const total = this.#total[tail]!
    let textBytes = 0
    for (let i = 0; i < fields.length; i++) textBytes += fields[i]!.length
    const counters = listpackIntegerSize(BigInt(live)) + listpackIntegerSize(BigInt(total - live))
    const bytesMax = limits.bytesMax === 0 ? LISTPACK_BYTES_MAX : Math.min(limits.bytesMax, LISTPACK_BYTES_MAX)
    if (this.#body[tail]! + counters + textBytes >= bytesMax) return true
    return limits.entriesMax > 0 && total >= limits.entriesMax
  }

  append(id: StreamId, fields: readonly Uint8Array[], names: NameSet, isNew: boolean): void {
    if (isNew) this.#begin(id, names)
    const tail = this.#end - 1
    assert(tail >= this.#head, 'the first entry begins a node')
    this.#ids[tail * 4 + 2] = id.ms
    this.#ids[tail * 4 + 3] = id.seq
    this.#live[tail]!++
    this.#total[tail]!++
    this.#body[tail]! += this.#entryBytes(tail, id, fields, names)
  }

  /** An entry was deleted on its own (XDEL): a node that loses its last entry is gone. */
  delete(id: StreamId): void {
    const node = this.#find(id)
    this.#live[node]!--
    if (this.#live[node]! > 0) return
    this.#total[node] = 0
    this.#names[node] = undefined
    this.#gone++
    while (this.#end > this.#head && this.#total[this.#end - 1] === 0) {
      this.#end--
      this.#gone--
    }
    this.#skipGone()
    if (this.#gone > GONE_MIN && this.#gone * 2 > this.#end - this.#head) this.#resize()
  }

  /** Drops the first node whole. */
  dropHead(): void {
    assert(this.#head < this.#end, 'a node to drop')
    this.#names[this.#head] = undefined
    this.#head++
    this.#skipGone()
  }

  /** The first node lost so many entries to an exact trim; unlike with `delete` it stays even when empty. */
  shrinkHead(entries: number): void {
    assert(this.#live[this.#head]! >= entries, 'a node has the entries that it loses')
    this.#live[this.#head]! -= entries
  }

  /** Takes the nodes of another table, in place of its own: for a copy of a stream. */
  copyFrom(other: Nodes): void {
    this.#meter.add((other.#live.length - this.#live.length) * NODE_BYTES)
    this.#head = other.#head
    this.#end = other.#end
    this.#gone = other.#gone
    this.#ids = other.#ids.slice()
    this.#live = other.#live.slice()
    this.#total = other.#total.slice()
    this.#body = other.#body.slice()
    this.#names = other.#names.slice()
  }

  #skipGone(): void {
    while (this.#head < this.#end && this.#total[this.#head] === 0) {
      this.#head++
      this.#gone--
    }
  }

  #begin(id: StreamId, names: NameSet): void {
    if (this.#end === this.#live.length) this.#resize()
    const node = this.#end++
    this.#ids[node * 4] = id.ms
    this.#ids[node * 4 + 1] = id.seq
    this.#live[node] = 0
    this.#total[node] = 0
    this.#names[node] = names
    const pairs = listpackIntegerSize(BigInt(names.names.length))
    this.#body[node] = LISTPACK_EMPTY_BYTES + pairs + names.listpackBytes + listpackIntegerSize(0n)
  }

  #entryBytes(node: number, id: StreamId, fields: readonly Uint8Array[], names: NameSet): number {
    const ms = BigInt.asIntN(64, id.ms - this.#ids[node * 4]!)
    const seq = BigInt.asIntN(64, id.seq - this.#ids[node * 4 + 1]!)
    // Flags, the ID's distance from the node's first, and at the end how many elements there are (to walk backwards).
    let bytes = 2 + listpackIntegerSize(ms) + listpackIntegerSize(seq)
    for (let i = 1; i < fields.length; i += 2) bytes += listpackBytesSize(fields[i]!)
    const pairs = fields.length / 2
    if (this.#names[node]!.equals(names)) return bytes + listpackIntegerSize(BigInt(pairs + 3))
    const pairsBytes = listpackIntegerSize(BigInt(pairs))
    return bytes + pairsBytes + names.listpackBytes + listpackIntegerSize(BigInt(pairs * 2 + 4))
  }

  /** The node that holds an entry. */
  #find(id: StreamId): number {
    let low = this.#head
    let high = this.#end - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (compareIds(this.#idAt(middle, 0), id) <= 0) low = middle
      else high = middle - 1
    }
    assert(this.#live[low]! > 0, 'an entry is in a node')
    return low
  }

  #idAt(node: number, column: 0 | 2): StreamId {
    return { ms: this.#ids[node * 4 + column]!, seq: this.#ids[node * 4 + column + 1]! }
  }

  /** Copies the nodes that are there to the front of new columns with as many free places again. */
  #resize(): void {
    const kept = this.count
    const places = Math.max(NODES_MIN, kept * 2)
    this.#meter.add((places - this.#live.length) * NODE_BYTES)
    const old = { ids: this.#ids, live: this.#live, total: this.#total, body: this.#body, names: this.#names }
    this.#ids = new BigUint64Array(places * 4)
    this.#live = new Uint32Array(places)
    this.#total = new Uint32Array(places)
    this.#body = new Uint32Array(places)
    this.#names = []
    for (let from = this.#head, to = 0; from < this.#end; from++) {
      if (old.total[from] === 0) continue
      this.#ids.set(old.ids.subarray(from * 4, from * 4 + 4), to * 4)
      this.#live[to] = old.live[from]!
      this.#total[to] = old.total[from]!
      this.#body[to] = old.body[from]!
      this.#names[to++] = old.names[from]
    }
    this.#head = 0
    this.#end = kept
    this.#gone = 0
  }
}
