/** A directory that is read while nobody else has it: looking at files that are being written would tell of damage there is not. */
import { existsSync, statSync } from 'node:fs'
import { nodeEnv, type DirectoryLock } from '@millrace/engine'
import { Failure } from './failure.ts'

/** Does something while the directory is locked; `LOCKED` when somebody has it open. */
export async function whileLocked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  if (!existsSync(directory)) throw new Failure(`There is no directory '${directory}'`)
  if (!statSync(directory).isDirectory()) throw new Failure(`'${directory}' is no directory`)
  const lock = await takeLock(directory)
  try {
    return await work()
  } finally {
    await lock?.release()
  }
}

/** undefined: of a file system that is read only there is no holder. */
async function takeLock(directory: string): Promise<DirectoryLock | undefined> {
  try {
    return await nodeEnv.fs.lock(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return undefined
    throw error
  }
}
