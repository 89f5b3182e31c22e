/**
 * Records on disk that are written once, read back, and given back: what segments leave behind when they leave memory
 * (cold-segments.ts). A cache beside the journal: nothing is synced, and nothing is found again after a restart.
 *
 *   cold-000001   │ record │ record │ record │ … up to 64 MB, of much data more: there are never more than a few hundred files
 *   cold-000002   │ record │   ✗    │   ✗    │     ✗ given back. Where less than half is left, the rest moves to the newest
 *   cold-000003   │ record │ · · ·                file, one record with each that comes or goes
 *
 * A file of which nothing is left is removed at once, or, while somebody holds on (`hold`) to what was given back, when
 * the last one lets go. A record has no header: its place, length and CRC-32 are in memory, and each is checked when it is
 * read.
 */
import { crc32 } from 'node:zlib'
import { EngineError } from '../errors.ts'
import { closeQuietly, writeAll, type Fs, type OpenFile } from './files.ts'

const FILE_BYTES_DEFAULT = 64 << 20
// Of so many files a new one holds as much as all of them in the mean: the number of open files grows with the logarithm.
const FILES_FEW = 128
const NAME = /^cold-\d{6,}$/

export interface ColdFilesOptions {
  readonly fs: Fs
  /** Is made; what an earlier process has left there is removed. */
  readonly directory: string
  /** Of a file, before the next one begins. Default 64 MiB. */
  readonly fileBytes?: number
  /** Called where a file could not be removed: it takes up space until the next start. */
  readonly onLeft?: (path: string, error: unknown) => void
}

interface ColdFile {
  readonly path: string
  readonly open: OpenFile
  readonly places: Set<ColdPlace>
  /** Bytes written, and those of them that were not given back. */
  usedBytes: number
  liveBytes: number
  isClosed: boolean
}

/** Where a record is; `ColdFiles` may move it. */
export interface ColdPlace {
  file: ColdFile
  position: number
  readonly bytes: number
  readonly crc: number
}

export class ColdFiles {
  readonly #options: ColdFilesOptions
  readonly #files = new Set<ColdFile>()
  /** Those of which less than half is left. */
  readonly #sparse = new Set<ColdFile>()
  /** Nothing is left of them, but somebody may still read what was given back. */
  #condemned: ColdFile[] = []
  #holds = 0
  #current: ColdFile | undefined = undefined
  #number = 0
  #liveBytes = 0
  /** Files that are being removed. */
  readonly #removals = new Set<Promise<void>>()

  constructor(options: ColdFilesOptions) {
    const { fs, directory } = options
    this.#options = options
    fs.makeDirectory(directory)
    removeColdFiles(fs, directory)
  }

  /** Of all records that are there. */
  get recordBytes(): number {
    return this.#liveBytes
  }

