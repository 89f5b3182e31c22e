/**
 * The field names of an entry, in order. Entries of a stream mostly have the same ones, so a set is made once and then
 * shared: by the segments (which store values only) and by the logical nodes (whose size depends on it).
 *
 *   entry  name "Ann" age "41"   ──►  NameSet [name, age]  ◄── segment 0, segment 1, node 0 … 20,000
 *
 *   packed   n a m e a g e        all names in one array: recognising an entry's is one loop over bytes
 *   ends     4       7
 */
import { listpackBytesSize } from './listpack-size.ts'
import type { PackedFields } from './packed-fields.ts'

export class NameSet {
  readonly names: readonly Uint8Array[]
  /** What the names take in a Redis listpack. */
  readonly listpackBytes: number
  readonly #packed: Uint8Array
  readonly #ends: Int32Array

  private constructor(packed: Uint8Array, ends: Int32Array) {
    const names: Uint8Array[] = []
    let listpackBytes = 0
    for (let i = 0; i < ends.length; i++) {
      const start = i === 0 ? 0 : ends[i - 1]!
      names.push(packed.subarray(start, ends[i]!))
      listpackBytes += listpackBytesSize(packed, start, ends[i]!)
    }
    this.names = names
    this.listpackBytes = listpackBytes
    this.#packed = packed
    this.#ends = ends
  }

  /** Copies the names out of an entry's fields. */
  static of(fields: PackedFields): NameSet {
    const { bytes, starts, ends, first, count } = fields
    const nameEnds = new Int32Array(count / 2)
    let length = 0
    for (let i = 0; i < nameEnds.length; i++) {
      length += ends[first + i * 2]! - starts[first + i * 2]!
      nameEnds[i] = length
    }
    const packed = new Uint8Array(length)
    for (let i = 0; i < nameEnds.length; i++) {
      const at = first + i * 2
      packed.set(bytes.subarray(starts[at], ends[at]), i === 0 ? 0 : nameEnds[i - 1]!)
    }
    return new NameSet(packed, nameEnds)
  }

  get count(): number {
    return this.#ends.length
  }

  /** Length of all names together. */
  get bytes(): number {
    return this.#packed.length
  }

  /** The object, the packed names, and a view for each. */
  get memoryBytes(): number {
    return this.bytes + 120 * this.names.length + 100
  }

  equals(other: NameSet): boolean {
    if (this === other) return true
    if (this.#ends.length !== other.#ends.length || this.#packed.length !== other.#packed.length) return false
    for (let i = 0; i < this.#ends.length; i++) if (this.#ends[i] !== other.#ends[i]) return false
    for (let i = 0; i < this.#packed.length; i++) if (this.#packed[i] !== other.#packed[i]) return false
    return true
  }

  /** Whether these are the names of `fields`. */
  matches(fields: PackedFields): boolean {
    const ours = this.#packed
    const ourEnds = this.#ends
    const { bytes, starts, ends, first, count } = fields
    if (ourEnds.length * 2 !== count) return false
    let at = 0
    for (let i = 0; i < ourEnds.length; i++) {
      const start = starts[first + i * 2]!
      const end = ends[first + i * 2]!
      if (at + end - start !== ourEnds[i]) return false
      for (let from = start; from < end; from++) if (bytes[from] !== ours[at++]) return false
    }
    return true
  }
}

// More than this many different sets in turn are no longer recognised, only compared where it matters.
const RECENT_MAX = 8

/** The sets that a stream used last, so that a repeated one is the same object. */
export class RecentNameSets {
  readonly #recent: NameSet[] = []

  of(fields: PackedFields): NameSet {
    const recent = this.#recent
    for (let i = 0; i < recent.length; i++) if (recent[i]!.matches(fields)) return recent[i]!
    const made = NameSet.of(fields)
    recent.unshift(made)
    if (recent.length > RECENT_MAX) recent.pop()
    return made
  }
}

/** What name sets take. */
export function bytesOfNames(sets: readonly NameSet[]): number {
  let bytes = 0
  for (const { memoryBytes } of sets) bytes += memoryBytes
  return bytes
}
