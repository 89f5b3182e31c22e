/**
 * From a directory to the data in it: the snapshot, then each change of the journal behind it, whole groups only. Nothing is
 * written, so that a look (`millrace check`) and an opening are the same code.
 *
 *   manifest ──► snapshot ──► segment 7 ──► segment 8 ──► … ──► end, or torn tail, or CORRUPT
 *                    └─────────── applied to new Databases ──────────┘
 */
import { ChangeReader } from './change-reader.ts'
import type { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { DURABLE_NAME, readDurable, vouchesForData } from './durable-slots.ts'
import { closeQuietly, type Fs } from './files.ts'
import { readSegmentHeader, SEGMENT_HEADER_BYTES, segmentName, segmentNumber } from './journal-file.ts'
import { JournalScan, type ApplyGroup, type ScannedJournal } from './journal-scan.ts'
import { readManifest, type Manifest } from './manifest.ts'

export interface LoadProgress {
  readonly bytes: number
  readonly bytesTotal: number
}

export interface Recovered {
  readonly manifest: Manifest
  readonly journal: ScannedJournal
  /** Files that belong to no state any more: left over from a crash between two steps. */
  readonly leftovers: readonly string[]
}

/** Reads a snapshot into databases that are empty. */
export type SnapshotLoader = (
  fs: Fs,
  path: string,
  databases: Databases,
) => Generator<number, { readonly bytes: number; readonly crc: string }>

export const SNAPSHOT_NAME = /^snapshot-\d{6,10}\.rdb$/
const TEMPORARY_NAME = /\.tmp$/

/** The manifest of a directory that has data; undefined: it has none. `CORRUPT`: it has, but no manifest. */
export function findManifest(fs: Fs, directory: string): Manifest | undefined {
  const manifest = readManifest(fs, directory)
  const names = fs.list(directory)
  if (manifest === undefined) {
    const data = names.find(
      (name) => segmentNumber(name) !== undefined || name.endsWith('.rdb') || name === DURABLE_NAME,
    )
    if (data === undefined) return undefined
    throw new EngineError('CORRUPT', `${directory}: there is ${data}, but no manifest (manifest-0, manifest-1)`)
  }
  const last = manifest.segments.at(-1)?.number ?? 0
  for (const name of names) {
    const number = segmentNumber(name)
    if (number === undefined || number <= last || !hasDataAlone(fs, `${directory}/${name}`)) continue
    throw new EngineError(
      'CORRUPT',
      `${directory}/${name} has data, and no manifest names it: the newest manifest is missing`,
    )
  }
  return manifest
}

/** Whether a segment that no manifest names has what is nowhere else. */
function hasDataAlone(fs: Fs, path: string): boolean {
  // One that was just created when the process ended has a header and nothing else.
  if (sizeOf(fs, path) <= SEGMENT_HEADER_BYTES) return false
  const file = fs.open(path, 'read')
  try {
    return !readSegmentHeader(file, path).isCopy
  } finally {
    closeQuietly(file)
  }
}

/** Loads a directory's data; yields how many bytes of how many have been read. */
export function* recovering(
  fs: Fs,
  directory: string,
  databases: Databases,
  loadSnapshot: SnapshotLoader,
): Generator<LoadProgress, Recovered | undefined> {
  const manifest = findManifest(fs, directory)
  if (manifest === undefined) return undefined
  const names = fs.list(directory)
  const { snapshot } = manifest
  const bytesTotal = totalBytes(fs, directory, manifest, names)
  if (snapshot !== null) {
    const path = `${directory}/${snapshot.name}`
    if (!names.includes(snapshot.name)) {
      throw new EngineError('CORRUPT', `${path} is missing; the manifest names it`)
    }
    const loading = loadSnapshot(fs, path, databases)
    let step = loading.next()
    for (; step.done !== true; step = loading.next()) yield { bytes: step.value, bytesTotal }
    if (step.value.bytes !== snapshot.bytes || step.value.crc !== snapshot.crc) {
      throw new EngineError(
        'CORRUPT',
        `${path}: ${step.value.bytes} bytes with checksum ${step.value.crc}; the manifest names ${snapshot.bytes} with ${snapshot.crc}`,
      )
    }
  }
  const scan = scanOf(fs, directory, manifest, (payloads, where) => {
    for (const payload of payloads) applyPayload(databases, payload, where)
  })
  const reading = scan.run()
  let step = reading.next()
  for (; step.done !== true; step = reading.next()) {
    yield { bytes: (snapshot?.bytes ?? 0) + scan.bytesRead, bytesTotal }
  }
  return { manifest, journal: step.value, leftovers: leftovers(manifest, names) }
}

/** Reads a directory's journal with whatever is to be done with its groups. */
export function scanOf(fs: Fs, directory: string, manifest: Manifest, apply: ApplyGroup): JournalScan {
  // The first manifest is there before anything else.
  const isFirst = manifest.generation === 1
  if (isFirst && vouchesForData(fs, directory, manifest.directory)) {
    throw new EngineError(
      'CORRUPT',
      `${directory}: ${DURABLE_NAME} vouches for a journal that no manifest names: the newest manifest is missing`,
    )
  }
  const durable = isFirst ? undefined : readDurable(fs, directory, manifest.directory)
  return new JournalScan({ fs, directory, manifest, durable, apply })
}

/** Applies a payload of the journal; `where` is what errors call it. */
export function applyPayload(databases: Databases, payload: Uint8Array, where: string): void {
  try {
    const reader = new ChangeReader(payload)
    while (reader.next()) databases.apply(reader.database, reader.change)
  } catch (error) {
    if ((error as { reason?: unknown }).reason === 'newer') {
      throw new EngineError('NEWER_FORMAT', `${where}: ${(error as Error).message}`, { cause: error })
    }
    // The checksum was right: what cannot be applied was not made by this program on these data.
    throw new EngineError('CORRUPT', `${where}: ${(error as Error).message}`, { cause: error })
  }
}

function leftovers(manifest: Manifest, names: readonly string[]): string[] {
  const listed = new Set(manifest.segments.map(({ number }) => segmentName(number)))
  if (manifest.snapshot !== null) listed.add(manifest.snapshot.name)
  return names.filter(
    (name) =>
      !listed.has(name) && (segmentNumber(name) !== undefined || SNAPSHOT_NAME.test(name) || TEMPORARY_NAME.test(name)),
  )
}

/** How much there is to read. */
export function totalBytes(fs: Fs, directory: string, manifest: Manifest, names: readonly string[]): number {
  let bytes = manifest.snapshot?.bytes ?? 0
  for (const { number, end } of manifest.segments) {
    const name = segmentName(number)
    if (names.includes(name)) bytes += end?.offset ?? sizeOf(fs, `${directory}/${name}`)
  }
  return bytes
}

function sizeOf(fs: Fs, path: string): number {
  const file = fs.open(path, 'read')
  try {
    return file.size()
  } finally {
    closeQuietly(file)
  }
}
