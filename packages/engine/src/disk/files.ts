/**
 * Files as the journal, the snapshot and the segments on disk need them, and nothing more: written at a place, read at a
 * place, made durable on demand. Small enough that a simulated disk can stand in for the real one and do what real disks do
 * on their worst days.
 *
 *   open ──► OpenFile ──► write(bytes, position)      in the operating system's hands: outlives the process
 *                    └──► sync()                      on stable storage: outlives the power
 *   create, rename, remove ──► syncDirectory()        the names are, too
 *
 * Every operation throws, or rejects with, an error that has Node's `code` (`ENOSPC`, `EIO`, `ENOENT` …). What a failed
 * write has left in the file is unknown. After a failed `sync` the pages in question may be lost for good, and a later one
 * may say that all is well (Rebello and others, "Can Applications Recover from fsync Failures?", ATC 2020): a file whose
 * `sync` failed is not synced again.
 */

import type { DirectoryLock } from './lock.ts'

/** `read`: it exists, and is only read. `create`: it does not exist. `update`: it exists, and is read and written. */
export type OpenMode = 'read' | 'create' | 'update'

export interface OpenFile {
  /** Reads from a place until `into` is full or the file ends; returns how many bytes were read. */
  read(into: Uint8Array, position: number): number
  /** Writes at a place; may write fewer bytes than it was given, and returns how many. */
  write(bytes: Uint8Array, position: number): number
  /** Resolves when all that has been written so far is on stable storage, the file's size included (fdatasync). */
  sync(): Promise<void>
  /** As `sync`, and nothing else happens meanwhile. */
  syncNow(): void
  truncate(size: number): void
  size(): number
  /** Closing twice does nothing. */
  close(): void
}

export interface Fs {
  open(path: string, mode: OpenMode): OpenFile
  /** With those above it; one that is there is left as it is. */
  makeDirectory(path: string): void
  /** The names in a directory, in the order of their bytes. */
  list(path: string): string[]
  /** Atomically, also in place of an existing file. */
  rename(from: string, to: string): void
  remove(path: string): void
  /** As `remove`, while other work goes on: a large file takes a system some 15 ms to take apart. */
  removeSoon(path: string): Promise<void>
  /** Resolves when the names in a directory are on stable storage: of what was created, renamed and removed so far. */
  syncDirectory(path: string): Promise<void>
  syncDirectoryNow(path: string): void
  /** Takes a directory for this process alone; rejects with an EngineError `LOCKED` that names who has it. */
  lock(path: string): Promise<DirectoryLock>
}

/** Writes all of the bytes at a place, however many writes that takes; throws when one of them writes nothing. */
export function writeAll(file: OpenFile, bytes: Uint8Array, position: number): void {
  let written = 0
  while (written < bytes.length) {
    const count = file.write(written === 0 ? bytes : bytes.subarray(written), position + written)
    if (count <= 0) throw Object.assign(new Error('EIO: a write wrote nothing'), { code: 'EIO' })
    written += count
  }
}

/** Reads so many bytes from a place, fewer where the file ends. */
export function readBytes(file: OpenFile, position: number, count: number): Uint8Array {
  const into = new Uint8Array(count)
  return into.subarray(0, file.read(into, position))
}

/** Closes a file that has been read, or synced: what a failure to do so tells is of no use to anybody. */
export function closeQuietly(file: OpenFile): void {
  try {
    file.close()
  } catch {
    // Nothing that was promised depends on it.
  }
}

/** Whether a write failed for want of space. */
export function isFull(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT'
}

/** Removes a file that nobody needs. */
export async function removeQuietly(fs: Fs, path: string): Promise<void> {
  try {
    await fs.removeSoon(path)
  } catch {
    // It is left over, and looked at again when the directory is opened.
  }
}
