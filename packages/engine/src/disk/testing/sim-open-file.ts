/** An open file of a simulated disk, or a directory that was opened to be read, which fails as it does in Node. */
import type { OpenFile } from '../files.ts'
import type { Trouble } from './faults.ts'
import { FsError } from './fs-error.ts'
import type { SimNode } from './sim-directory.ts'
import { SimFile } from './sim-file.ts'
import type { SimOperations, SyncTarget } from './sim-operations.ts'

export class SimOpenFile implements OpenFile {
  readonly #operations: SimOperations
  readonly #node: SimNode
  readonly #path: string
  readonly #isWritable: boolean
  #isOpen = true

  constructor(operations: SimOperations, node: SimNode, path: string, isWritable: boolean) {
    this.#operations = operations
    this.#node = node
    this.#path = path
    this.#isWritable = isWritable
  }

  read(into: Uint8Array, position: number): number {
    mustBePlace(position)
    if (into.length === 0) return 0
    return this.#operations.operate('read', { path: this.#path, position, bytes: into.length }, (trouble) => {
      const count = this.#file('read').read(into, position)
      if (trouble?.flipBit !== undefined && count > 0) {
        const bit = trouble.flipBit % (count * 8)
        into[bit >> 3]! ^= 1 << (bit & 7)
      }
      return count
    })
  }

  write(bytes: Uint8Array, position: number): number {
    mustBePlace(position)
    return this.#operations.operate('write', { path: this.#path, position, bytes: bytes.length }, (trouble) => {
      if (!this.#isOpen || !this.#isWritable) throw new FsError('EBADF', 'write')
      const file = this.#file('write')
      const length = this.#lengthWritten(file, bytes.length, position, trouble)
      if (length > 0) {
        const buffer = file.sectorsAfter(position, bytes.subarray(0, length))
        this.#operations.apply({ kind: 'write', id: file.id, position, length, buffer })
      }
      if (trouble?.error !== undefined) throw new FsError(trouble.error, 'write')
      return length
    })
  }

  sync(): Promise<void> {
    return this.#operations.sync(this.#syncTarget())
  }

  syncNow(): void {
    this.#operations.syncNow(this.#syncTarget())
  }

  truncate(size: number): void {
    mustBePlace(size)
    this.#operations.operate('truncate', { path: this.#path, bytes: size }, () => {
      if (this.#isOpen && !this.#isWritable) throw new FsError('EINVAL', 'ftruncate')
      const file = this.#file('ftruncate')
      if (size !== file.size) this.#operations.apply({ kind: 'truncate', id: file.id, size })
    })
  }

  size(): number {
    return this.#operations.operate('size', { path: this.#path }, () => this.#file('fstat').size)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#operations.operate('close', { path: this.#path }, () => undefined)
  }

  #file(syscall: string): SimFile {
    if (!this.#isOpen) throw new FsError('EBADF', syscall)
    if (!(this.#node instanceof SimFile)) throw new FsError('EISDIR', syscall)
    return this.#node
  }

  #lengthWritten(file: SimFile, length: number, position: number, trouble: Trouble | undefined): number {
    const wanted = trouble?.bytes ?? (trouble?.error === undefined ? length : 0)
    const { quotaBytes } = this.#operations
    if (quotaBytes === Infinity || position + wanted <= file.size) return wanted
    const free = Math.max(0, quotaBytes - this.#operations.disk.usedBytes())
    const fitting = Math.min(wanted, file.size + free - position)
    if (fitting <= 0 && wanted > 0) throw new FsError('ENOSPC', 'write')
    return fitting
  }

  /** A file that is closed while it is synced: Node may sync whatever else has been opened since, so it isn't durable. */
  #syncTarget(): SyncTarget {
    const node = (): SimNode => {
      if (!this.#isOpen) throw new FsError('EBADF', 'fdatasync')
      return this.#node
    }
    return { kind: 'sync', path: this.#path, node, isOpen: () => this.#isOpen }
  }
}

/** Node refuses others itself, and a place behind 2^53 is a mistake of ours. */
function mustBePlace(place: number): void {
  if (!Number.isSafeInteger(place) || place < 0) throw new RangeError(`${place} is no place in a file`)
}
