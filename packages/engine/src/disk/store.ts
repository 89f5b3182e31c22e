/**
 * Databases that outlive the process: opened from a directory, journalled while they change, saved as a snapshot.
 *
 *   Store.open ──► recovery ──► databases ──change──► ChangeWriter ──commit()──► Journal
 *                                   └── snapshot(): cut, freeze, write in slices, adopt
 *
 * Whoever answers for changes calls `commit` when a turn of the event loop is done and lets go of the answers when `safeSeq`
 * has come up to what it returned. Changes that nobody commits are committed when the turn is over.
 */
import { dirname } from 'node:path'
import type { Change, CrossChange } from '../change.ts'
import { Databases, type DatabasesOptions } from '../databases.ts'
import type { CancelTimer, Env } from '../env.ts'
import { EngineError } from '../errors.ts'
import type { FrozenDatabases } from '../frozen-databases.ts'
import { ChangeWriter } from './change-writer.ts'
import { createDurable, DURABLE_NAME, DurableSlots, readDurable } from './durable-slots.ts'
import { closeQuietly, type Fs } from './files.ts'
import { Journal, randomWord, type FsyncPolicy, type JournalEvent, type JournalStart, type Refusal } from './journal.ts'
import { createSegment, segmentHeader, segmentName } from './journal-file.ts'
import type { TornTail } from './journal-scan.ts'
import type { DirectoryLock } from './lock.ts'
import { MANIFEST_FORMAT, writeManifest, type Manifest, type SegmentEntry } from './manifest.ts'
import { recovering, type LoadProgress, type Recovered } from './recovery.ts'
import { Reserve, RESERVE_NAME } from './reserve.ts'
import { loadSnapshot, removeQuietly, snapshotName, writeSnapshot } from './snapshot.ts'

export type StoreEvent =
  | JournalEvent
  | { readonly kind: 'loading'; readonly progress: LoadProgress }
  /** Bytes at the end of a file were cut short when the process or the power ended: none of them had been acknowledged. */
  | { readonly kind: 'torn'; readonly tail: TornTail }

export interface StoreOptions {
  readonly env: Env
  /** Default `always`. */
  readonly fsync?: FsyncPolicy
  readonly databases?: DatabasesOptions
  /** Default 64 MiB. */
  readonly segmentBytes?: number
  /** Default 64 MiB. */
  readonly unsyncedBytesMax?: number
  /** Space kept for when the disk is full. Default 256 KiB; 0: none. */
  readonly reserveBytes?: number
  readonly onEvent?: (event: StoreEvent) => void
}

interface StoreParts {
  readonly directory: string
  readonly databases: Databases
  readonly journal: Journal
  readonly lock: DirectoryLock
  readonly env: Env
}

