/**
 * Snapshots of a directory: RDB files, written while the databases change, and read at the start.
 *
 *   picture ──writeRdb──► 64 KiB chunks ──► snapshot-000007.rdb.tmp ──sync──► rename ──► snapshot-000007.rdb
 *                slices of a few ms; something else may run between them
 */
import type { Databases } from '../databases.ts'
import type { Env } from '../env.ts'
import { EngineError } from '../errors.ts'
import type { FrozenDatabases } from '../frozen-databases.ts'
import { applyExtras, EXTRAS_NAME } from '../rdb/extras.ts'
import { readRdb } from '../rdb/rdb-reader.ts'
import { RdbSource } from '../rdb/rdb-source.ts'
import { writeRdb, type WrittenRdb } from '../rdb/rdb-writer.ts'
import { closeQuietly, readBytes, removeQuietly, writeAll, type Fs, type OpenFile } from './files.ts'
import type { SnapshotEntry } from './manifest.ts'

/** How long is written before something else may run. */
const SLICE_MS = 4
/** So much is written between two syncs: a disk that gets all at once stalls others. */
const SYNC_BYTES = 16 << 20
const CRC_BYTES = 8

export function snapshotName(segment: number): string {
  return `snapshot-${String(segment).padStart(6, '0')}.rdb`
}

export interface SnapshotRequest {
  readonly env: Env
  readonly directory: string
  readonly name: string
  readonly frozen: FrozenDatabases
  /** Asked between slices: whether to give up. */
  readonly isAborted: () => boolean
}

/** Writes a picture as a snapshot's file; it and its name are on stable storage then. */
export async function writeSnapshot(request: SnapshotRequest): Promise<SnapshotEntry> {
  const { env, directory, name } = request
  const { fs } = env
  const path = `${directory}/${name}`
  const temporary = `${path}.tmp`
  const names = fs.list(directory)
  for (const old of [name, `${name}.tmp`]) if (names.includes(old)) fs.remove(`${directory}/${old}`)
  const file = fs.open(temporary, 'create')
  let written: WrittenRdb
  try {
    written = await writeFrozen(file, request)
    await file.sync()
  } catch (error) {
    closeQuietly(file)
    await removeQuietly(fs, temporary)
    throw error
  }
  closeQuietly(file)
  fs.rename(temporary, path)
  await fs.syncDirectory(directory)
  return { name, bytes: written.bytes, crc: written.crc }
}

async function writeFrozen(file: OpenFile, { env, frozen, isAborted }: SnapshotRequest): Promise<WrittenRdb> {
  let at = 0
  let synced = 0
  const writing = writeRdb(frozen, {
    nowMs: env.nowMs(),
    write(chunk) {
      writeAll(file, chunk, at)
      at += chunk.length
    },
  })
  for (;;) {
    const untilMs = env.nowMs() + SLICE_MS
    let step = writing.next()
    while (step.done !== true && env.nowMs() < untilMs) step = writing.next()
    if (step.done === true) return step.value
    if (isAborted()) throw new EngineError('UNAVAILABLE', 'the snapshot was given up')
    if (at - synced >= SYNC_BYTES) {
      synced = at
      await file.sync()
    }
    await new Promise<void>((resolve) => void env.setTimer(0, resolve))
  }
}

/** Reads a snapshot into databases without keys; yields how many bytes have been read. */
export function* loadSnapshot(
  fs: Fs,
  path: string,
  databases: Databases,
): Generator<number, { readonly bytes: number; readonly crc: string }> {
  const file = fs.open(path, 'read')
  try {
    yield* readRdb(RdbSource.ofFile(file, path), {
      databases,
      onAux(name, value, database) {
        if (name === EXTRAS_NAME) applyExtras(databases, database, value)
      },
    })
    const bytes = file.size()
    const crc = readBytes(file, bytes - CRC_BYTES, CRC_BYTES)
    return { bytes, crc: Buffer.from(crc.toReversed()).toString('hex') }
  } finally {
    closeQuietly(file)
  }
}
