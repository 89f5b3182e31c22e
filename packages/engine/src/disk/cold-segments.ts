/**
 * Which segments are in memory, and which on disk only: streams larger than memory.
 *
 *   tail ──sealed──► sealed ──spill──► away ──bring──► cached ──► away …
 *   (gets entries)   (memory)          (disk)          (both)
 *
 *   sealed   in memory alone, oldest first. Beyond the budget the oldest is written to a file and lets go of its bytes; one
 *            that was looked at since is passed over once
 *   away     a stub (cold-stub.ts). Trimmed whole, counted and stepped over without a look at the disk
 *   cached   read back; as many as fit into the cache's share of the budget, the first to go as above
 *
 * The budget counts all that is in memory: node tables, groups and pending entries, other keys too, none of which ever go
 * to disk. Segments leave at three fifths of it: what was let go is still in memory until it's collected. Where the disk
 * takes no more, segments stay in memory, somebody is told, and each one that is sealed tries again. A segment leaves memory
 * only here, never while one of its methods runs, and bytes that were handed out stay with whoever has them.
 *
 * One object can serve several `Databases`, as when one is loaded beside the other: then they share the budget.
 *
 * Who tells segments later, over several turns, `hold`s them: what is trimmed meanwhile stays readable.
 *
 *   segment ──shares──► picture      of one that a snapshot will tell. It goes to disk with its segment; when that is trimmed
 *                                    first, the picture has its bytes for itself, as a sealed segment has
 */
import { Meter } from '../meter.ts'
import type { ColdStub } from '../cold-stub.ts'
import type { Segment } from '../segment.ts'
import { ColdFiles, type ColdPlace } from './cold-files.ts'
import type { Fs } from './files.ts'

/**
 * V8 collects when the arrays have grown by some 30 %: with 200 MB of them all in use, 260 MB lie in memory, and malloc
 * keeps some 40 more (Node 20, glibc).
 */
const LEAVE_SHARE = 0.6
/** Without a collection in between 60 MB more are in memory while a gigabyte a second comes and goes; with one, 10. */
const COLLECT_BYTES = 32 << 20
/** By default the cache has a quarter of the budget. */
const CACHE_SHARE = 4
// Below this the stub and a record cost about as much as the segment.
const SEGMENT_BYTES_MIN = 4096

export interface ColdOptions {
  readonly fs: Fs
  /** For files of a cache: emptied when this begins and when it ends. */
  readonly directory: string
  /** The budget for what is in memory; from three fifths of it on segments leave. */
  readonly memoryBytes: number
  /** How much of it segments that were read back may take. Default a quarter. */
  readonly cacheBytes?: number
  /** Of a file, before the next one begins. Default 64 MiB. */
  readonly fileBytes?: number
  /** Smaller segments stay in memory. Default 4096. */
  readonly segmentBytesMin?: number
  /** Entries of a segment. Default as many as fit. For tests. */
  readonly segmentRowsMax?: number
  readonly onEvent?: (event: ColdEvent) => void
  /** Called when 32 MiB have been let go: may have the garbage collected, which takes 4 ms of a heap of 10 MB. */
  readonly collect?: () => void
}

export type ColdEvent =
  /** The disk took no segment: they stay in memory. Told once, until it takes one again. */
  | { readonly kind: 'spill-failed'; readonly error: unknown }
  | { readonly kind: 'spill-resumed' }
  /** A file that is no longer used could not be removed. */
  | { readonly kind: 'file-left'; readonly path: string; readonly error: unknown }

export interface ColdInfo {
  /** What is in memory: what the budget is about. */
  readonly residentBytes: number
  /** Of that, what was read back from disk. */
  readonly cachedBytes: number
  /** Segments that have a record on disk. */
  readonly segments: number
  /** Their records. */
  readonly recordBytes: number
  /** What the files take, with what was given back in them. */
  readonly fileBytes: number
  readonly files: number
  /** Segments written to disk, and read back, since the beginning. */
  readonly spills: number
  readonly reads: number
  readonly readBytes: number
  /** Why the last attempt to write one failed, while none has succeeded since. */
  readonly failure: string | undefined
}

export class ColdSegments {
  /** Counts all that is in memory. */
  readonly meter = new Meter()
  readonly segmentRowsMax: number
  readonly #options: ColdOptions
  readonly #files: ColdFiles
  readonly #sealed = new Set<Segment>()
  readonly #cached = new Set<Segment>()
  /** By their segments, which are in memory. */
  readonly #pictures = new Map<Segment, Segment>()
  /** Those whose segments are nobody's. */
  readonly #orphans = new Set<Segment>()
  #cachedBytes = 0
  #memoryBytes: number
  /** Let go since the last collection that was asked for. */
  #leftBytes = 0
  #segments = 0
  #spills = 0
  #reads = 0
  #readBytes = 0
  #failure: string | undefined = undefined

