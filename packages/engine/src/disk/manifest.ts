/**
 * What a directory consists of: which snapshot, which segments of the journal, and where those that are closed end. Two
 * files take turns, so that the one before is there while the next is written:
 *
 *   manifest-0   generation 6, 8, …        manifest-1   generation 5, 7, …        the higher one counts
 *
 *   {"format":1,"generation":7,"directory":"9f…","epoch":3,"isClean":false,"snapshot":null,"segments":[…]}
 *   c0ffee12                                             CRC-32 of the line above, and the end of the file
 *
 * Each is written under another name, made durable, renamed, and its name made durable. So after a crash both are whole:
 * of two neighbouring generations, or the first alone. Anything else is damage and refused: the older one alone would bring
 * back the data of a former time.
 */
import { crc32 } from 'node:zlib'
import { EngineError } from '../errors.ts'
import { closeQuietly, readBytes, writeAll, type Fs } from './files.ts'

export const MANIFEST_FORMAT = 1
const MANIFEST_BYTES_MAX = 16 * 1024 * 1024
const TEMPORARY = 'manifest.tmp'

export interface ClosedEnd {
  /** Where the segment ends, whatever else is in the file. */
  readonly offset: number
  /** CRC of its last frame, or of its header when it has none. */
  readonly crc: number
}

export interface SegmentEntry {
  readonly number: number
  readonly fileId: number
  /** Absent: the segment is, or may be, written to. */
  readonly end?: ClosedEnd
}

export interface SnapshotEntry {
  readonly name: string
  readonly bytes: number
  /** CRC-64 at the end of the file, 16 hexadecimal digits. */
  readonly crc: string
}

export interface Manifest {
  readonly format: number
  readonly generation: number
  /** Random, of the directory: 16 hexadecimal digits. */
  readonly directory: string
  /** How often the directory has been opened. */
  readonly epoch: number
  /** Written by an orderly end. */
  readonly isClean: boolean
  readonly snapshot: SnapshotEntry | null
  /** Sequence number of the last frame that the snapshot contains. */
  readonly seqBefore: number
  /** In order; the journal behind the snapshot. */
  readonly segments: readonly SegmentEntry[]
}

export function manifestName(generation: number): string {
  return `manifest-${generation % 2}`
}

/** Reads the manifest that counts; undefined: there is none at all. */
export function readManifest(fs: Fs, directory: string): Manifest | undefined {
  const names = new Set(fs.list(directory))
  const found = ['manifest-0', 'manifest-1'].filter((name) => names.has(name))
  const manifests = found.map((name) => readManifestFile(fs, directory, name))
  const newest = manifests.reduce<Manifest | undefined>(
    (best, one) => (best === undefined || one.generation > best.generation ? one : best),
    undefined,
  )
  if (newest === undefined) return undefined
  const missing = `${directory}/${manifestName(newest.generation + 1)}`
  if (manifests.length === 1 && newest.generation > 1) {
    throw new EngineError('CORRUPT', `${missing} is missing: it may have been the newest manifest`)
  }
  const [one, other] = manifests
  if (other !== undefined && Math.abs(one!.generation - other.generation) !== 1) {
    throw new EngineError(
      'CORRUPT',
      `${directory}: the manifests are of generations ${one!.generation} and ${other.generation}; neighbouring ones were expected`,
    )
  }
  if (other !== undefined && one!.directory !== other.directory) {
    throw new EngineError(
      'CORRUPT',
      `${directory}: the manifests are of two directories, ${one!.directory} and ${other.directory}`,
    )
  }
  return newest
}

/** Writes a manifest in the place of the one before the last; it counts from when this resolves. `mayBePlaced` is asked last. */
export async function writeManifest(
  fs: Fs,
  directory: string,
  manifest: Manifest,
  mayBePlaced = () => true,
): Promise<void> {
  const line = JSON.stringify(manifest)
  const bytes = new TextEncoder().encode(`${line}\n${hex(crc32(line))}\n`)
  const path = `${directory}/${TEMPORARY}`
  if (fs.list(directory).includes(TEMPORARY)) fs.remove(path)
  const file = fs.open(path, 'create')
  try {
    writeAll(file, bytes, 0)
    await file.sync()
  } finally {
    closeQuietly(file)
  }
  if (!mayBePlaced()) throw new EngineError('UNAVAILABLE', `${directory} is not open any more`)
  fs.rename(path, `${directory}/${manifestName(manifest.generation)}`)
  await fs.syncDirectory(directory)
}

/** Reads one of the two, whether or not it counts. */
export function readManifestFile(fs: Fs, directory: string, name: string): Manifest {
  const path = `${directory}/${name}`
  const file = fs.open(path, 'read')
  let text: string
  try {
    const size = file.size()
    if (size > MANIFEST_BYTES_MAX) {
      throw new EngineError('CORRUPT', `${path}: ${size} bytes, where at most ${MANIFEST_BYTES_MAX} are possible`)
    }
    text = new TextDecoder('latin1').decode(readBytes(file, 0, size))
  } finally {
    closeQuietly(file)
  }
  const end = text.indexOf('\n')
  const line = text.slice(0, end)
  if (end < 0 || text.slice(end) !== `\n${hex(crc32(line))}\n`) {
    throw new EngineError('CORRUPT', `${path}: the checksum of the manifest does not match`)
  }
  return checked(JSON.parse(line), path, name)
}

/** What the checksum has vouched for: only a newer program's can be of another shape. */
function checked(value: Manifest, path: string, name: string): Manifest {
  if (value.format !== MANIFEST_FORMAT) {
    throw new EngineError(
      'NEWER_FORMAT',
      `${path}: format ${value.format}; this program reads format ${MANIFEST_FORMAT}`,
    )
  }
  if (manifestName(value.generation) !== name) {
    throw new EngineError(
      'CORRUPT',
      `${path}: holds generation ${value.generation}, which belongs into ${manifestName(value.generation)}`,
    )
  }
  return value
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0')
}
