/**
 * An image of a simulated disk, and the effects that change it. Effects name files by number, so that what one image went
 * through can be gone through again by a copy of it, and a crash be met at each step.
 *
 *   SimFs ── effect ──► image as it is now          crash states ◄── image as it was at step k ◄── the same effects
 */
import { SimDirectory, type SimNode } from './sim-directory.ts'
import { SECTOR_BYTES, SimFile } from './sim-file.ts'

export type Effect =
  | { readonly kind: 'create'; readonly directory: number; readonly name: string; readonly id: number }
  | { readonly kind: 'makeDirectory'; readonly directory: number; readonly name: string; readonly id: number }
  | { readonly kind: 'rename'; readonly directory: number; readonly name: string; readonly to: string }
  | { readonly kind: 'remove'; readonly directory: number; readonly name: string }
  | Write
  | { readonly kind: 'truncate'; readonly id: number; readonly size: number }
  /** A sync that began at a time has ended; it has lost what it covered, or made it durable. */
  | { readonly kind: 'synced'; readonly id: number; readonly begin: number; readonly isLost: boolean }
  /** A file is put in place of what had the name, or nothing is, durable at once. */
  | { readonly kind: 'edit'; readonly directory: number; readonly name: string; readonly file: SimFile | undefined }

export interface Write {
  readonly kind: 'write'
  readonly id: number
  readonly position: number
  readonly length: number
  /** The sectors that it touches, as they are after it. */
  readonly buffer: Uint8Array
}

export class SimDisk {
  readonly root: SimDirectory
  #idNext: number
  #now: number
  /** Made when it is first needed: most images are only read. */
  #nodes: Map<number, SimNode> | undefined

  private constructor(root: SimDirectory, idNext: number, now: number) {
    this.root = root
    this.#idNext = idNext
    this.#now = now
    this.#nodes = undefined
  }

  static empty(): SimDisk {
    return new SimDisk(new SimDirectory(0), 1, 0)
  }

  /** Times below this one have been; a copy goes on from here. */
  get now(): number {
    return this.#now
  }

  /** What a crash has left of this image: other directories, the same numbers. */
  withRoot(root: SimDirectory): SimDisk {
    return new SimDisk(root, this.#idNext, this.#now)
  }

  copy(): SimDisk {
    const copies = new Map<SimNode, SimNode>()
    const copyOf = (node: SimNode): SimNode => {
      let copy = copies.get(node)
      if (copy === undefined) {
        copy = node instanceof SimFile ? node.copy() : node.copy(copyOf)
        copies.set(node, copy)
      }
      return copy
    }
    return this.withRoot(this.root.copy(copyOf))
  }

  /** A copy as it is shown, all of it durable. */
  settledCopy(): SimDisk {
    return this.withRoot(settled(this.root))
  }

  newId(): number {
    return this.#idNext++
  }

  apply(effect: Effect, time: number): void {
    this.#now = time + 1
    switch (effect.kind) {
      case 'create':
      case 'makeDirectory': {
        const node = effect.kind === 'create' ? SimFile.empty(effect.id) : new SimDirectory(effect.id)
        this.#directory(effect.directory).set(effect.name, node, time)
        this.#add(node)
        return
      }
      case 'rename':
        return this.#directory(effect.directory).rename(effect.name, effect.to, time)
      case 'remove':
        return this.#directory(effect.directory).remove(effect.name, time)
      case 'write': {
        const first = Math.floor(effect.position / SECTOR_BYTES)
        return this.#file(effect.id).write(first, effect.buffer, effect.position + effect.length, time)
      }
      case 'truncate':
        return this.#file(effect.id).truncate(effect.size, time)
      case 'synced': {
        const node = this.#index().get(effect.id)!
        return effect.isLost ? node.lose(effect.begin) : node.settle(effect.begin)
      }
      case 'edit': {
        const file = effect.file?.copy()
        this.#directory(effect.directory).edit(effect.name, file)
        if (file !== undefined) this.#add(file)
        return
      }
      default:
        return unreachable(effect)
    }
  }

  /** The write, had it ended after so many of its bytes. */
  shortened({ id, position, buffer }: Write, length: number): Write {
    const from = position % SECTOR_BYTES
    const sectors = this.#file(id).sectorsAfter(position, buffer.subarray(from, from + length))
    return { kind: 'write', id, position, length, buffer: sectors }
  }

  /** The bytes of all files that have a name. */
  usedBytes(): number {
    return usedBytes(this.root)
  }

  #file(id: number): SimFile {
    return this.#index().get(id) as SimFile
  }

  #directory(id: number): SimDirectory {
    return this.#index().get(id) as SimDirectory
  }

  #add(node: SimNode): void {
    this.#index().set(node.id, node)
    this.#idNext = Math.max(this.#idNext, node.id + 1)
  }

  #index(): Map<number, SimNode> {
    if (this.#nodes === undefined) {
      this.#nodes = new Map()
      addNodes(this.#nodes, this.root)
    }
    return this.#nodes
  }
}

function addNodes(nodes: Map<number, SimNode>, node: SimNode): void {
  if (nodes.has(node.id)) return
  nodes.set(node.id, node)
  if (node instanceof SimDirectory) for (const below of node.nodes()) addNodes(nodes, below)
}

function settled(directory: SimDirectory): SimDirectory {
  const names = new Map<string, SimNode>()
  for (const [name, node] of directory.names) {
    names.set(name, node instanceof SimFile ? node.settledCopy() : settled(node))
  }
  return new SimDirectory(directory.id, names)
}

function usedBytes(directory: SimDirectory): number {
  let bytes = 0
  for (const node of directory.names.values()) bytes += node instanceof SimFile ? node.size : usedBytes(node)
  return bytes
}

function unreachable(value: never): never {
  throw new Error(`unknown effect ${JSON.stringify(value)}`)
}
