/**
 * Databases that outlive the process: opened from a directory, journalled while they change, saved as a snapshot.
 *
 *   Store.open ──► recovery ──► databases ──change──► ChangeWriter ──commit()──► Journal
 *                                   └── snapshot(): cut, freeze, write in slices, adopt
 *
 * Whoever answers for changes calls `commit` when a turn of the event loop is done and lets go of the answers when `safeSeq`
 * has come up to what it returned. Changes that nobody commits are committed when the turn is over.
 */
import type { Change, CrossChange } from '../change.ts'
import type { Databases } from '../databases.ts'
import type { CancelTimer, Env } from '../env.ts'
import { EngineError } from '../errors.ts'
import type { FrozenDatabases } from '../frozen-databases.ts'
import { ChangeWriter } from './change-writer.ts'
import type { ColdSegments } from './cold-segments.ts'
import type { Journal } from './journal.ts'
import { removeQuietly } from './files.ts'
import type { FsyncPolicy, Refusal } from './journal-options.ts'
import type { DirectoryLock } from './lock.ts'
import {
  listenerOf,
  openDirectory,
  type RewriteRule,
  type StoreEvent,
  type StoreOptions,
  type StoreParts,
} from './opening.ts'
import { Presence } from './presence.ts'
import { snapshotName, writeSnapshot } from './snapshot.ts'

export type { RewriteRule, StoreEvent, StoreOptions } from './opening.ts'

/** A group of changes that grows beyond is written in several frames. */
const PAYLOAD_BYTES_MAX = 1 << 20
/** After a snapshot that failed none is begun by itself for so long. */
const REWRITE_REST_MS = 5000

export interface SnapshotInfo {
  /** When the last one that succeeded was begun; undefined: none has. */
  readonly lastMs: number | undefined
  /** How the last one ended; undefined: none has. */
  readonly lastFailed: boolean | undefined
  readonly lastDurationMs: number | undefined
  /** Undefined: none is being written. */
  readonly runningSinceMs: number | undefined
  /** How many have succeeded. */
  readonly count: number
  /** Changes behind the last one. */
  readonly changesBehind: number
}

interface Batch {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

const SAFE = Promise.resolve()

export class Store {
  readonly databases: Databases
  readonly directory: string
  /** What is on disk only; undefined: all is in memory. */
  readonly cold: ColdSegments | undefined
  /** Called when `safeSeq` or `refusal` has changed, and when a sync has ended. */
  onChange: () => void = () => undefined
  readonly #env: Env
  readonly #journal: Journal
  readonly #lock: DirectoryLock
  readonly #writer = new ChangeWriter()
  readonly #unsubscribe: () => void
  readonly #rewrite: RewriteRule | undefined
  readonly #onEvent: (event: StoreEvent) => void
  #rewriteRests = false
  readonly #waiting: { readonly seq: number; readonly batch: Batch }[] = []
  #batch: Batch | undefined = undefined
  readonly #commitMs: number
  #cancelCommit: CancelTimer | undefined = undefined
  #hasOpenGroup = false
  #snapshot: Omit<SnapshotInfo, 'changesBehind'> = {
    lastMs: undefined,
    lastFailed: undefined,
    lastDurationMs: undefined,
    runningSinceMs: undefined,
    count: 0,
  }
  #snapshotEnded: () => void = () => undefined
  #changesAtSnapshot = 0
  #baseBytes: number
  readonly #presence: Presence
  #missing: string | undefined = undefined
  #isClosing = false
  /** Changes are not recorded any more. */
  #isUnrecorded = false

