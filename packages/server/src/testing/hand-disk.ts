/**
 * A durability for tests, on a disk that does what it is told: groups are written, and safe when the test says so.
 *
 *   commit() ──► written, 1 2 3 …            makeSafe() ──► safeSeq = all that is written ──► onChange
 */
import { Databases, type FsyncPolicy, type LoadProgress, type Refusal } from '@millrace/engine'
import type { Durability, DurabilityInfo, DurabilityStart, OpenDurability } from '../durability.ts'

interface Settling {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class HandDisk implements Durability {
  onChange: () => void = () => undefined
  refusal: Refusal | undefined = undefined
  fsync: FsyncPolicy = 'always'
  readonly cold = undefined
  safeSeq = 0
  /** What is committed is safe at once, as with `everysec`. */
  isQuick = false
  isSyncing = false
  /** Changes in each group. */
  readonly groups: number[] = []
  isClosed = false
  snapshots = 0
  /** On stable storage. */
  durable = 0
  journalBytes = 0
  #databases: Databases | undefined = undefined
  #start: DurabilityStart | undefined = undefined
  #changes = 0
  readonly #flushing: (() => void)[] = []
  #snapshot: Settling | undefined = undefined
  #lastMs: number | undefined = undefined
  #lastFailed: boolean | undefined = undefined
  #savedChanges = 0
  #loaded: Settling | undefined = undefined

  /** As an option of a server. `isHeld`: it loads until `loaded`. */
  opener({ isHeld = false }: { readonly isHeld?: boolean } = {}): OpenDurability {
    return async (start) => {
      this.#databases = new Databases({ count: start.count })
      this.#start = start
      this.fsync = start.fsync
      if (isHeld) await new Promise<void>((resolve, reject) => (this.#loaded = { resolve, reject }))
      return this
    }
  }

  get databases(): Databases {
    return this.#databases!
  }

  progress(progress: LoadProgress): void {
    this.#start!.onProgress(progress)
  }

  loaded(): void {
    this.#loaded!.resolve()
  }

  loadFailed(error: Error): void {
    this.#loaded!.reject(error)
  }

  commit(): number {
    const { changeCount } = this.databases
    if (changeCount !== this.#changes) this.groups.push(changeCount - this.#changes)
    this.#changes = changeCount
    if (this.isQuick) this.safeSeq = this.groups.length
    return this.groups.length
  }

  /** What is written up to a group is safe now. */
  makeSafe(group = this.groups.length): void {
    this.safeSeq = group
    this.onChange()
  }

  get isDurable(): boolean {
    return this.durable === this.groups.length
  }

  async flush(): Promise<void> {
    if (!this.isDurable) await new Promise<void>((resolve) => this.#flushing.push(resolve))
  }

  /** What is written is on stable storage now. */
  makeDurable(): void {
    this.durable = this.groups.length
    for (const resolve of this.#flushing.splice(0)) resolve()
  }

  refuse(refusal: Refusal | undefined): void {
    this.refusal = refusal
    this.onChange()
  }

  async snapshot(): Promise<void> {
    await new Promise<void>((resolve, reject) => (this.#snapshot = { resolve, reject }))
  }

  /** The snapshot that is being written is done, or has failed. */
  async endSnapshot(error?: Error): Promise<void> {
    while (this.#snapshot === undefined) await turn()
    const ending = this.#snapshot
    this.#snapshot = undefined
    this.#lastFailed = error !== undefined
    if (error === undefined) {
      this.#done()
      ending.resolve()
    } else ending.reject(error)
    await turn()
  }

  #done(): void {
    this.snapshots++
    this.#lastMs = 1_600_000_000_000
    this.#savedChanges = this.databases.changeCount
  }

  info(): DurabilityInfo {
    return {
      snapshot: {
        lastMs: this.#lastMs,
        lastFailed: this.#lastFailed,
        lastDurationMs: this.#lastMs === undefined ? undefined : 2000,
        runningSinceMs: this.#snapshot === undefined ? undefined : 1_600_000_000_000,
        count: this.snapshots,
        changesBehind: this.databases.changeCount - this.#savedChanges,
      },
      journal: {
        bytes: this.journalBytes,
        baseBytes: 100,
        unsyncedBytes: 7,
        isSyncing: this.safeSeq < this.groups.length,
        lastWriteFailed: this.refusal !== undefined,
      },
    }
  }

  async close(): Promise<void> {
    this.commit()
    this.makeSafe()
    this.isClosed = true
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
