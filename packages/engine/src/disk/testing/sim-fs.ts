/**
 * A disk in memory that does what real ones do on their worst days: fails at any operation, fills up, writes less than it
 * was given, loses what a failed sync covered, and crashes at any step.
 *
 *   const fs = new SimFs()
 *   run(fs)                               what it does is in fs.trace; fs.mark('acknowledged 17') sets marks between
 *   for (const crash of fs.crashStates({ seed })) {
 *     recover(crash.fs)                   a SimFs of its own: crash.fs.crashStates() are crashes during the recovery
 *   }                                     crash.describe() says which one failed, and how to meet it again
 *
 * Paths are absolute or not, which makes no difference; `/` is there from the beginning and durable. A file's new name is
 * durable only after `syncDirectory`, its contents only after `sync`; a sync covers what was done before it began.
 */
import { EngineError } from '../../errors.ts'
import type { Fs, OpenFile, OpenMode } from '../files.ts'
import type { DirectoryLock } from '../lock.ts'
import { crashedDisks, type CrashKind, type CrashOptions } from './crash-states.ts'
import type { Fault } from './faults.ts'
import { FsError } from './fs-error.ts'
import { SimDirectory, type SimNode } from './sim-directory.ts'
import { SimDisk } from './sim-disk.ts'
import { SimFile } from './sim-file.ts'
import { SimOpenFile } from './sim-open-file.ts'
import { SimOperations, type PendingSync, type SyncTarget, type TraceEntry } from './sim-operations.ts'

export interface SimFsOptions {
  /** false: nothing is kept of what was done, for long runs; no crash states, an empty trace. */
  readonly isRecorded?: boolean
}

export interface CrashState {
  readonly fs: SimFs
  readonly kind: CrashKind
  /** The crash was before this entry of the trace. */
  readonly index: number
  readonly number: number
  /** The step, and the seed and number that give the state again (`crashStates({ seed, only: number })`). */
  describe(): string
}

export class SimFs implements Fs {
  readonly #operations: SimOperations
  readonly #locked = new Set<string>()

  constructor(disk: SimDisk = SimDisk.empty(), { isRecorded = true }: SimFsOptions = {}) {
    this.#operations = new SimOperations(disk, isRecorded)
  }

  /** What was done, from the oldest on. */
  get trace(): readonly TraceEntry[] {
    return this.#operations.trace
  }

  /** How many operations there have been; the next one has this number. */
  get operations(): number {
    return this.#operations.count
  }

  /** The syncs that have begun and not ended, from the oldest on. */
  get pendingSyncs(): readonly PendingSync[] {
    return this.#operations.pending
  }

  /** Whether syncs that begin wait for `release`; otherwise they end in a microtask. */
  get holdSyncs(): boolean {
    return this.#operations.areSyncsHeld
  }

  set holdSyncs(areHeld: boolean) {
    this.#operations.areSyncsHeld = areHeld
  }

  /** What files may hold in all; beyond it a write writes what fits, and fails with ENOSPC when nothing does. */
  get quotaBytes(): number {
    return this.#operations.quotaBytes
  }

  set quotaBytes(bytes: number) {
    this.#operations.quotaBytes = bytes
  }

  /** What the files that have names hold. */
  get usedBytes(): number {
    return this.#operations.disk.usedBytes()
  }

  /** Puts a note into the trace: what was promised by then. */
  mark(text: string): void {
    this.#operations.mark(text)
  }

  /** The marks that were set before an entry of the trace. */
  marks(before = this.trace.length): string[] {
    return this.trace
      .slice(0, before)
      .filter(({ kind }) => kind === 'mark')
      .map(({ path }) => path)
  }

  /** Makes something go wrong; the result takes it back. */
  inject(fault: Fault): () => void {
    return this.#operations.inject(fault)
  }

  /** Takes all faults and the quota back. */
  heal(): void {
    this.#operations.heal()
  }

