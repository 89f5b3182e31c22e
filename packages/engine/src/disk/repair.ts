/**
 * What can be saved of a directory that does not open: the snapshot, when it is whole, and the journal's whole groups behind
 * it, up to the first hole. Nothing is written.
 *
 *   manifest, or what the files say (rebuilt-manifest.ts) ──► snapshot ──► group ──► group ──► ✗ … group … group
 *                                                            └──────── saved ──────┘   └──── left out ────────┘
 *
 * What is behind a hole is left out, whole or not: its changes are effects on data that are not there, and together with
 * what is before the hole they would be a state that never was.
 */
import { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { vouchesForData } from './durable-slots.ts'
import { closeQuietly, type Fs } from './files.ts'
import { SEGMENT_HEADER_BYTES, segmentName, segmentNumber } from './journal-file.ts'
import { JournalScan, type JournalEnd } from './journal-scan.ts'
import type { Manifest, SegmentEntry } from './manifest.ts'
import { DATABASES_MAX } from './new-directory.ts'
import { rebuildManifest } from './rebuilt-manifest.ts'
import { applyPayload, findManifest, recovering, totalBytes, type LoadProgress } from './recovery.ts'
import { lookAtSegment } from './segment-look.ts'
import { loadSnapshot } from './snapshot.ts'

export interface Salvaged {
  readonly databases: Databases
  /** Why the directory would not be opened; undefined: it would, and this is all of it. */
  readonly problem: EngineError | undefined
  /** Which files there were is told by the manifest, or by the files themselves. */
  readonly basis: 'manifest' | 'files'
  /** The name of the snapshot. */
  readonly snapshot: string | undefined
  /** How many frames behind the snapshot were saved. */
  readonly frames: number
  /** What was not: a sentence for each file. */
  readonly leftOut: readonly string[]
}

/** Throws `CORRUPT` when nothing can be saved, `NEWER_FORMAT` when that is for a newer program to do. */
export function* salvaging(fs: Fs, directory: string): Generator<LoadProgress, Salvaged> {
  const databases = new Databases({ count: DATABASES_MAX })
  let problem: EngineError | undefined
  try {
    const recovered = yield* recovering(fs, directory, databases, loadSnapshot)
    if (recovered === undefined) throw new EngineError('UNAVAILABLE', `${directory}: there are no data`)
    const { manifest, journal } = recovered
    return {
      databases,
      problem,
      basis: 'manifest',
      snapshot: manifest.snapshot?.name,
      frames: journal.end.seq - manifest.seqBefore,
      leftOut: journal.torn.map(
        ({ path, offset, bytes }) => `${path}: ${bytes} bytes from offset ${offset} on, cut short`,
      ),
    }
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === 'NEWER_FORMAT' || error.code === 'UNAVAILABLE') throw error
    problem = error
  }
  const named = namedManifest(fs, directory)
  const basis = named === undefined ? 'files' : 'manifest'
  const manifest = named ?? rebuildManifest(fs, directory)
  const saved = yield* replay(fs, directory, manifest)
  if (manifest.snapshot === null && saved.end.seq === 0) {
    throw new EngineError(
      'CORRUPT',
      `${directory}: nothing can be saved: there is no snapshot, and no whole group before the first hole`,
    )
  }
  return {
    databases: saved.databases,
    problem,
    basis,
    snapshot: manifest.snapshot?.name,
    frames: saved.end.seq - manifest.seqBefore,
    leftOut: leftOut(fs, directory, manifest, saved.end),
  }
}

/** The manifest that counts, when what it names as a snapshot is whole. */
function namedManifest(fs: Fs, directory: string): Manifest | undefined {
  try {
    const manifest = findManifest(fs, directory)
    if (manifest === undefined) return undefined
    if (manifest.generation === 1 && vouchesForData(fs, directory, manifest.directory)) return undefined
    return isSnapshotWhole(fs, directory, manifest) ? manifest : undefined
  } catch (error) {
    if (error instanceof EngineError && error.code !== 'NEWER_FORMAT') return undefined
    throw error
  }
}

function isSnapshotWhole(fs: Fs, directory: string, { snapshot }: Manifest): boolean {
  if (snapshot === null) return true
  if (!fs.list(directory).includes(snapshot.name)) return false
  const loading = loadSnapshot(fs, `${directory}/${snapshot.name}`, new Databases({ count: DATABASES_MAX }))
  let step = loading.next()
  while (step.done !== true) step = loading.next()
  return step.value.bytes === snapshot.bytes && step.value.crc === snapshot.crc
}

