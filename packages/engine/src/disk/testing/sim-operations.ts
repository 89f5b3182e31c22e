/**
 * What every operation on a simulated disk goes through: it is numbered, meets the faults, changes the image, and is put
 * into the trace.
 *
 *   operation ──► number ──► faults ──► run ──► effect on the image ──► trace
 *   sync      ──► number ──► faults ──► begun, in the trace … ended, in the trace with its effect
 *                                             ▲ in a microtask, or by `release`
 */
import { ArmedFault, type Fault, type Operation, type OperationKind, type Trouble } from './faults.ts'
import { FsError, type FsErrorCode } from './fs-error.ts'
import type { SimNode } from './sim-directory.ts'
import type { Effect, SimDisk } from './sim-disk.ts'

export interface TraceEntry {
  /** `synced`: a sync that began earlier has ended. `edit`: not by an operation, but by a test. */
  readonly kind: OperationKind | 'synced' | 'mark' | 'edit'
  /** Of a mark its text. */
  readonly path: string
  readonly position?: number
  /** How many were to be written or read. */
  readonly bytes?: number
  /** Its number over all operations; absent in marks and ends of syncs. */
  readonly number?: number
  /** The code of an error, what was returned (bytes read or written, a size), `ok`, or `begun`. */
  readonly result: string | number
  readonly effect?: Effect
}

export interface Target {
  readonly path: string
  readonly position?: number
  readonly bytes?: number
}

export interface PendingSync {
  readonly kind: 'sync' | 'syncDirectory'
  readonly path: string
}

/** What is synced; `isOpen` is asked at the end. */
export interface SyncTarget extends PendingSync {
  readonly node: () => SimNode
  readonly isOpen: () => boolean
}

const SYSCALLS: Readonly<Record<OperationKind, string>> = {
  open: 'open',
  close: 'close',
  read: 'read',
  write: 'write',
  sync: 'fdatasync',
  truncate: 'ftruncate',
  size: 'fstat',
  makeDirectory: 'mkdir',
  list: 'scandir',
  rename: 'rename',
  remove: 'unlink',
  syncDirectory: 'fsync',
}

export class SimOperations {
  readonly disk: SimDisk
  readonly trace: TraceEntry[] = []
  readonly #isRecorded: boolean
  readonly #faults = new Set<ArmedFault>()
  readonly #pending = new Map<PendingSync, () => void>()
  #count = 0
  /** The disk as it was before the trace; undefined: nothing has changed since. */
  #origin: SimDisk | undefined = undefined
  #effect: Effect | undefined = undefined
  #time: number
  quotaBytes = Infinity
  areSyncsHeld = false

  constructor(disk: SimDisk, isRecorded: boolean) {
    this.disk = disk
    this.#isRecorded = isRecorded
    this.#time = disk.now
  }

  get count(): number {
    return this.#count
  }

  get pending(): PendingSync[] {
    return [...this.#pending.keys()]
  }

  /** A copy of the disk as it was before the trace. */
  origin(): SimDisk {
    if (!this.#isRecorded) throw new Error('crash states are made of what was done, which is not recorded here')
    return (this.#origin ?? this.disk).copy()
  }

  mark(text: string): void {
    this.#record({ kind: 'mark', path: text, result: 'ok' })
  }

  /** Changes the image from outside. */
  edit(path: string, effect: Effect): void {
    this.apply(effect)
    this.#record({ kind: 'edit', path, result: 'ok' })
  }

  inject(fault: Fault): () => void {
    const armed = new ArmedFault(fault)
    this.#faults.add(armed)
    return () => void this.#faults.delete(armed)
  }

  heal(): void {
    this.#faults.clear()
    this.quotaBytes = Infinity
  }

  /** Runs an operation; `run` is told what trouble there is, which is an error only for a write. */
  operate<T>(kind: OperationKind, target: Target, run: (trouble: Trouble | undefined) => T): T {
    const operation = { kind, ...target, number: this.#count++ }
    const trouble = this.#meet(operation)
    try {
      if (trouble?.error !== undefined && kind !== 'write') throw troubled(trouble.error, operation)
      const result = run(trouble)
      this.#record({ ...operation, result: typeof result === 'number' ? result : 'ok' })
      return result
    } catch (error) {
      this.#record({ ...operation, result: error instanceof FsError ? error.code : 'refused' })
      throw error
    }
  }

  /** Changes the image; the effect of the operation that is running, which has one at most. */
  apply(effect: Effect): void {
    if (this.#isRecorded) this.#origin ??= this.disk.copy()
    this.disk.apply(effect, this.#time)
    this.#effect = effect
  }

  sync(target: SyncTarget): Promise<void> {
    const { kind, path } = target
    const operation = { kind, path, number: this.#count++ }
    const trouble = this.#meet(operation)
    const begin = this.#time
    let id: number
    try {
      id = target.node().id
    } catch (error) {
      this.#record({ ...operation, result: error instanceof FsError ? error.code : 'refused' })
      return Promise.reject(error)
    }
    this.#record({ ...operation, result: 'begun' })
    return new Promise((resolve, reject) => {
      const sync: PendingSync = { kind, path }
      this.#pending.set(sync, () => {
        const code = target.isOpen() ? trouble?.error : 'EBADF'
        if (code !== 'EBADF') this.apply({ kind: 'synced', id, begin, isLost: code !== undefined })
        this.#record({ kind: 'synced', path, result: code ?? 'ok' })
        if (code === undefined) resolve()
        else reject(troubled(code, operation))
      })
      if (!this.areSyncsHeld) queueMicrotask(() => this.#end(sync))
    })
  }

  syncNow(target: SyncTarget): void {
    const operation = { kind: target.kind, path: target.path, number: this.#count++ }
    const code = this.#meet(operation)?.error
    try {
      this.apply({ kind: 'synced', id: target.node().id, begin: this.#time, isLost: code !== undefined })
      if (code !== undefined) throw troubled(code, operation)
      this.#record({ ...operation, result: 'ok' })
    } catch (error) {
      this.#record({ ...operation, result: error instanceof FsError ? error.code : 'refused' })
      throw error
    }
  }

  /** Ends so many of the syncs that have begun, in their order. */
  release(count: number): void {
    for (const sync of this.pending.slice(0, count)) this.#end(sync)
  }

  #end(sync: PendingSync): void {
    const end = this.#pending.get(sync)
    this.#pending.delete(sync)
    end?.()
  }

  /** Every fault counts what fits it; the first that strikes is what happens. */
  #meet(operation: Operation): Trouble | undefined {
    let trouble: Trouble | undefined
    for (const fault of this.#faults) {
      const met = fault.meet(operation)
      trouble ??= met
    }
    return trouble
  }

  #record(entry: TraceEntry): void {
    const effect = this.#effect
    this.#effect = undefined
    this.#time++
    if (this.#isRecorded) this.trace.push(effect === undefined ? entry : { ...entry, effect })
  }
}

/** Node names the path where the call was given one; the other calls were given a file that is open. */
function troubled(code: FsErrorCode, { kind, path }: Operation): FsError {
  const isByFile = ['close', 'read', 'write', 'sync', 'truncate', 'size'].includes(kind)
  return new FsError(code, SYSCALLS[kind], isByFile ? undefined : path)
}
