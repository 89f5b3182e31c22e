/**
 * A file of a simulated disk: what the system shows, and what may be left of it when the power fails.
 *
 *   sectors   [ A2 ][ B1 ][ C1 ][    ]      512 bytes each, never changed once made; undefined = a hole, reads as zeros
 *   dirty      0: A0 ◄ A1 ◄ A2              of each sector that was written since the last sync its contents, oldest
 *              2: ── ◄ C1                   (durable) to newest
 *   sizes      700 ◄ 1536 ◄ 2048            the durable size, then one for each write or truncation that changed it
 *
 * A power failure leaves any one of the sizes, and of each dirty sector any one of its contents (crash-states.ts). Since
 * sectors and versions never change, any number of images of a disk share them; an array or a map is copied by the image
 * that first changes it.
 *
 * A truncation is a change of size alone: with the size before it goes what was written before it, with the size after it
 * what was written before it is cut off.
 */

export const SECTOR_BYTES = 512

/** undefined: a hole. */
export type Sector = Uint8Array | undefined

export interface Version<T> {
  readonly value: T
  readonly time: number
  /** undefined: this is the durable one. */
  readonly before: Version<T> | undefined
  /** The durable one; undefined: it is this. */
  readonly base: Version<T> | undefined
  /** How many are before this one. */
  readonly depth: number
}

export interface SizeChange {
  readonly size: number
  readonly isTruncation: boolean
}

export class SimFile {
  readonly id: number
  #sectors: Sector[]
  #dirty: Map<number, Version<Sector>>
  #sizes: Version<SizeChange>
  /** What was written up to then, and not since, no sync makes durable: one that failed has taken it for clean. */
  #lostTime: number
  #isShared: boolean

  private constructor(id: number, sectors: Sector[], dirty: Map<number, Version<Sector>>, sizes: Version<SizeChange>) {
    this.id = id
    this.#sectors = sectors
    this.#dirty = dirty
    this.#sizes = sizes
    this.#lostTime = -1
    this.#isShared = false
  }

  static empty(id: number): SimFile {
    return SimFile.durable(id, [], 0)
  }

  /** A file all of which is durable. The array is its own from now on. */
  static durable(id: number, sectors: Sector[], size: number): SimFile {
    return new SimFile(id, sectors, new Map(), durable({ size, isTruncation: false }, -1))
  }

  /** A file of these bytes, all of them durable. */
  static of(id: number, bytes: Uint8Array): SimFile {
    const file = SimFile.empty(id)
    if (bytes.length > 0) file.write(0, file.sectorsAfter(0, bytes), bytes.length, 0)
    file.settle(0)
    return file
  }

