/**
 * Damage to a simulated disk: what a worn or confused one does to data that had been durable. Edits are durable at
 * once, with the names of the directory; they are no operations, meet no faults, and a file that is open stays what it was.
 *
 *   const damaged = fs.settled()
 *   new ImageEditor(damaged).flipBit('/data/journal-000001', 1234)
 */
import { SECTOR_BYTES } from './sim-file.ts'
import type { SimFs } from './sim-fs.ts'

export class ImageEditor {
  readonly #fs: SimFs

  constructor(fs: SimFs) {
    this.#fs = fs
  }

  read(path: string): Uint8Array {
    return this.#fs.contents(path)
  }

  /** Puts these bytes in place of a file's, or makes one. */
  write(path: string, bytes: Uint8Array): void {
    this.#fs.replace(path, bytes)
  }

  /** Bit 0 is the lowest of the first byte. */
  flipBit(path: string, bit: number): void {
    this.#edit(path, (bytes) => {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      return bytes
    })
  }

  /** Sectors of zeros, as after a write that got lost. */
  zeroSectors(path: string, first: number, count = 1): void {
    this.#edit(path, (bytes) => bytes.fill(0, first * SECTOR_BYTES, (first + count) * SECTOR_BYTES))
  }

  /** A sector's contents once more behind it; what follows moves on. */
  duplicateSector(path: string, index: number): void {
    this.#edit(path, (bytes) =>
      joined(bytes.subarray(0, (index + 1) * SECTOR_BYTES), bytes.subarray(index * SECTOR_BYTES)),
    )
  }

  /** Without a sector; what follows moves up. */
  removeSector(path: string, index: number): void {
    this.#edit(path, (bytes) =>
      joined(bytes.subarray(0, index * SECTOR_BYTES), bytes.subarray((index + 1) * SECTOR_BYTES)),
    )
  }

  /** One sector's contents in the place of another's, as after a write that went astray. */
  copySector(path: string, from: number, to: number): void {
    this.#edit(path, (bytes) => bytes.copyWithin(to * SECTOR_BYTES, from * SECTOR_BYTES, (from + 1) * SECTOR_BYTES))
  }

  swapSectors(path: string, one: number, other: number): void {
    this.#edit(path, (bytes) => {
      const kept = bytes.slice(one * SECTOR_BYTES, (one + 1) * SECTOR_BYTES)
      bytes.copyWithin(one * SECTOR_BYTES, other * SECTOR_BYTES, other * SECTOR_BYTES + kept.length)
      bytes.set(kept.subarray(0, bytes.length - other * SECTOR_BYTES), other * SECTOR_BYTES)
      return bytes
    })
  }

  /** To a smaller size, or with zeros to a larger one. */
  truncate(path: string, size: number): void {
    this.#edit(path, (bytes) => joined(bytes.subarray(0, size), new Uint8Array(Math.max(0, size - bytes.length))))
  }

  append(path: string, more: Uint8Array): void {
    this.#edit(path, (bytes) => joined(bytes, more))
  }

  remove(path: string): void {
    this.#fs.replace(path, undefined)
  }

  /** The same file under another name as well, in place of what had it. */
  double(path: string, to: string): void {
    this.write(to, this.read(path))
  }

  #edit(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    this.write(path, change(this.read(path)))
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + tail.length)
  bytes.set(head)
  bytes.set(tail, head.length)
  return bytes
}
