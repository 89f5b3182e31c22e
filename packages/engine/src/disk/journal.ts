/**
 * The journal as it is written: frames go to the current segment's file at once, and to stable storage as the policy says.
 *
 *   append ──► unsynced frames (in memory) ──write()──► segment file ──fdatasync──► durable
 *                                                 │                                    │
 *                                   everysec, no: safe here                   always: safe here
 *
 * One sync runs at a time and covers all that was written before it began; what comes meanwhile waits for the next one.
 *
 *   the disk is full      the frames stay in memory and are written again and again; growing writes are refused
 *   a write or a sync failed   the file is given up at its durable end: a new segment gets the unsynced frames, from memory
 *
 * A file whose sync failed is not synced again: its pages may be gone while the system calls them clean.
 */
import type { Env } from '../env.ts'
import { EngineError } from '../errors.ts'
import { closeQuietly, isFull, writeAll, type OpenFile } from './files.ts'
import { fillingAhead } from './fill-ahead.ts'
import { filesBefore, JournalDirectory } from './journal-directory.ts'
import { SEGMENT_HEADER_BYTES } from './journal-file.ts'
import type {
  Cut,
  Durable,
  FsyncPolicy,
  JournalEvent,
  JournalOptions,
  JournalStart,
  OlderFile,
  Refusal,
} from './journal-options.ts'
import { Later, pause } from './later.ts'
import type { Manifest, SnapshotEntry } from './manifest.ts'
import { SyncPace } from './sync-pace.ts'
import { NextSegment } from './next-segment.ts'
import { Waits } from './waits.ts'
import { UnsyncedFrames, type FrameEnd } from './unsynced.ts'

const EVERY_MS = 1000
const RETRY_MS = 200
const RETRY_MS_MAX = 10_000
/** How long a flush waits for the disk. */
const FLUSH_MS_MAX = 60_000
const CUT_TRIES = 5

export class Journal {
  policy: FsyncPolicy
  /** Called when `safeSeq` or `refusal` has changed, and when a sync has ended. */
  onChange: () => void = () => undefined
  readonly #options: JournalOptions
  readonly #env: Env
  readonly #frames = new UnsyncedFrames()
  readonly #directory: JournalDirectory
  #file: OpenFile | undefined
  #end: FrameEnd
  #seq: number
  /** What is whole in the files; `#durable`: what is on stable storage, too. */
  #written: Durable
  #durable: Durable
  #safeSeq: number
  #refusal: Refusal | undefined = undefined
  /** Files of earlier segments that are not synced yet. */
  #older: readonly OlderFile[] = []
  readonly #next: NextSegment
  #syncing: Promise<void> | undefined = undefined
  #moves = 0
  #moving: Promise<void> | undefined = undefined
  readonly #nextSync: Later
  readonly #nextTry: Later
  #isClosed = false
  readonly #waits: Waits
  readonly #pace: SyncPace
  readonly #tell: (event: JournalEvent) => void