  private constructor({ directory, databases, cold, journal, lock, env }: StoreParts, options: StoreOptions) {
    this.directory = directory
    this.databases = databases
    this.cold = cold
    this.#rewrite = options.rewrite
    this.#onEvent = listenerOf(options)
    this.#journal = journal
    this.#lock = lock
    this.#env = env
    this.#commitMs = options.commitMs ?? 0
    this.#baseBytes = this.bytes
    this.#presence = new Presence(
      env,
      directory,
      () => journal.manifest,
      (path) => this.#looked(path),
    )
    this.#unsubscribe = databases.subscribe((index, change) => this.#record(index, change))
    journal.onChange = () => {
      this.#settle()
      this.onChange()
    }
  }

  /**
   * Opens a directory, and creates it where there is none. `LOCKED`: somebody has it open; `CORRUPT`: data that had been
   * durable are damaged or missing; `NEWER_FORMAT`; `UNAVAILABLE`: the disk does not do what it should.
   */
  static async open(directory: string, options: StoreOptions): Promise<Store> {
    return new Store(await openDirectory(directory, options), options)
  }

  /** Everything up to this frame is as safe as the policy promises. */
  get safeSeq(): number {
    return this.#journal.safeSeq
  }

  /** Why writes are refused; undefined: they are not. */
  get refusal(): Refusal | undefined {
    return this.#journal.refusal
  }

  get journal(): Journal {
    return this.#journal
  }

  get fsync(): FsyncPolicy {
    return this.#journal.policy
  }

  set fsync(policy: FsyncPolicy) {
    this.#journal.policy = policy
    this.#journal.commit()
  }

  /** Writes what has changed since the last commit, as one group; returns up to where `safeSeq` has to come for it. */
  commit(): number {
    if (this.#cancelCommit !== undefined) {
      this.#cancelCommit()
      this.#cancelCommit = undefined
    }
    if (!this.#writer.isEmpty || this.#hasOpenGroup) {
      this.#journal.append(this.#writer.bytes.subarray(0, this.#writer.used), false)
      this.#writer.clear()
      this.#hasOpenGroup = false
      this.#journal.commit()
      this.#rewriteWhenGrown()
    }
    return this.#journal.seq
  }

  /**
   * Resolves when all changes so far are safe; those that are asked for in one turn are committed together. `UNAVAILABLE`:
   * the disk does not take them now.
   */
  whenSafe(): Promise<void> {
    if (this.#isUnrecorded) return Promise.reject(new EngineError('UNAVAILABLE', 'the store is closed'))
    if (this.#writer.isEmpty && !this.#hasOpenGroup && this.safeSeq >= this.#journal.seq) return SAFE
    return (this.#batch ??= this.#beginBatch()).promise
  }

  /**
   * Writes everything as one RDB file, while work goes on, and lets go of the journal before it. One at a time:
   * `BAD_ARGUMENT` when one is being written; `UNAVAILABLE` when it could not be, and all is as before.
   */
  async snapshot(): Promise<void> {
    if (this.#snapshot.runningSinceMs !== undefined)
      throw new EngineError('BAD_ARGUMENT', 'A snapshot is being written')
    const beganMs = this.#env.nowMs()
    this.#snapshot = { ...this.#snapshot, runningSinceMs: beganMs }
    let hasFailed = true
    try {
      await this.#writeSnapshot()
      hasFailed = false
    } catch (error) {
      if (error instanceof EngineError) throw error
      throw new EngineError('UNAVAILABLE', `The snapshot could not be written: ${(error as Error).message}`, {
        cause: error,
      })
    } finally {
      const lastDurationMs = this.#env.nowMs() - beganMs
      const done = hasFailed ? {} : { lastMs: beganMs, count: this.#snapshot.count + 1 }
      this.#snapshot = { ...this.#snapshot, ...done, lastFailed: hasFailed, lastDurationMs, runningSinceMs: undefined }
      this.#snapshotEnded()
    }
  }

  /** How the snapshots went since the store was opened. */
  get snapshotInfo(): SnapshotInfo {
    return { ...this.#snapshot, changesBehind: this.databases.changeCount - this.#changesAtSnapshot }
  }

  /** Bytes of the snapshot and the journal behind it. */
  get bytes(): number {
    return (this.#journal.manifest.snapshot?.bytes ?? 0) + this.#journal.bytes
  }

  /** As `bytes`, when the last snapshot was done, or the store was opened. */
  get baseBytes(): number {
    return this.#baseBytes
  }

  /** Commits, makes everything durable, and ends in order. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.#snapshot.runningSinceMs !== undefined) {
      await new Promise<void>((resolve) => {
        this.#snapshotEnded = resolve
      })
    }
    this.commit()
    this.#unsubscribe()
    this.#isUnrecorded = true
    this.#presence.end()
    try {
      await this.#journal.close()
    } finally {
      this.#reject('the store was closed')
      // Only then the lock: what is being removed may bear a name that the next one gives.
      await this.cold?.close()
      await this.#lock.release()
    }
  }

  /** Ends as a crash does, but for the lock: for tests. */
  abandon(): void {
    this.#isClosing = true
    this.#unsubscribe()
    this.#isUnrecorded = true
    this.#presence.end()
    this.#cancelCommit?.()
    this.#journal.abandon()
    this.#reject('the store was abandoned')
    void this.cold?.close()
    void this.#lock.release()
  }

  async #writeSnapshot(): Promise<void> {
    const { directory, databases } = this
    let frozen: FrozenDatabases | undefined
    let changes = 0
    try {
      const cut = await this.#journal.cut(
        () => this.commit(),
        () => {
          frozen = databases.freeze()
          changes = databases.changeCount
        },
      )
      const entry = await writeSnapshot({
        env: this.#env,
        directory,
        name: snapshotName(cut.segment),
        frozen: frozen!,
        isAborted: () => this.#isClosing,
      })
      const old = await this.#journal.adopt(entry, cut)
      this.#changesAtSnapshot = changes
      this.#baseBytes = this.bytes
      for (const name of old) await removeQuietly(this.#env.fs, `${directory}/${name}`)
    } finally {
      frozen?.release()
    }
  }

  /** Nothing more is told to be safe that is in a file without a name; then all is written into new ones. */
  #looked(path: string | undefined): void {
    if (path === undefined) this.#missing = undefined
    else if (this.#missing !== path) {
      const error = new Error(`${path} was removed`)
      this.#onEvent({ kind: 'file-missing', error })
      this.#missing = path
      this.#journal.moveOn(error)
    } else if (this.refusal === undefined && this.#snapshot.runningSinceMs === undefined) {
      this.snapshot().catch((error: unknown) => this.#onEvent({ kind: 'snapshot-failed', error: error as Error }))
    }
  }

  #rewriteWhenGrown(): void {
    const rule = this.#rewrite
    if (rule === undefined || this.#rewriteRests || this.#isClosing) return
    if (this.#snapshot.runningSinceMs !== undefined) return
    const { bytes } = this
    if (bytes < rule.bytesMin || bytes < this.#baseBytes * (1 + rule.growth)) return
    this.snapshot().catch((error: unknown) => {
      if (this.#isClosing) return
      this.#rewriteRests = true
      this.#env.setBackgroundTimer(REWRITE_REST_MS, () => (this.#rewriteRests = false))
      this.#onEvent({ kind: 'snapshot-failed', error: error as Error })
    })
  }

  #record(index: number, change: Change | CrossChange): void {
    const writer = this.#writer
    writer.write(index, change)
    if (writer.used > PAYLOAD_BYTES_MAX) {
      this.#journal.append(writer.bytes.subarray(0, writer.used), true)
      writer.clear()
      this.#hasOpenGroup = true
    }
    this.#cancelCommit ??= this.#env.setTimer(this.#commitMs, () => {
      this.#cancelCommit = undefined
      this.commit()
    })
  }

  #beginBatch(): Batch {
    const batch = newBatch()
    queueMicrotask(() => {
      this.#batch = undefined
      const seq = this.commit()
      if (this.safeSeq >= seq) batch.resolve()
      else if (this.refusal?.kind === 'all') batch.reject(new EngineError('UNAVAILABLE', this.refusal.reason))
      else this.#waiting.push({ seq, batch })
    })
    return batch
  }

  #settle(): void {
    const { safeSeq, refusal } = this
    while (this.#waiting.length > 0 && this.#waiting[0]!.seq <= safeSeq) this.#waiting.shift()!.batch.resolve()
    if (refusal?.kind === 'all') this.#reject(refusal.reason)
  }

  #reject(reason: string): void {
    for (const { batch } of this.#waiting.splice(0)) batch.reject(new EngineError('UNAVAILABLE', reason))
  }
}

function newBatch(): Batch {
  let resolve: () => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