  /** Ends so many of the syncs that are held, in the order in which they began. */
  release(count = Infinity): void {
    this.#operations.release(count)
  }

  /** All that a crash may leave; fs.trace tells what had been done. */
  *crashStates(options: CrashOptions = {}): Generator<CrashState, void> {
    const origin = this.#operations.origin()
    const effects = this.trace.map(({ effect }) => effect)
    for (const { disk, kind, index, number } of crashedDisks(origin, effects, options)) {
      const describe = (): string => {
        const entry = this.trace[index]
        const what = kind === 'power' ? 'power failure' : 'crash of the process'
        return `${what} before step ${index} (${entry === undefined ? 'the end' : described(entry)}); seed ${options.seed ?? 1}, state ${number}`
      }
      yield { fs: new SimFs(disk), kind, index, number, describe }
    }
  }

  /** This disk as it is, in files of its own; what is not durable here is not durable there. */
  copy(): SimFs {
    return new SimFs(this.#operations.disk.copy())
  }

  /** This disk as it is shown, all of it durable. */
  settled(): SimFs {
    return new SimFs(this.#operations.disk.settledCopy())
  }

  /** What a file holds, by no operation. */
  contents(path: string): Uint8Array {
    const [directory, name] = this.#parent(path, 'open')
    const node = directory.names.get(name)
    if (node === undefined) throw new FsError('ENOENT', 'open', path)
    if (node instanceof SimDirectory) throw new FsError('EISDIR', 'open', path)
    const bytes = new Uint8Array(node.size)
    node.read(bytes, 0)
    return bytes
  }

  /** Puts a file of these bytes, or nothing, in place of what has the path (image-editor.ts). */
  replace(path: string, bytes: Uint8Array | undefined): void {
    const [directory, name] = this.#parent(path, 'open')
    if (bytes === undefined && !directory.names.has(name)) throw new FsError('ENOENT', 'unlink', path)
    const { disk } = this.#operations
    const file = bytes && SimFile.of(disk.newId(), bytes)
    this.#operations.edit(path, { kind: 'edit', directory: directory.id, name, file })
  }

  open(path: string, mode: OpenMode): OpenFile {
    return this.#operations.operate('open', { path }, () => {
      const [directory, name] = this.#parent(path, 'open')
      let node = name === '' ? directory : directory.names.get(name)
      if (mode === 'create') {
        if (node !== undefined) throw new FsError('EEXIST', 'open', path)
        const id = this.#operations.disk.newId()
        this.#operations.apply({ kind: 'create', directory: directory.id, name, id })
        node = directory.names.get(name)
      }
      if (node === undefined) throw new FsError('ENOENT', 'open', path)
      if (node instanceof SimDirectory && mode !== 'read') throw new FsError('EISDIR', 'open', path)
      return new SimOpenFile(this.#operations, node, path, mode !== 'read')
    })
  }

  makeDirectory(path: string): void {
    const names = namesOf(path)
    const missing = names.findIndex((_, i) => this.#find(names.slice(0, i + 1)) === undefined)
    for (let i = missing < 0 ? names.length : missing + 1; i <= names.length; i++) {
      const made = missing < 0 ? path : `/${names.slice(0, i).join('/')}`
      this.#operations.operate('makeDirectory', { path: made }, () => {
        const [directory, name] = this.#parent(made, 'mkdir')
        if (name === '' || directory.names.get(name) instanceof SimDirectory) return
        if (directory.names.has(name)) throw new FsError('EEXIST', 'mkdir', path)
        this.#operations.apply({
          kind: 'makeDirectory',
          directory: directory.id,
          name,
          id: this.#operations.disk.newId(),
        })
      })
    }
  }

  list(path: string): string[] {
    return this.#operations.operate('list', { path }, () =>
      [...this.#directory(path, 'scandir').names.keys()].toSorted(),
    )
  }

  rename(from: string, to: string): void {
    this.#operations.operate('rename', { path: from }, () => {
      const [directory, name] = this.#parent(from, 'rename', to)
      const [target, newName] = this.#parent(to, 'rename', from)
      const node = directory.names.get(name)
      if (node === undefined) throw new FsError('ENOENT', 'rename', from, to)
      if (directory !== target) throw new Error(`rename '${from}' -> '${to}': simulated files stay in their directory`)
      const there = target.names.get(newName)
      if (there === node) return
      if (there instanceof SimDirectory) {
        if (node instanceof SimFile) throw new FsError('EISDIR', 'rename', from, to)
        if (there.names.size > 0) throw new FsError('ENOTEMPTY', 'rename', from, to)
      } else if (there !== undefined && node instanceof SimDirectory) throw new FsError('ENOTDIR', 'rename', from, to)
      this.#operations.apply({ kind: 'rename', directory: directory.id, name, to: newName })
    })
  }

  remove(path: string): void {
    this.#operations.operate('remove', { path }, () => {
      const [directory, name] = this.#parent(path, 'unlink')
      const node = name === '' ? directory : directory.names.get(name)
      if (node === undefined) throw new FsError('ENOENT', 'unlink', path)
      if (node instanceof SimDirectory) throw new FsError('EISDIR', 'unlink', path)
      this.#operations.apply({ kind: 'remove', directory: directory.id, name })
    })
  }

  async removeSoon(path: string): Promise<void> {
    this.remove(path)
  }

  syncDirectory(path: string): Promise<void> {
    return this.#operations.sync(this.#syncTarget(path))
  }

  syncDirectoryNow(path: string): void {
    this.#operations.syncNow(this.#syncTarget(path))
  }

  /** Leaves no trace on the disk: a crash releases it, as it releases what the kernel holds for a process. */
  async lock(path: string): Promise<DirectoryLock> {
    const place = namesOf(path).join('/')
    if (this.#locked.has(place)) throw new EngineError('LOCKED', `The directory '${path}' is open already`)
    this.#locked.add(place)
    let isHeld = true
    return {
      isHeld: () => isHeld,
      release: async () => {
        if (isHeld) this.#locked.delete(place)
        isHeld = false
      },
    }
  }

  #syncTarget(path: string): SyncTarget {
    return { kind: 'syncDirectory', path, node: () => this.#node(path, 'open'), isOpen: () => true }
  }

  #directory(path: string, syscall: string): SimDirectory {
    const node = this.#node(path, syscall)
    if (node instanceof SimFile) throw new FsError('ENOTDIR', syscall, path)
    return node
  }

  #node(path: string, syscall: string): SimNode {
    const [directory, name] = this.#parent(path, syscall)
    const node = name === '' ? directory : directory.names.get(name)
    if (node === undefined) throw new FsError('ENOENT', syscall, path)
    return node
  }

  /** The directory that a path's last name is in, and that name; the root has an empty one. */
  #parent(path: string, syscall: string, to?: string): [SimDirectory, string] {
    const names = namesOf(path)
    const name = names.pop() ?? ''
    const directory = this.#find(names)
    if (directory === undefined) throw new FsError('ENOENT', syscall, path, to)
    if (directory instanceof SimFile) throw new FsError('ENOTDIR', syscall, path, to)
    return [directory, name]
  }

  /** undefined: there is none; a file: it is one, or on the way there is one. */
  #find(names: readonly string[]): SimNode | undefined {
    let node: SimNode | undefined = this.#operations.disk.root
    for (const name of names) {
      if (!(node instanceof SimDirectory)) return node
      node = node.names.get(name)
    }
    return node
  }
}

function namesOf(path: string): string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}

function described({ kind, path, position, bytes, result }: TraceEntry): string {
  const place = position === undefined ? '' : ` at ${position}`
  return `${kind} ${path}${place}${bytes === undefined ? '' : `, ${bytes} bytes`}: ${result}`
}
