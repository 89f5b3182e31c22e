/**
 * What is complete or not there: made under another name beside its place, and renamed when it is whole and durable.
 *
 *   data.new-x7Yq2d/ ──written──► renamed to data/         dump.rdb.new-1234 ──written, synced──► renamed to dump.rdb
 *          └──an error, a signal──► removed                        └──an error, a signal──► removed
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { nodeEnv } from '@millrace/engine'
import { Failure } from './failure.ts'

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const

/** Makes a directory, which is not there yet or empty, out of what `write` puts into another one. */
export async function inNewDirectory<T>(directory: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const target = existsSync(directory) ? realpathSync(directory) : resolve(directory)
  const parent = dirname(target)
  requireFree(directory, target)
  await makeDirectory(parent)
  const temporary = mkdtempSync(`${target}.new-`)
  return await orRemove(temporary, async () => {
    const result = await write(temporary)
    // Refused by the system when something has come into it meanwhile.
    renameSync(temporary, target)
    await nodeEnv.fs.syncDirectory(parent)
    return result
  })
}

/** Refuses a place that is in a directory, or is it. */
export function requireOutside(directory: string, place: string): void {
  const from = existsSync(directory) ? realpathSync(directory) : resolve(directory)
  const way = relative(from, realPlace(resolve(place)))
  if (way !== '' && (way.startsWith('..') || isAbsolute(way))) return
  throw new Failure(`'${place}' is in '${directory}', which is not to be changed: name another place`)
}

/** Where a path leads, though its end may not be there yet. */
function realPlace(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  return join(realPlace(dirname(path)), basename(path))
}

/** Refuses a directory that has something in it. */
function requireFree(name: string, target: string): void {
  if (!existsSync(target)) return
  if (!statSync(target).isDirectory()) throw new Failure(`'${name}' is no directory`)
  if (readdirSync(target).length > 0) throw new Failure(`'${name}' is not empty: name a new directory, or an empty one`)
  if (statSync(target).dev !== statSync(dirname(target)).dev) {
    throw new Failure(`'${name}' is where a file system begins, and cannot be replaced: name a directory in it`)
  }
}

async function makeDirectory(path: string): Promise<void> {
  const first = mkdirSync(path, { recursive: true })
  if (first === undefined) return
  const top = dirname(first)
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    await nodeEnv.fs.syncDirectory(parent)
    if (parent === top) return
  }
}

/** Makes a file, in place of one that is there only with `force`. */
export async function inNewFile<T>(
  path: string,
  { force }: { readonly force: boolean },
  write: (fd: number) => Promise<T>,
): Promise<T> {
  requireNoFile(path, force)
  const temporary = `${path}.new-${process.pid}`
  const fd = openSync(temporary, 'wx', 0o600)
  return await orRemove(temporary, async () => {
    let result: T
    try {
      result = await write(fd)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    requireNoFile(path, force)
    renameSync(temporary, path)
    await nodeEnv.fs.syncDirectory(dirname(resolve(path)))
    return result
  })
}

export function requireNoFile(path: string, force: boolean): void {
  if (!existsSync(path)) return
  if (!statSync(path).isFile()) throw new Failure(`'${path}' is no file`)
  if (!force) throw new Failure(`'${path}' is there already: --force writes over it`)
}

/** Does something that ends with the temporary name gone; when it fails, or is interrupted, what has the name is removed. */
async function orRemove<T>(temporary: string, work: () => Promise<T>): Promise<T> {
  const remove = (): void => rmSync(temporary, { recursive: true, force: true })
  const listeners = SIGNALS.map(([signal, code]) => {
    const listener = (): void => {
      remove()
      process.exit(code)
    }
    process.once(signal, listener)
    return { signal, listener }
  })
  try {
    return await work()
  } catch (error) {
    remove()
    throw error
  } finally {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}