  /** What the files take, with what was given back in them. */
  get fileBytes(): number {
    let bytes = 0
    for (const file of this.#files) bytes += file.usedBytes
    for (const file of this.#condemned) bytes += file.usedBytes
    return bytes
  }

  get fileCount(): number {
    return this.#files.size + this.#condemned.length
  }

  /** Writes the pieces one after the other as a record. Throws what the file system throws; then there is no record. */
  write(pieces: readonly Uint8Array[]): ColdPlace {
    const place = this.#put(pieces)
    this.#moveOne()
    return place
  }

  /**
   * Reads a record into pieces as long as those that were written. `UNAVAILABLE`: the disk doesn't give it, or it was
   * given back. `CORRUPT`: it is not what was written.
   */
  read(place: ColdPlace, into: readonly Uint8Array[]): void {
    const { file } = place
    if (file.isClosed) throw new EngineError('UNAVAILABLE', `${file.path} was removed: its entries had been trimmed`)
    let at = place.position
    let crc = 0
    for (const piece of into) {
      readWhole(file, piece, at)
      crc = crc32(piece, crc)
      at += piece.length
    }
    if (crc === place.crc && at === place.position + place.bytes) return
    throw new EngineError(
      'CORRUPT',
      `${file.path}: the ${place.bytes} bytes at offset ${place.position} are not what was written there ` +
        `(CRC-32 ${hex(crc)}, expected ${hex(place.crc)})`,
    )
  }

  /** Gives a record back. It can be read on while somebody holds on. */
  free(place: ColdPlace): void {
    const { file } = place
    if (!file.places.delete(place)) return
    file.liveBytes -= place.bytes
    this.#liveBytes -= place.bytes
    this.#settle(file)
    this.#moveOne()
  }

  /** Until the function that this returns is called, records that are given back can still be read. */
  hold(): () => void {
    let isHeld = true
    this.#holds++
    return () => {
      if (!isHeld) return
      isHeld = false
      if (--this.#holds > 0) return
      const condemned = this.#condemned
      this.#condemned = []
      for (const file of condemned) this.#remove(file)
    }
  }

  /** Removes all files; resolves when they are gone. The directory is somebody else's from then on, not before. */
  async close(): Promise<void> {
    for (const file of [...this.#files, ...this.#condemned]) this.#remove(file)
    this.#files.clear()
    this.#sparse.clear()
    this.#condemned = []
    this.#current = undefined
    this.#liveBytes = 0
    await Promise.all(this.#removals)
  }

  #put(pieces: readonly Uint8Array[]): ColdPlace {
    let bytes = 0
    for (const piece of pieces) bytes += piece.length
    const file = this.#fileFor(bytes)
    const position = file.usedBytes
    let at = position
    let crc = 0
    try {
      for (const piece of pieces) {
        writeAll(file.open, piece, at)
        crc = crc32(piece, crc)
        at += piece.length
      }
    } catch (error) {
      // What is at its end now is unknown: nothing more goes there.
      this.#current = undefined
      this.#settle(file)
      throw error
    }
    const place = { file, position, bytes, crc }
    file.places.add(place)
    file.usedBytes += bytes
    file.liveBytes += bytes
    this.#liveBytes += bytes
    return place
  }

  #fileFor(bytes: number): ColdFile {
    const { fs, directory, fileBytes = FILE_BYTES_DEFAULT } = this.#options
    const current = this.#current
    if (current !== undefined) {
      const bytesMax = Math.max(fileBytes, this.#liveBytes / FILES_FEW)
      if (current.usedBytes === 0 || current.usedBytes + bytes <= bytesMax) return current
      this.#current = undefined
      this.#settle(current)
    }
    const path = `${directory}/cold-${String(++this.#number).padStart(6, '0')}`
    const open = fs.open(path, 'create')
    const file: ColdFile = { path, open, places: new Set(), usedBytes: 0, liveBytes: 0, isClosed: false }
    this.#files.add(file)
    this.#current = file
    return file
  }

  /** What becomes of a file that lost a record, or gets no more. */
  #settle(file: ColdFile): void {
    if (file.places.size > 0) {
      if (file !== this.#current && file.liveBytes * 2 < file.usedBytes) this.#sparse.add(file)
      return
    }
    if (file === this.#current) this.#current = undefined
    this.#files.delete(file)
    this.#sparse.delete(file)
    if (this.#holds > 0) this.#condemned.push(file)
    else this.#remove(file)
  }

  #moveOne(): void {
    for (const file of this.#sparse) {
      for (const place of file.places) {
        if (!this.#move(file, place)) this.#sparse.delete(file)
        else if (file.places.size === 0) this.#settle(file)
        return
      }
    }
  }

  /** False where that cannot be: the record stays, and whoever reads it is told why when it's not readable. */
  #move(file: ColdFile, place: ColdPlace): boolean {
    const bytes = new Uint8Array(place.bytes)
    let moved: ColdPlace
    try {
      this.read(place, [bytes])
      moved = this.#put([bytes])
    } catch {
      // Nothing is lost but space: the file is tried again when it loses its next record.
      return false
    }
    file.places.delete(place)
    file.liveBytes -= place.bytes
    this.#liveBytes -= place.bytes
    moved.file.places.delete(moved)
    moved.file.places.add(place)
    place.file = moved.file
    place.position = moved.position
    return true
  }

  #remove(file: ColdFile): void {
    if (file.isClosed) return
    file.isClosed = true
    closeQuietly(file.open)
    const removal = this.#options.fs
      .removeSoon(file.path)
      .catch((error: unknown) => this.#options.onLeft?.(file.path, error))
      .then(() => void this.#removals.delete(removal))
    this.#removals.add(removal)
  }
}

/** Removes what an earlier process has left in a directory. */
export function removeColdFiles(fs: Fs, directory: string): void {
  for (const name of fs.list(directory)) if (NAME.test(name)) fs.remove(`${directory}/${name}`)
}

function readWhole({ open, path }: ColdFile, into: Uint8Array, position: number): void {
  let read: number
  try {
    read = open.read(into, position)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new EngineError('UNAVAILABLE', `Reading ${into.length} bytes of ${path} at offset ${position}: ${text}`, {
      cause: error,
    })
  }
  if (read === into.length) return
  throw new EngineError('CORRUPT', `${path} ends at offset ${position + read}, before the entries at ${position} do`)
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