  constructor(start: JournalStart, options: JournalOptions) {
    const entry = start.manifest.segments.at(-1)!
    this.#options = options
    this.#env = options.env
    this.#tell = options.onEvent
    this.#waits = new Waits(options.env)
    this.#nextSync = new Later(options.env, EVERY_MS, () => this.#sync())
    this.#nextTry = new Later(options.env, RETRY_MS, () => this.#retry())
    this.policy = options.policy
    const fillBytes = (): number => (this.policy === 'always' && this.#refusal === undefined ? options.fillBytes : 0)
    this.#directory = new JournalDirectory(options.env, options.directory, start.manifest, fillBytes)
    this.#file = fillingAhead(start.file, fillBytes)
    this.#next = new NextSegment({
      env: options.env,
      directory: this.#directory,
      isWanted: () => !this.#isClosed && this.#moving === undefined,
      onError: (error) => this.#tell({ kind: 'segment-failed', error }),
    })
    this.#pace = new SyncPace(options.syncsInPlace)
    this.#end = { segment: entry.number, fileId: entry.fileId, offset: SEGMENT_HEADER_BYTES, chain: start.crc }
    this.#seq = start.seq
    this.#durable = { segment: entry.number, offset: SEGMENT_HEADER_BYTES, chain: start.crc, seq: start.seq }
    this.#written = this.#durable
    this.#safeSeq = start.seq
  }

  /** Number of the last frame. */
  get seq(): number {
    return this.#seq
  }

  /** Frames up to this one are as safe as the policy promises. */
  get safeSeq(): number {
    return this.#safeSeq
  }

  /** Frames up to this one are on stable storage. */
  get durableSeq(): number {
    return this.#durable.seq
  }

  get refusal(): Refusal | undefined {
    return this.#refusal
  }

  /** In memory, because they are not on stable storage, or were not lately. */
  get unsyncedBytes(): number {
    return this.#frames.bytes
  }

  get isSyncing(): boolean {
    return this.#syncing !== undefined
  }

  /** Bytes of the journal's files behind the snapshot. */
  get bytes(): number {
    return this.#directory.manifest.segments.reduce((sum, { end }) => sum + (end?.offset ?? 0), this.#end.offset)
  }

  get manifest(): Manifest {
    return this.#directory.manifest
  }

  /** Adds a frame. `hasMore`: its group goes on in the next one. Nothing is written before `commit`, except much. */
  append(payload: Uint8Array, hasMore: boolean): void {
    this.#rollWhenDue()
    const { segment, offset } = this.#durable
    this.#frames.add(payload, this.#end, { hasMore, durable: { segment, offset }, seq: this.#seq + 1 })
    this.#seq++
    if (hasMore) this.#write()
  }

  /** Writes what was added, and syncs as the policy says. */
  commit(): void {
    this.#write()
    if (this.#isDurableOnly) this.#sync()
    else if (this.policy === 'everysec') this.#nextSync.ask()
  }

  /** Resolves when all that was added so far is on stable storage. `UNAVAILABLE`: it cannot be now, or takes too long. */
  async flush(): Promise<void> {
    const { seq } = this
    this.commit()
    await this.#waits.until(() => {
      if (this.#durable.seq >= seq) return true
      if (this.#isClosed) throw new EngineError('UNAVAILABLE', 'the journal was closed before all was durable')
      if (this.#refusal?.kind === 'all') throw new EngineError('UNAVAILABLE', this.#refusal.reason)
      this.#sync()
      return this.#durable.seq >= seq
    }, FLUSH_MS_MAX)
  }

  /**
   * Goes on in a new segment: `before` adds the last frames of the one before, then `atCut` is called, all in one turn.
   */
  async cut(before: () => void, atCut: () => void): Promise<Cut> {
    // The last frames before may need the segment that was prepared for those behind.
    for (let tries = 0; tries < CUT_TRIES; tries++) {
      await this.#next.make()
      before()
      this.#write()
      if (this.#mayRoll) break
    }
    if (!this.#mayRoll) {
      throw new EngineError('UNAVAILABLE', this.#refusal?.reason ?? 'no new segment of the journal could be made')
    }
    this.#roll()
    atCut()
    return { segment: this.#end.segment, seq: this.#seq, chain: this.#end.chain, moves: this.#moves }
  }

  /**
   * From now on the snapshot and the segments from the cut on are what the directory consists of; resolves with the names
   * of the files that it does not need any more.
   */
  async adopt(snapshot: SnapshotEntry, cut: Cut): Promise<string[]> {
    const before = this.#directory.manifest
    await this.#directory.step(async () => {
      // What has moved to another segment begins before the cut.
      if (this.#moves !== cut.moves || this.#moving !== undefined) {
        throw new EngineError('UNAVAILABLE', 'the journal had to go on in another file while the snapshot was written')
      }
      const segments = this.#directory.manifest.segments.filter(({ number }) => number >= cut.segment)
      await this.#directory.write({ snapshot, seqBefore: cut.seq, segments })
      // What is before the cut is on stable storage by that, and in no file that anybody needs.
      this.#setDurable({ segment: cut.segment, offset: SEGMENT_HEADER_BYTES, chain: cut.chain, seq: cut.seq })
      this.#advance()
    })
    return filesBefore(before, cut.segment)
  }

  /** Ends in order: everything is on stable storage, and where it ends is in the manifest. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    try {
      if (this.#refusal?.kind === 'all') throw new EngineError('UNAVAILABLE', this.#refusal.reason)
      await this.flush()
      await this.#directory.step(async () => {
        const segments = this.#directory.segmentsUpTo(this.#durable)
        await this.#directory.write({ segments, isClean: true })
      })
    } finally {
      this.abandon()
    }
  }

  /** Ends at once, as a crash does. */
  abandon(): void {
    this.#isClosed = true
    this.#waits.wake()
    this.#nextSync.end()
    this.#nextTry.end()
    this.#next.end()
    this.#directory.end()
    this.#closeUnused([this.#file, this.#next.take()?.file, ...this.#older.map(({ file }) => file)])
    this.#options.slots.close()
  }

  #write(): void {
    if (this.#file === undefined || this.#isClosed || this.#written.seq === this.#seq) return
    try {
      this.#frames.writeRest((bytes, segment, offset) => writeAll(this.#fileOf(segment), bytes, offset))
    } catch (error) {
      this.#writeFailed(error as NodeJS.ErrnoException)
      return
    }
    this.#written = { segment: this.#end.segment, offset: this.#end.offset, chain: this.#end.chain, seq: this.#seq }
    this.#advance()
  }

  #fileOf(segment: number): OpenFile {
    if (segment === this.#end.segment) return this.#file!
    return this.#older.find(({ number }) => number === segment)!.file
  }

  get #isDurableOnly(): boolean {
    return this.policy === 'always' || this.#frames.bytes > this.#options.unsyncedBytesMax
  }

  #advance(): void {
    const safe = this.#isDurableOnly ? this.#durable.seq : this.#written.seq
    if (safe <= this.#safeSeq) return
    this.#safeSeq = safe
    this.onChange()
  }

  #sync(): void {
    const isIdle = this.#syncing === undefined && this.#moving === undefined && !this.#isClosed
    if (!isIdle || this.#file === undefined || this.#written.seq === this.#durable.seq) return
    // With the others there is a second's worth of it, or more.
    if (this.policy === 'always' && this.#pace.isInPlace && this.#older.length === 0)
      return this.#syncInPlace(this.#written, this.#file)
    this.#syncing = this.#syncFiles(this.#written, this.#older, this.#file).finally(() => {
      this.#syncing = undefined
      this.#waits.wake()
      // What came meanwhile.
      if (this.#isDurableOnly) this.#sync()
      else if (this.policy === 'everysec' && this.#written.seq > this.#durable.seq) this.#nextSync.ask()
      this.onChange()
    })
  }

  #syncInPlace(target: Durable, file: OpenFile): void {
    const beganMs = this.#env.nowMs()
    try {
      file.syncNow()
    } catch (error) {
      return this.#syncFailed(error as Error)
    }
    this.#synced(target, beganMs)
  }

  async #syncFiles(target: Durable, older: readonly OlderFile[], file: OpenFile): Promise<void> {
    const beganMs = this.#env.nowMs()
    try {
      for (const one of older) await one.file.sync()
      await file.sync()
    } catch (error) {
      if (!this.#isClosed) this.#syncFailed(error as Error)
      return
    }
    if (this.#isClosed) return
    for (const one of older) {
      closeQuietly(one.file)
      this.#directory.setEnd(one.number, one.end)
    }
    this.#older = this.#older.filter((one) => !older.includes(one))
    this.#synced(target, beganMs)
  }

  #syncFailed(error: Error): void {
    this.moveOn(error)
    this.#tell({ kind: 'sync-failed', error })
  }

  #synced(target: Durable, beganMs: number): void {
    this.#pace.note(this.#env.nowMs() - beganMs)
    this.#setDurable(target)
    this.#waits.wake()
    this.#advance()
    this.#options.slots.writeSoon(target, (error) => this.#tell({ kind: 'slot-failed', error }))
  }

  #setDurable(durable: Durable): void {
    if (durable.seq < this.#durable.seq || durable.segment < this.#durable.segment) return
    this.#durable = durable
    this.#frames.release(durable.segment, durable.offset)
  }

  #rollWhenDue(): void {
    if (this.#end.offset < this.#options.segmentBytes / 2 || this.#file === undefined) return
    if (!this.#next.isThere) this.#next.ask()
    else if (this.#end.offset >= this.#options.segmentBytes) {
      this.#write()
      if (this.#mayRoll) this.#roll()
    }
  }

  /** A segment ends where all of it is written. */
  get #mayRoll(): boolean {
    return this.#next.isThere && this.#file !== undefined && this.#written.seq === this.#seq
  }

  /** The next frame goes to the segment that was made ahead. */
  #roll(): void {
    const { offset, chain: crc, segment } = this.#end
    const { entry, file, crc: chain } = this.#next.take()!
    this.#older = [...this.#older, { number: segment, file: this.#file!, end: { offset, crc } }]
    this.#file = file
    this.#end = { segment: entry.number, fileId: entry.fileId, offset: SEGMENT_HEADER_BYTES, chain }
  }

  #writeFailed(error: NodeJS.ErrnoException): void {
    if (!isFull(error)) {
      this.moveOn(error)
      this.#tell({ kind: 'write-failed', error })
      return
    }
    if (this.#options.reserve.release()) {
      if (this.#refusal === undefined) this.#tell({ kind: 'disk-full', error })
      this.#refuse({ kind: 'growing', reason: error.message })
      this.#nextTry.ask()
      this.#write()
      return
    }
    this.#refuse({ kind: 'all', reason: error.message })
    this.#nextTry.ask()
  }

  /** The disk was full: is there room again? */
  #retry(): void {
    if (this.#isClosed || this.#moving !== undefined) return
    this.commit()
    if (this.#written.seq === this.#seq && this.#options.reserve.take()) {
      this.#refuse(undefined)
      this.#tell({ kind: 'resumed' })
    } else {
      if (this.#written.seq === this.#seq && this.#refusal?.kind === 'all') {
        this.#refuse({ kind: 'growing', reason: this.#refusal.reason })
      }
      this.#nextTry.ask()
    }
  }

  #refuse(refusal: Refusal | undefined): void {
    this.#refusal = refusal
    this.#waits.wake()
    this.onChange()
  }

  /** Gives the current files up, and goes on in a new one. */
  moveOn(cause: Error): void {
    if (this.#moving !== undefined || this.#isClosed) return
    this.#closeUnused([this.#file])
    this.#file = undefined
    this.#moving = this.#move(cause).finally(() => {
      this.#moving = undefined
      this.#waits.wake()
      this.commit()
    })
  }

  async #move(cause: Error): Promise<void> {
    // It may still succeed, and move the durable end on.
    await this.#syncing
    for (let waitMs = RETRY_MS; !this.#isClosed; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#directory.step(() => this.#moveOnce())
        if (this.#refusal !== undefined) this.#refuse(undefined)
        this.#tell({ kind: 'moved', segment: this.#end.segment })
        return
      } catch (error) {
        this.#refuse({ kind: 'all', reason: `${cause.message}; a new file: ${(error as Error).message}` })
        this.#tell({ kind: 'segment-failed', error: error as Error })
        await pause(this.#env, waitMs)
      }
    }
  }

  async #moveOnce(): Promise<void> {
    const { entry, file, crc: chain } = await this.#directory.createSegment(true)
    this.#moves++
    const kept = this.#directory.segmentsUpTo(this.#durable)
    const end = { segment: entry.number, fileId: entry.fileId, offset: SEGMENT_HEADER_BYTES, chain }
    this.#frames.moveTo(end, this.#durable)
    this.#end = end
    const moved = { segment: end.segment, offset: end.offset, chain: end.chain, seq: this.#seq }
    try {
      // Until the manifest names them here, they are where they were written first.
      this.#frames.writeRest((bytes, _, at) => writeAll(file, bytes, at))
      await file.sync()
      await this.#directory.write({ segments: [...kept, entry] })
    } catch (error) {
      // A manifest may name it by now, so it is not removed.
      closeQuietly(file)
      throw error
    }
    for (const unused of [...this.#older, this.#next.take()]) if (unused !== undefined) closeQuietly(unused.file)
    this.#older = []
    this.#written = moved
    this.#file = file
    this.#setDurable(moved)
    this.#advance()
  }

  /** A file is not closed while it is synced: its number could be another file's by then. */
  #closeUnused(files: readonly (OpenFile | undefined)[]): void {
    const close = (): void => {
      for (const file of files) if (file !== undefined) closeQuietly(file)
    }
    if (this.#syncing === undefined) close()
    else void this.#syncing.finally(close)
  }
}
