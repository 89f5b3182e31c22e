/**
 * Where an archive keeps its objects: four methods, which any object store has. `DirectoryStore` is a folder.
 *
 *   put(key, bytes)     whole or not at all; a key that is there is replaced
 *   get(key)            the bytes, undefined when there is no such key
 *   list(prefix, after) keys in the order of their bytes, those behind `after`, as many as the store likes to tell at once
 *   delete(key)         no error when it is not there
 *
 * Keys are made of lower-case letters, digits and `/ - _ . %`.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StreamError } from '../errors.ts'

export interface ObjectStore {
  put(key: string, bytes: Uint8Array): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  /** Empty: there are no more. */
  list(prefix: string, after?: string): Promise<readonly string[]>
  delete(key: string): Promise<void>
}

const TEMPORARY = '.writing'
const PAGE = 1000

/** Objects as files under one directory. `put` resolves when file and name are on stable storage. */
export class DirectoryStore implements ObjectStore {
  readonly #directory: string
  #writes = 0

  constructor(directory: string) {
    if (typeof directory !== 'string' || directory === '')
      throw new StreamError('BAD_ARGUMENT', 'Expected the path of a directory')
    this.#directory = directory
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(key)
    const temporary = `${path}.${process.pid}-${++this.#writes}${TEMPORARY}`
    await mkdir(dirname(path), { recursive: true })
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#path(key))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async list(prefix: string, after = ''): Promise<readonly string[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    let names: string[]
    try {
      names = await readdir(folder === '' ? this.#directory : this.#path(folder.slice(0, -1)))
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
    return names
      .map((name) => folder + name)
      .filter((key) => key.startsWith(prefix) && key > after && !key.endsWith(TEMPORARY))
      .toSorted((a, b) => (a < b ? -1 : 1))
      .slice(0, PAGE)
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true })
  }

  #path(key: string): string {
    const isSafe = /^[a-z0-9%_.-]+(\/[a-z0-9%_.-]+)*$/.test(key) && !key.split('/').some((part) => /^\.+$/.test(part))
    if (!isSafe) throw new StreamError('BAD_ARGUMENT', `Expected a key of letters, digits and / - _ . %, got '${key}'`)
    return join(this.#directory, key)
  }
}

/** So that a name that was made is there after a power failure. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
