/**
 * Opens a directory: takes its lock, loads what is in it, makes that durable, and begins a new segment of the journal.
 *
 *   lock ──► recovery ──► sync what was not ──► new segment ──► manifest, epoch + 1 ──► Journal
 *
 * Nothing of an older segment is changed: where it ends is in the manifest.
 */
import { dirname } from 'node:path'
import { Databases, type DatabasesOptions } from '../databases.ts'
import type { Env } from '../env.ts'
import { openCold, type ColdBudget } from './cold-directory.ts'
import type { ColdSegments } from './cold-segments.ts'
import { createDurable, openDurable, type DurableSlots } from './durable-slots.ts'
import { closeQuietly, removeQuietly, type Fs } from './files.ts'
import { Journal } from './journal.ts'
import type { FsyncPolicy, JournalEvent, JournalStart } from './journal-options.ts'
import { randomWord } from './journal-directory.ts'
import { createSegment, SEGMENT_HEADER_BYTES, segmentHeader, segmentName } from './journal-file.ts'
import type { TornTail } from './journal-scan.ts'
import type { DirectoryLock } from './lock.ts'
import { writeManifest, type Manifest, type SegmentEntry } from './manifest.ts'
import { newManifest } from './new-directory.ts'
import { recovering, type LoadProgress, type Recovered } from './recovery.ts'
import { Reserve, RESERVE_NAME } from './reserve.ts'
import { loadSnapshot } from './snapshot.ts'

export type StoreEvent =
  | JournalEvent
  | { readonly kind: 'loading'; readonly progress: LoadProgress }
  /** Bytes at the end of a file were cut short when the process or the power ended: none of them had been acknowledged. */
  | { readonly kind: 'torn'; readonly tail: TornTail }
  /** One that `rewrite` began. The journal goes on growing; it is tried again. */
  | { readonly kind: 'snapshot-failed'; readonly error: Error }
  /** Somebody has removed a file, or the directory. What it held is written once more where that is possible. */
  | { readonly kind: 'file-missing'; readonly error: Error }

export interface StoreOptions {
  readonly env: Env
  /** Default `always`. */
  readonly fsync?: FsyncPolicy
  readonly databases?: DatabasesOptions
  /** Streams larger than memory: what is beyond this budget is on disk only. Default: all is in memory. */
  readonly cold?: ColdBudget
  /** When snapshots are begun by themselves. Default: never. */
  readonly rewrite?: RewriteRule
  /** Default 64 MiB. */
  readonly segmentBytes?: number
  /** Default 64 MiB. */
  readonly unsyncedBytesMax?: number
  /** How far at most the journal's file is filled with zeros ahead, with `always`. Default 1 MiB. */
  readonly fillBytes?: number
  /** While the disk is fast, syncs stop the process instead of changing threads: for servers. Default false. */
  readonly syncsInPlace?: boolean
  /** Changes that nobody commits are committed after so long. Default 0: when the turn is over. */
  readonly commitMs?: number
  /** Space kept for when the disk is full. Default 256 KiB; 0: none. */
  readonly reserveBytes?: number
  readonly onEvent?: (event: StoreEvent) => void
}

/** A snapshot is begun when snapshot and journal have at least so many bytes, and are so much larger than after the last one. */
export interface RewriteRule {
  /** As a share of what they were: 1 is twice as large. */
  readonly growth: number
  readonly bytesMin: number
}

/** What an open directory consists of. */
export interface StoreParts {
  readonly directory: string
  readonly databases: Databases
  readonly cold: ColdSegments | undefined
  readonly journal: Journal
  readonly lock: DirectoryLock
  readonly env: Env
}

const MEBIBYTE = 1 << 20
const SEGMENT_BYTES = 64 * MEBIBYTE
const UNSYNCED_BYTES_MAX = 64 * MEBIBYTE
/** What waits for the disk lies in memory, too: of a small budget no more than this part. */
const UNSYNCED_SHARE = 16
const UNSYNCED_BYTES_MIN = MEBIBYTE
const RESERVE_BYTES = MEBIBYTE / 4
/** How long loading goes on before something else may run. */
const LOAD_SLICE_MS = 10

/** Who listens answers for what goes wrong there: it is thrown on its own, and nothing here is cut short by it. */
export function listenerOf({ env, onEvent }: StoreOptions): (event: StoreEvent) => void {
  return (event) => {
    try {
      onEvent?.(event)
    } catch (error) {
      env.setTimer(0, () => {
        throw error
      })
    }
  }
}

/** As `Store.open`. */
export async function openDirectory(directory: string, options: StoreOptions): Promise<StoreParts> {
  const { fs } = options.env
  await makeDirectory(fs, directory)
  const lock = await fs.lock(directory)
  let cold: ColdSegments | undefined
  try {
    cold = openCold(fs, directory, options.cold)
    return await openLocked(directory, { lock, cold }, options)
  } catch (error) {
    await cold?.close()
    await lock.release()
    throw error
  }
}

async function openLocked(
  directory: string,
  { lock, cold }: Pick<StoreParts, 'lock' | 'cold'>,
  options: StoreOptions,
): Promise<StoreParts> {
  const { env } = options
  const { fs } = env
  const databases = new Databases({ ...options.databases, ...(cold === undefined ? {} : { cold }) })
  const recovered = await load(directory, databases, options)
  for (const tail of recovered?.journal.torn ?? []) options.onEvent?.({ kind: 'torn', tail })
  // A name of the manifest that was read may not be durable yet, and the one before it may need what this one does not.
  await fs.syncDirectory(directory)
  await removeLeftovers(fs, directory, recovered?.leftovers ?? [])
  const start = await beginning(env, directory, recovered)
  const slots = await openSlots(directory, start, options)
  const reserve = new Reserve(fs, directory, options.reserveBytes ?? RESERVE_BYTES)
  reserve.take()
  const journal = new Journal(start, {
    env,
    directory,
    policy: options.fsync ?? 'always',
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
    unsyncedBytesMax: options.unsyncedBytesMax ?? unsyncedBytesMaxOf(cold),
    fillBytes: options.fillBytes ?? MEBIBYTE,
    syncsInPlace: options.syncsInPlace ?? false,
    reserve,
    slots,
    onEvent: listenerOf(options),
  })
  return { directory, databases, cold, journal, lock, env }
}

function unsyncedBytesMaxOf(cold: ColdSegments | undefined): number {
  const share = Math.trunc((cold?.memoryBytes ?? Infinity) / UNSYNCED_SHARE)
  return Math.min(Math.max(share, UNSYNCED_BYTES_MIN), UNSYNCED_BYTES_MAX)
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
  const manifest = newManifest(env, null)
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

async function removeLeftovers(fs: Fs, directory: string, names: readonly string[]): Promise<void> {
  for (const name of [...names, RESERVE_NAME]) await removeQuietly(fs, `${directory}/${name}`)
}

/** From here on the file tells that there is a journal, whatever becomes of the manifest that names it. */
async function openSlots(
  directory: string,
  { manifest, file }: JournalStart,
  options: StoreOptions,
): Promise<DurableSlots> {
  let slots: DurableSlots
  try {
    slots = await openDurable(options.env.fs, directory, manifest.directory)
  } catch (error) {
    closeQuietly(file)
    throw error
  }
  const begin = { segment: manifest.segments.at(-1)!.number, offset: SEGMENT_HEADER_BYTES }
  slots.writeSoon(begin, (error) => options.onEvent?.({ kind: 'slot-failed', error }))
  return slots
}