  /** The same file on another image. */
  copy(): SimFile {
    this.#isShared = true
    const copy = new SimFile(this.id, this.#sectors, this.#dirty, this.#sizes)
    copy.#lostTime = this.#lostTime
    copy.#isShared = true
    return copy
  }

  /** The same file on another image, where all of it is durable. */
  settledCopy(): SimFile {
    this.#isShared = true
    const copy = SimFile.durable(this.id, this.#sectors, this.size)
    copy.#isShared = true
    return copy
  }

  get size(): number {
    return this.#sizes.value.size
  }

  get sectors(): readonly Sector[] {
    return this.#sectors
  }

  get dirty(): ReadonlyMap<number, Version<Sector>> {
    return this.#dirty
  }

  get sizes(): Version<SizeChange> {
    return this.#sizes
  }

  get isDurable(): boolean {
    return this.#dirty.size === 0 && this.#sizes.depth === 0
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(position + into.length, this.size)
    for (let at = position; at < end;) {
      const index = Math.floor(at / SECTOR_BYTES)
      const from = at - index * SECTOR_BYTES
      const count = Math.min(SECTOR_BYTES - from, end - at)
      const sector = this.#sectors[index]
      if (sector === undefined) into.fill(0, at - position, at - position + count)
      else into.set(sector.subarray(from, from + count), at - position)
      at += count
    }
    return Math.max(0, end - position)
  }

  /** The sectors that a write touches, as they will be, in one piece. */
  sectorsAfter(position: number, bytes: Uint8Array): Uint8Array {
    const first = Math.floor(position / SECTOR_BYTES)
    const last = Math.floor((position + bytes.length - 1) / SECTOR_BYTES)
    const buffer = new Uint8Array((last - first + 1) * SECTOR_BYTES)
    const head = this.#sectors[first]
    const tail = this.#sectors[last]
    if (head !== undefined) buffer.set(head)
    if (tail !== undefined && last !== first) buffer.set(tail, (last - first) * SECTOR_BYTES)
    buffer.set(bytes, position - first * SECTOR_BYTES)
    return buffer
  }

  /** Puts in place what `sectorsAfter` gave for a write that ends at `end`. */
  write(first: number, buffer: Uint8Array, end: number, time: number): void {
    this.#own()
    const count = buffer.length / SECTOR_BYTES
    while (this.#sectors.length < first + count) this.#sectors.push(undefined)
    for (let i = 0; i < count; i++) {
      const index = first + i
      const value = buffer.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES)
      const before = this.#dirty.get(index) ?? durable(this.#sectors[index], -1)
      this.#dirty.set(index, above(before, value, time))
      this.#sectors[index] = value
    }
    if (end > this.size) this.#resize({ size: end, isTruncation: false }, time)
  }

  truncate(size: number, time: number): void {
    if (size === this.size) return
    this.#own()
    const whole = Math.ceil(size / SECTOR_BYTES)
    if (size < this.size) {
      for (let index = Math.floor(size / SECTOR_BYTES); index < this.#sectors.length; index++) {
        if (!this.#dirty.has(index)) this.#dirty.set(index, durable(this.#sectors[index], -1))
      }
      this.#sectors.length = Math.min(whole, this.#sectors.length)
      if (size % SECTOR_BYTES !== 0) this.#sectors[whole - 1] = cut(this.#sectors[whole - 1], size % SECTOR_BYTES)
    }
    while (this.#sectors.length < whole) this.#sectors.push(undefined)
    this.#resize({ size, isTruncation: size < this.size }, time)
  }

  /** A sync that began then has succeeded. */
  settle(begin: number): void {
    this.#own()
    const cuts = truncations(this.#sizes).filter(({ time }) => time <= begin && time > this.#lostTime)
    const sizes = atTime(this.#sizes, begin)
    if (sizes.time > this.#lostTime) this.#sizes = rebased(this.#sizes, sizes, sizes.value)
    const isWhole = this.#sizes.depth === 0
    for (const [index, head] of this.#dirty) {
      const newest = atTime(head, begin)
      const settled = cuts.reduce((value, { time, value: { size } }) => {
        return time > newest.time ? cutAt(value, index, size) : value
      }, newest.value)
      if (newest.depth > 0 && newest.time <= this.#lostTime && settled === newest.value) continue
      if (newest === head && isWhole) this.#dirty.delete(index)
      else this.#dirty.set(index, rebased(head, newest, settled))
    }
  }

  /** A sync that began then has failed. */
  lose(begin: number): void {
    this.#lostTime = Math.max(this.#lostTime, begin)
  }

  #resize(value: SizeChange, time: number): void {
    this.#sizes = above(this.#sizes, value, time)
  }

  #own(): void {
    if (!this.#isShared) return
    this.#sectors = this.#sectors.slice()
    this.#dirty = new Map(this.#dirty)
    this.#isShared = false
  }
}

/** The truncations that are not durable yet, newest first. */
export function truncations(sizes: Version<SizeChange>): Version<SizeChange>[] {
  const found = []
  for (let at = sizes; at.before !== undefined; at = at.before) if (at.value.isTruncation) found.push(at)
  return found
}

/** What a truncation of the file to a size leaves of one of its sectors. */
export function cutAt(sector: Sector, index: number, size: number): Sector {
  const kept = size - index * SECTOR_BYTES
  if (kept >= SECTOR_BYTES) return sector
  return kept <= 0 ? undefined : cut(sector, kept)
}

function cut(sector: Sector, kept: number): Sector {
  return sector === undefined ? undefined : sector.slice().fill(0, kept)
}

function durable<T>(value: T, time: number): Version<T> {
  return { value, time, before: undefined, base: undefined, depth: 0 }
}

function above<T>(before: Version<T>, value: T, time: number): Version<T> {
  return { value, time, before, base: before.base ?? before, depth: before.depth + 1 }
}

/** The newest version that was there then. */
function atTime<T>(head: Version<T>, time: number): Version<T> {
  let at = head
  while (at.time > time && at.before !== undefined) at = at.before
  return at
}

/** The versions above one that is durable now, on top of it. */
function rebased<T>(head: Version<T>, settled: Version<T>, value: T): Version<T> {
  const later = []
  for (let at = head; at !== settled; at = at.before!) later.push(at)
  let top = durable(value, settled.time)
  for (const { value, time } of later.toReversed()) top = above(top, value, time)
  return top
}