const MEBIBYTE = 1 << 20
const SEGMENT_BYTES = 64 * MEBIBYTE
const UNSYNCED_BYTES_MAX = 64 * MEBIBYTE
const RESERVE_BYTES = MEBIBYTE / 4
/** A group of changes that grows beyond is written in several frames. */
const PAYLOAD_BYTES_MAX = MEBIBYTE
/** How long loading goes on before something else may run. */
const LOAD_SLICE_MS = 10

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
  /** Called when `safeSeq` or `refusal` has changed. */
  onChange: () => void = () => undefined
  readonly #env: Env
  readonly #journal: Journal
  readonly #lock: DirectoryLock
  readonly #writer = new ChangeWriter()
  readonly #unsubscribe: () => void
  readonly #waiting: { readonly seq: number; readonly batch: Batch }[] = []
  #batch: Batch | undefined = undefined
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
  #isClosing = false

  private constructor({ directory, databases, journal, lock, env }: StoreParts) {
    this.directory = directory
    this.databases = databases
    this.#journal = journal
    this.#lock = lock
    this.#env = env
    this.#baseBytes = this.bytes
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
    const { fs } = options.env
    await makeDirectory(fs, directory)
    const lock = await fs.lock(directory)
    try {
      return await openLocked(directory, lock, options)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** For `open`. */
  static of(parts: StoreParts): Store {
    return new Store(parts)
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
    }
    return this.#journal.seq
  }

  /**
   * Resolves when all changes so far are safe; those that are asked for in one turn are committed together. `UNAVAILABLE`:
   * the disk does not take them now.
   */
  whenSafe(): Promise<void> {
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
    try {
      await this.#journal.close()
    } finally {
      this.#reject('the store was closed')
      await this.#lock.release()
    }
  }

  /** Ends as a crash does, but for the lock: for tests. */
  abandon(): void {
    this.#isClosing = true
    this.#unsubscribe()
    this.#cancelCommit?.()
    this.#journal.abandon()
    this.#reject('the store was abandoned')
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
      for (const name of old) removeQuietly(this.#env.fs, `${directory}/${name}`)
    } finally {
      frozen?.release()
    }
  }

  #record(index: number, change: Change | CrossChange): void {
    const writer = this.#writer
    writer.write(index, change)
    if (writer.used > PAYLOAD_BYTES_MAX) {
      this.#journal.append(writer.bytes.subarray(0, writer.used), true)
      writer.clear()
      this.#hasOpenGroup = true
    }
    this.#cancelCommit ??= this.#env.setTimer(0, () => {
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

async function openLocked(directory: string, lock: DirectoryLock, options: StoreOptions): Promise<Store> {
  const { env } = options
  const { fs } = env
  const databases = new Databases(options.databases)
  const recovered = await load(directory, databases, options)
  for (const tail of recovered?.journal.torn ?? []) options.onEvent?.({ kind: 'torn', tail })
  removeLeftovers(fs, directory, recovered?.leftovers ?? [])
  const start = await beginning(env, directory, recovered)
  const reserve = new Reserve(fs, directory, options.reserveBytes ?? RESERVE_BYTES)
  reserve.take()
  const journal = new Journal(start, {
    env,
    directory,
    policy: options.fsync ?? 'always',
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
    unsyncedBytesMax: options.unsyncedBytesMax ?? UNSYNCED_BYTES_MAX,
    reserve,
    slots: openSlots(fs, directory, start.manifest.directory),
    onEvent: (event) => options.onEvent?.(event),
  })
  return Store.of({ directory, databases, journal, lock, env })
}

/** Makes a directory, and its name durable: a crash may have come between the two last time. */
async function makeDirectory(fs: Fs, directory: string): Promise<void> {
  const parents = [dirname(directory)]
  while (!exists(fs, parents.at(-1)!)) parents.push(dirname(parents.at(-1)!))
  fs.makeDirectory(directory)
  for (const parent of parents) await fs.syncDirectory(parent)
}

function exists(fs: Fs, directory: string): boolean {
  try {
    fs.list(directory)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

async function load(
  directory: string,
  databases: Databases,
  { env, onEvent }: StoreOptions,
): Promise<Recovered | undefined> {
  const steps = recovering(env.fs, directory, databases, loadSnapshot)
  for (;;) {
    const untilMs = env.nowMs() + LOAD_SLICE_MS
    let step = steps.next()
    while (step.done !== true && env.nowMs() < untilMs) step = steps.next()
    if (step.done === true) return step.value
    onEvent?.({ kind: 'loading', progress: step.value })
    await new Promise<void>((resolve) => void env.setTimer(0, resolve))
  }
}

/** Makes what was recovered durable, states where it ends, and begins a new segment. */
async function beginning(env: Env, directory: string, recovered: Recovered | undefined): Promise<JournalStart> {
  const { fs } = env
  const before = recovered?.manifest ?? (await firstManifest(env, directory))
  const ends = recovered?.journal.ends
  for (const { number, end } of before.segments) if (end === undefined) await syncSegment(fs, directory, number)
  const closed: SegmentEntry[] = before.segments.map((entry) => {
    const end = entry.end ?? ends?.get(entry.number)
    return end === undefined ? entry : { ...entry, end: { offset: end.offset, crc: end.crc } }
  })
  const number = (before.segments.at(-1)?.number ?? 0) + 1
  const epoch = before.epoch + 1
  const fileId = randomWord(env)
  const { bytes, crc } = segmentHeader({ number, fileId, epoch })
  if (before.generation === 1) await createDurable(fs, directory, before.directory)
  const file = await createSegment(fs, directory, number, bytes)
  const manifest: Manifest = {
    ...before,
    generation: before.generation + 1,
    epoch,
    isClean: false,
    segments: [...closed, { number, fileId }],
  }
  try {
    await writeManifest(fs, directory, manifest)
  } catch (error) {
    closeQuietly(file)
    throw error
  }
  return { manifest, file, crc, seq: recovered?.journal.end.seq ?? 0 }
}

async function firstManifest(env: Env, directory: string): Promise<Manifest> {
  const id = [randomWord(env), randomWord(env)].map((word) => word.toString(16).padStart(8, '0')).join('')
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    generation: 1,
    directory: id,
    epoch: 0,
    isClean: true,
    snapshot: null,
    seqBefore: 0,
    segments: [],
  }
  await writeManifest(env.fs, directory, manifest)
  return manifest
}

async function syncSegment(fs: Fs, directory: string, number: number): Promise<void> {
  const file = fs.open(`${directory}/${segmentName(number)}`, 'update')
  try {
    await file.sync()
  } finally {
    closeQuietly(file)
  }
}

/** What cannot be removed does no harm, and is looked at again next time. */
function removeLeftovers(fs: Fs, directory: string, names: readonly string[]): void {
  for (const name of [...names, RESERVE_NAME]) {
    try {
      fs.remove(`${directory}/${name}`)
    } catch {
      continue
    }
  }
}

function openSlots(fs: Fs, directory: string, id: string): DurableSlots {
  const { slot } = readDurable(fs, directory, id)
  return new DurableSlots(fs.open(`${directory}/${DURABLE_NAME}`, 'update'), id, 1 - slot)
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
