/**
 * The field names of an entry, in order. Entries of a stream mostly have the same ones, so a set is made once and then
 * shared: by the segments (which store values only) and by the logical nodes (whose size depends on it).
 *
 *   entry  name "Ann" age "41"   ──►  NameSet [name, age]  ◄── segment 0, segment 1, node 0 … 20,000
 */
import { listpackBytesSize } from './listpack-size.ts'

export class NameSet {
  readonly names: readonly Uint8Array[]
  /** Length of all names together. */
  readonly bytes: number
  /** What the names take in a Redis listpack. */
  readonly listpackBytes: number

  /** Copies the names out of `fields` (name, value, name, value, …). */
  private constructor(fields: readonly Uint8Array[]) {
    const names: Uint8Array[] = []
    let bytes = 0
    let listpackBytes = 0
    for (let i = 0; i < fields.length; i += 2) {
      const name = Uint8Array.prototype.slice.call(fields[i]!)
      names.push(name)
      bytes += name.length
      listpackBytes += listpackBytesSize(name)
    }
    this.names = names
    this.bytes = bytes
    this.listpackBytes = listpackBytes
  }

  static of(fields: readonly Uint8Array[]): NameSet {
    return new NameSet(fields)
  }

  equals(other: NameSet): boolean {
    if (this === other) return true
    if (this.names.length !== other.names.length || this.bytes !== other.bytes) return false
    for (let i = 0; i < this.names.length; i++) if (!sameBytes(this.names[i]!, other.names[i]!)) return false
    return true
  }

  /** Whether these are the names of `fields`. */
  matches(fields: readonly Uint8Array[]): boolean {
    if (this.names.length * 2 !== fields.length) return false
    for (let i = 0; i < this.names.length; i++) if (!sameBytes(this.names[i]!, fields[i * 2]!)) return false
    return true
  }
}

// More than this many different sets in turn are no longer recognised, only compared where it matters.
const RECENT_MAX = 8

/** The sets that a stream used last, so that a repeated one is the same object. */
export class RecentNameSets {
  readonly #recent: NameSet[] = []

  of(fields: readonly Uint8Array[]): NameSet {
    const recent = this.#recent
    for (let i = 0; i < recent.length; i++) if (recent[i]!.matches(fields)) return recent[i]!
    const made = NameSet.of(fields)
    recent.unshift(made)
    if (recent.length > RECENT_MAX) recent.pop()
    return made
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