  constructor(options: ColdOptions) {
    const { fs, directory, fileBytes, onEvent, memoryBytes } = options
    this.#options = options
    this.#memoryBytes = memoryBytes
    this.segmentRowsMax = options.segmentRowsMax ?? Infinity
    this.#files = new ColdFiles({
      fs,
      directory,
      ...(fileBytes === undefined ? {} : { fileBytes }),
      onLeft: (path, error) => onEvent?.({ kind: 'file-left', path, error }),
    })
  }

  /** The budget; may be changed at any time. `Infinity`: all stays in memory. */
  get memoryBytes(): number {
    return this.#memoryBytes
  }

  set memoryBytes(bytes: number) {
    this.#memoryBytes = bytes
    this.shrink()
  }

  get #cacheBytesMax(): number {
    return this.#options.cacheBytes ?? Math.trunc(this.#memoryBytes / CACHE_SHARE)
  }

  info(): ColdInfo {
    return {
      residentBytes: this.meter.bytes,
      cachedBytes: this.#cachedBytes,
      segments: this.#segments,
      recordBytes: this.#files.recordBytes,
      fileBytes: this.#files.fileBytes,
      files: this.#files.fileCount,
      spills: this.#spills,
      reads: this.#reads,
      readBytes: this.#readBytes,
      failure: this.#failure,
    }
  }

  /** Takes over a segment that gets no more entries, unless that has been done: the last one can be lost to deletions. */
  adopt(segment: Segment): void {
    if (!segment.close(this)) return
    if (segment.columnBytes >= (this.#options.segmentBytesMin ?? SEGMENT_BYTES_MIN)) this.#sealed.add(segment)
    this.shrink()
  }

  /** A segment that nobody has any more but who is still telling it; `stub`: of one that has a record. */
  forget(segment: Segment, stub: ColdStub | undefined): void {
    this.#sealed.delete(segment)
    this.#orphan(segment)
    if (stub === undefined) return
    if (this.#cached.delete(segment)) this.#cachedBytes -= stub.place.bytes
    this.#segments--
    this.#files.free(stub.place)
  }

  /** A picture of a segment that is in memory has its columns. */
  shares(segment: Segment, picture: Segment): void {
    this.#pictures.set(segment, picture)
  }

  /** Nobody tells pictures any more: what was read, or kept, for them is let go. */
  endPictures(): void {
    this.#pictures.clear()
    for (const picture of this.#orphans) picture.release()
    this.#orphans.clear()
    this.clearCache()
  }

  /** Until the function that this returns is called, what is trimmed can still be read by who has its segments. */
  hold(): () => void {
    return this.#files.hold()
  }

  /** Reads a segment's record, to be in memory again. `UNAVAILABLE`, `CORRUPT`: it cannot be had. */
  read(segment: Segment, place: ColdPlace, into: readonly Uint8Array[]): void {
    this.#files.read(place, into)
    this.#reads++
    this.#readBytes += place.bytes
    this.#cached.add(segment)
    this.#cachedBytes += place.bytes
  }

  /** Sends away what is too much now that a segment was read; that one stays. */
  makeRoom(read: Segment): void {
    while (this.#cachedBytes > this.#cacheBytesMax && this.#evict(read)) continue
    this.#balance(read)
  }

  /** Sends away what is beyond the budget: to be called when memory was taken by something else than entries. */
  shrink(): void {
    this.#balance(undefined)
  }

  /** Lets go of all that was read back. */
  clearCache(): void {
    while (this.#evict(undefined)) continue
  }

  /** Removes the files; resolves when they are gone. Entries that are on disk only can't be read any more. */
  async close(): Promise<void> {
    await this.#files.close()
  }

  #balance(kept: Segment | undefined): void {
    const bytesMax = this.#memoryBytes * LEAVE_SHARE
    // A disk that takes nothing is asked again when a segment is sealed, not with each that is read.
    if (kept === undefined || this.#failure === undefined) {
      while (this.meter.bytes > bytesMax && this.#spill()) continue
    }
    while (this.meter.bytes > bytesMax && this.#evict(kept)) continue
  }

  /** Writes the oldest sealed segment to disk; false when there is none, or the disk doesn't take it. */
  #spill(): boolean {
    const segment = oldest(this.#sealed, undefined)
    if (segment === undefined) return false
    let place: ColdPlace
    try {
      place = this.#files.write(segment.pieces())
    } catch (error) {
      if (this.#failure === undefined) this.#options.onEvent?.({ kind: 'spill-failed', error })
      this.#failure = error instanceof Error ? error.message : String(error)
      return false
    }
    this.#sealed.delete(segment)
    this.#segments++
    this.#spills++
    segment.store(place)
    this.#letGo(segment, place.bytes)
    if (this.#failure !== undefined) this.#options.onEvent?.({ kind: 'spill-resumed' })
    this.#failure = undefined
    return true
  }

  /** The segment is gone: its picture, if it has one, is alone with the bytes. */
  #orphan(segment: Segment): void {
    const picture = this.#pictures.get(segment)
    if (picture === undefined) return
    this.#pictures.delete(segment)
    this.#orphans.add(picture)
    picture.inherit()
    this.#sealed.add(picture)
  }

  /** Lets one go that was read back; false when there is none but the one that is kept. */
  #evict(kept: Segment | undefined): boolean {
    const segment = oldest(this.#cached, kept)
    if (segment === undefined) return false
    this.#cached.delete(segment)
    const bytes = segment.columnBytes
    this.#cachedBytes -= bytes
    this.#letGo(segment, bytes)
    return true
  }

  #letGo(segment: Segment, bytes: number): void {
    segment.leave()
    this.#pictures.get(segment)?.leaveWith(segment)
    this.#pictures.delete(segment)
    this.#leftBytes += bytes
    if (this.#leftBytes < COLLECT_BYTES) return
    this.#leftBytes = 0
    this.#options.collect?.()
  }
}

/** The first that was not looked at since it was last passed over; those that were go to the end. */
function oldest(segments: Set<Segment>, kept: Segment | undefined): Segment | undefined {
  let looks = segments.size
  for (const segment of segments) {
    if (looks-- > 0 && (segment === kept || segment.takeTouch())) {
      segments.delete(segment)
      segments.add(segment)
    } else if (segment !== kept) return segment
    else if (segments.size === 1) return undefined
  }
  return undefined
}