interface Replayed {
  readonly databases: Databases
  readonly end: JournalEnd
}

/** Groups are applied as a whole: when one cannot be, all is done again up to the one before it. */
function* replay(fs: Fs, directory: string, manifest: Manifest): Generator<LoadProgress, Replayed> {
  const { snapshot } = manifest
  const bytesTotal = totalBytes(fs, directory, manifest, fs.list(directory))
  let groups = Infinity
  for (;;) {
    const databases = new Databases({ count: DATABASES_MAX })
    if (snapshot !== null) {
      for (const bytes of loadSnapshot(fs, `${directory}/${snapshot.name}`, databases)) yield { bytes, bytesTotal }
    }
    const applying = applyGroups(fs, directory, { manifest, databases, groups })
    let step = applying.next()
    for (; step.done !== true; step = applying.next()) {
      yield { bytes: (snapshot?.bytes ?? 0) + step.value, bytesTotal }
    }
    const applied = step.value
    if (applied.end !== undefined) return { databases, end: applied.end }
    groups = applied.groups
  }
}

interface ReplayRequest {
  readonly manifest: Manifest
  readonly databases: Databases
  /** How many at most. */
  readonly groups: number
}

/** Yields how many bytes have been read. `end` is undefined when a group could not be applied to its end. */
function* applyGroups(
  fs: Fs,
  directory: string,
  { manifest, databases, groups }: ReplayRequest,
): Generator<number, { readonly groups: number; readonly end: JournalEnd | undefined }> {
  let applied = 0
  let isWhole = true
  const segments = manifest.segments.map((entry) => withoutEnd(fs, directory, entry))
  const scan = new JournalScan({
    fs,
    directory,
    manifest: { ...manifest, segments },
    durable: undefined,
    apply(payloads, where) {
      if (applied === groups) throw new EngineError('CORRUPT', `${where}: cannot be applied`)
      isWhole = false
      for (const payload of payloads) applyPayload(databases, payload, where)
      isWhole = true
      applied++
    },
  })
  try {
    for (const _pause of scan.run()) yield scan.bytesRead
  } catch (error) {
    // The first hole.
    if (!(error instanceof EngineError) || error.code === 'NEWER_FORMAT') throw error
  }
  return { groups: applied, end: isWhole ? scan.end : undefined }
}

/** A segment that does not come to its end is read as far as it goes. */
function withoutEnd(fs: Fs, directory: string, entry: SegmentEntry): SegmentEntry {
  const name = segmentName(entry.number)
  if (entry.end === undefined || !fs.list(directory).includes(name)) return entry
  const file = fs.open(`${directory}/${name}`, 'read')
  try {
    return file.size() < entry.end.offset ? { number: entry.number, fileId: entry.fileId } : entry
  } finally {
    closeQuietly(file)
  }
}

function leftOut(fs: Fs, directory: string, { segments, snapshot }: Manifest, { position }: JournalEnd): string[] {
  const begin = snapshot === null ? 0 : Number(/\d+/.exec(snapshot.name)![0])
  const listed = new Map(segments.map((entry) => [entry.number, entry]))
  const there = fs.list(directory).flatMap((name) => segmentNumber(name) ?? [])
  const numbers = [...new Set([...there, ...listed.keys()])].filter((number) => number >= begin).sort((a, b) => a - b)
  return numbers.flatMap((number) => {
    if (!there.includes(number)) return [`${directory}/${segmentName(number)}: is missing`]
    if (number < position.segment) return []
    const from = number === position.segment ? position.offset : 0
    return leftOutOf(fs, `${directory}/${segmentName(number)}`, listed.get(number), from)
  })
}

function leftOutOf(fs: Fs, path: string, entry: SegmentEntry | undefined, from: number): string[] {
  try {
    const { used, seqs, behind } = lookAtSegment(fs, path, entry?.end?.offset)
    if (used <= from || (seqs === undefined && behind === undefined && used <= SEGMENT_HEADER_BYTES)) return []
    // Of a file of which nothing was saved, all of its frames.
    const frames = from <= SEGMENT_HEADER_BYTES ? (seqs ?? behind?.seqs) : behind?.seqs
    const text =
      frames === undefined ? '' : `, with whole frames up to ${Math.max(frames.last, behind?.seqs.last ?? 0)}`
    return [`${path}: ${used - from} bytes from offset ${from} on${text}`]
  } catch (error) {
    if (error instanceof EngineError) return [error.message]
    throw error
  }
}
