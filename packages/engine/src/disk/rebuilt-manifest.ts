/**
 * A manifest put together from what the other files say, where the manifests are missing or damaged.
 *
 *   snapshot-000007.rdb      the newest that is whole: everything up to segment 7
 *   journal-000007           its header: number and id of the file
 *   journal-000009           its first frame: which number the frames of the segment before may not reach
 *
 * A segment that was given up after a failed write may have frames that the next one has again: it ends where that begins.
 */
import { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { closeQuietly, type Fs } from './files.ts'
import { readSegmentHeader, segmentName, segmentNumber, type SegmentHeader } from './journal-file.ts'
import { MANIFEST_FORMAT, readManifestFile, type Manifest, type SegmentEntry, type SnapshotEntry } from './manifest.ts'
import { DATABASES_MAX } from './new-directory.ts'
import { SNAPSHOT_NAME } from './recovery.ts'
import { wholeFrames } from './segment-look.ts'
import { loadSnapshot } from './snapshot.ts'

interface Segment {
  readonly header: SegmentHeader
  readonly firstSeq: number | undefined
}

/** Throws `CORRUPT` where the files do not tell what there was. */
export function rebuildManifest(fs: Fs, directory: string): Manifest {
  const snapshot = newestSnapshot(fs, directory)
  const begin = snapshot === null ? 0 : snapshotNumber(snapshot.name)
  const found = readSegments(fs, directory, begin)
  const seqBefore = snapshot === null ? 0 : seqBehind(fs, directory, snapshot, found)
  const first = found.find(({ firstSeq }) => firstSeq !== undefined)
  if (snapshot === null && first?.firstSeq !== 1) {
    const what = first === undefined ? 'no journal' : `a journal that begins with frame ${first.firstSeq}`
    throw new EngineError(
      'CORRUPT',
      `${directory}: nothing can be saved: there is no snapshot that is whole, and ${what}`,
    )
  }
  const segments = seqBefore === undefined ? [] : found
  return {
    format: MANIFEST_FORMAT,
    // Not the first one: there was a journal.
    generation: 2,
    directory: '0'.repeat(16),
    epoch: Math.max(0, ...segments.map(({ header }) => header.epoch)),
    isClean: false,
    snapshot,
    seqBefore: seqBefore ?? 0,
    segments: segments.map((segment, index) => entryOf(fs, directory, segment, segments.slice(index + 1))),
  }
}

/**
 * The number of the last frame that a snapshot contains. Undefined: it cannot be told, and so not what follows it: the first
 * segment behind it is not there, or has no frame; later ones may go on anywhere.
 */
function seqBehind(
  fs: Fs,
  directory: string,
  snapshot: SnapshotEntry,
  segments: readonly Segment[],
): number | undefined {
  for (const manifest of manifestsThatAreWhole(fs, directory)) {
    if (manifest.snapshot?.name === snapshot.name && manifest.snapshot.crc === snapshot.crc) return manifest.seqBefore
  }
  const [first] = segments
  if (first?.header.number !== snapshotNumber(snapshot.name) || first.firstSeq === undefined) return undefined
  return first.firstSeq - 1
}

function manifestsThatAreWhole(fs: Fs, directory: string): Manifest[] {
  const names = fs.list(directory).filter((name) => name === 'manifest-0' || name === 'manifest-1')
  return names.flatMap((name) => {
    try {
      return readManifestFile(fs, directory, name)
    } catch (error) {
      if (error instanceof EngineError && error.code === 'CORRUPT') return []
      throw error
    }
  })
}

/**
 * Which one a snapshot is, only its name tells. So one is passed over that a manifest names with other bytes, and one that an
 * older name has as well: it is a copy in another's place.
 */
function newestSnapshot(fs: Fs, directory: string): SnapshotEntry | null {
  const names = fs.list(directory).filter((name) => SNAPSHOT_NAME.test(name))
  const named = manifestsThatAreWhole(fs, directory).map(({ snapshot }) => snapshot)
  let newest: SnapshotEntry | null = null
  const crcs = new Set<string>()
  for (const name of names.sort((a, b) => snapshotNumber(a) - snapshotNumber(b))) {
    const found = wholeSnapshot(fs, `${directory}/${name}`)
    if (found === undefined || crcs.has(found.crc)) continue
    crcs.add(found.crc)
    if (!named.some((one) => one?.name === name && one.crc !== found.crc)) newest = { name, ...found }
  }
  return newest
}

function wholeSnapshot(fs: Fs, path: string): Omit<SnapshotEntry, 'name'> | undefined {
  try {
    const loading = loadSnapshot(fs, path, new Databases({ count: DATABASES_MAX }))
    for (;;) {
      const step = loading.next()
      if (step.done === true) return step.value
    }
  } catch (error) {
    if (error instanceof EngineError && error.code !== 'NEWER_FORMAT') return undefined
    throw error
  }
}

function snapshotNumber(name: string): number {
  return Number(/\d+/.exec(name)![0])
}

/**
 * Those from a number on, in their order. One whose header is of no use is passed over: when it had frames, what comes behind
 * it does not follow what is before.
 */
function readSegments(fs: Fs, directory: string, begin: number): Segment[] {
  const numbers = fs.list(directory).flatMap((name) => segmentNumber(name) ?? [])
  const segments: Segment[] = []
  for (const number of numbers.filter((one) => one >= begin).sort((a, b) => a - b)) {
    const path = `${directory}/${segmentName(number)}`
    const header = headerOf(fs, path)
    if (header === undefined || header.number !== number) continue
    segments.push({ header, firstSeq: wholeFrames(fs, path, Infinity).seqs?.first })
  }
  return segments
}

function headerOf(fs: Fs, path: string): SegmentHeader | undefined {
  const file = fs.open(path, 'read')
  try {
    return readSegmentHeader(file, path)
  } catch (error) {
    if (error instanceof EngineError && error.code === 'CORRUPT') return undefined
    throw error
  } finally {
    closeQuietly(file)
  }
}

function entryOf(fs: Fs, directory: string, { header, firstSeq }: Segment, later: readonly Segment[]): SegmentEntry {
  const { number, fileId } = header
  // More than one file may have been given up: the last one begins with all that was not durable.
  const nextSeq = Math.min(...later.map((one) => one.firstSeq ?? Infinity))
  if (firstSeq === undefined || nextSeq === Infinity) return { number, fileId }
  const { seqs, end } = wholeFrames(fs, `${directory}/${segmentName(number)}`, nextSeq)
  // Its frames go up to the next one's, and what is behind is no hole.
  const lastSeq = seqs?.last ?? firstSeq - 1
  return lastSeq >= nextSeq - 1 ? { number, fileId, end } : { number, fileId }
}
