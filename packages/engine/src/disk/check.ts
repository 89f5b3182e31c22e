/**
 * A look at a directory, or at one RDB file: what each file holds, whether it is whole, and what is lost where it is not.
 * Nothing is written.
 *
 *   what an opening would do (recovery.ts) ──► problem, or none: the verdict
 *   each file by itself                    ──► its line, and where the hole is
 */
import { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { applyExtras, EXTRAS_NAME } from '../rdb/extras.ts'
import { readRdb, type RdbSummary } from '../rdb/rdb-reader.ts'
import { RdbSource } from '../rdb/rdb-source.ts'
import { JournalCheck } from './journal-check.ts'
import { DURABLE_NAME, readDurable } from './durable-slots.ts'
import { LEFT_OVER, trouble, type FileReport, type Looked } from './file-report.ts'
import { closeQuietly, type Fs } from './files.ts'
import { segmentName, segmentNumber } from './journal-file.ts'
import { readManifestFile, type Manifest } from './manifest.ts'
import { DATABASES_MAX } from './new-directory.ts'
import { findManifest, recovering, SNAPSHOT_NAME, type LoadProgress } from './recovery.ts'
import { RESERVE_NAME } from './reserve.ts'
import { loadSnapshot } from './snapshot.ts'

export interface CheckReport {
  readonly files: readonly FileReport[]
  /** Why it would not be opened; undefined: it would. */
  readonly problem: EngineError | undefined
  /** What there is when it is opened; with a problem, before that. */
  readonly keys: KeyCount
}

export interface KeyCount {
  readonly keys: number
  readonly streams: number
}

const LOCK_NAME = /^lock(\.|$)/
const COLD_NAME = 'cold'
const MANIFEST_NAMES = ['manifest-0', 'manifest-1']

/** Looks at a directory. Rejects only what it cannot read. Yields how far the data have been loaded. */
export function* checkDirectory(fs: Fs, directory: string): Generator<LoadProgress, CheckReport> {
  const check = new DirectoryCheck(fs, directory)
  yield* check.open()
  return check.report()
}

/** Looks at a file of Redis's format; keys of other types are counted. */
export function* checkRdbFile(fs: Fs, path: string): Generator<LoadProgress, CheckReport> {
  const file = fs.open(path, 'read')
  const databases = new Databases({ count: DATABASES_MAX })
  const about = { name: path, kind: 'snapshot', bytes: file.size() } as const
  try {
    const reading = readRdb(RdbSource.ofFile(file, path), {
      databases,
      skipOtherTypes: true,
      onAux(name, value, database) {
        if (name === EXTRAS_NAME) applyExtras(databases, database, value)
      },
    })
    let step = reading.next()
    for (; step.done !== true; step = reading.next()) yield { bytes: step.value, bytesTotal: about.bytes }
    const whole: FileReport = { ...about, state: 'whole', lines: rdbLines(step.value) }
    return { files: [whole], problem: undefined, keys: step.value }
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
    const report: FileReport = { ...about, ...trouble(error, path) }
    return { files: [report], problem: error, keys: countKeys(databases) }
  } finally {
    closeQuietly(file)
  }
}

class DirectoryCheck {
  readonly #fs: Fs
  readonly #directory: string
  readonly #names: readonly string[]
  #problem: EngineError | undefined = undefined
  /** The one that counts; undefined: that cannot be told. */
  #manifest: Manifest | undefined = undefined
  #keys: KeyCount = { keys: 0, streams: 0 }
  /** Of the one that the manifest names. */
  #snapshot: Looked | undefined = undefined

  constructor(fs: Fs, directory: string) {
    this.#fs = fs
    this.#directory = directory
    // Who looks has the lock.
    this.#names = fs.list(directory).filter((name) => !LOCK_NAME.test(name))
  }

  /** Does what an opening does, without a trace. */
  *open(): Generator<LoadProgress, void> {
    const fs = this.#fs
    const databases = new Databases({ count: DATABASES_MAX })
    try {
      this.#manifest = findManifest(fs, this.#directory)
      yield* recovering(fs, this.#directory, databases, (_fs, path, into) => this.#loading(path, into))
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      this.#problem = error
    }
    this.#keys = countKeys(databases)
  }

  report(): CheckReport {
    const names = new Set([...this.#names, ...this.#missing()])
    const journal = new JournalCheck(this.#fs, this.#directory, {
      manifest: this.#manifest,
      isRefused: this.#problem !== undefined,
    })
    const files = [...names].sort().map((name) => this.#fileReport(name, journal))
    return { files, problem: this.#problem, keys: this.#keys }
  }

  *#loading(path: string, databases: Databases): ReturnType<typeof loadSnapshot> {
    try {
      const found = yield* loadSnapshot(this.#fs, path, databases)
      this.#snapshot = { state: 'whole', lines: [keysText(countKeys(databases))] }
      const named = this.#manifest?.snapshot
      if (named?.bytes !== found.bytes || named.crc !== found.crc) {
        this.#snapshot = { state: 'damaged', lines: ['whole, but another one than the manifest names'] }
      }
      return found
    } catch (error) {
      if (error instanceof EngineError) this.#snapshot = trouble(error, path)
      throw error
    }
  }

  #missing(): string[] {
    const manifest = this.#manifest
    if (manifest !== undefined) {
      const { segments, snapshot, generation } = manifest
      return [
        ...segments.map(({ number }) => segmentName(number)),
        ...(snapshot === null ? [] : [snapshot.name]),
        ...(generation > 1 ? [DURABLE_NAME] : []),
      ]
    }
    return this.#problem === undefined ? [] : [...MANIFEST_NAMES, DURABLE_NAME]
  }

  #fileReport(name: string, journal: JournalCheck): FileReport {
    const kind = kindOf(name)
    if (!this.#names.includes(name)) return { name, kind, bytes: undefined, state: 'missing', lines: ['is missing'] }
    const path = `${this.#directory}/${name}`
    if (kind === 'other') return { name, kind, bytes: undefined, state: 'not looked into', lines: [otherText(name)] }
    const bytes = sizeOf(this.#fs, path)
    try {
      return { name, kind, bytes, ...this.#look(name, kind, journal) }
    } catch (error) {
      if (!(error instanceof EngineError)) throw error
      return { name, kind, bytes, ...trouble(error, path) }
    }
  }

  #look(name: string, kind: FileReport['kind'], journal: JournalCheck): Looked {
    if (kind === 'manifest') {
      const { generation, isClean } = readManifestFile(this.#fs, this.#directory, name)
      const end = isClean && generation > 1 ? ', after an orderly end' : ''
      return { state: 'whole', lines: [`generation ${generation}${end}`] }
    }
    if (kind === 'durable') return this.#lookAtDurable()
    if (kind === 'journal') return journal.look(segmentNumber(name)!)
    return this.#lookAtSnapshot(name)
  }

  #lookAtDurable(): Looked {
    const id = this.#manifest?.directory ?? this.#anyManifest()?.directory
    if (id === undefined) return { state: 'not looked into', lines: ['means nothing without a manifest'] }
    const { segment, offset } = readDurable(this.#fs, this.#directory, id)
    const place =
      segment === 0 ? 'vouches for nothing yet' : `vouches for ${segmentName(segment)} up to offset ${offset}`
    return { state: 'whole', lines: [place] }
  }

  #anyManifest(): Manifest | undefined {
    for (const name of MANIFEST_NAMES) {
      try {
        if (this.#names.includes(name)) return readManifestFile(this.#fs, this.#directory, name)
      } catch (error) {
        // Its own line tells of it.
        if (!(error instanceof EngineError)) throw error
      }
    }
    return undefined
  }

  #lookAtSnapshot(name: string): Looked {
    if (name === this.#manifest?.snapshot?.name && this.#snapshot !== undefined) return this.#snapshot
    if (this.#manifest !== undefined) return { state: 'not looked into', lines: [LEFT_OVER] }
    const path = `${this.#directory}/${name}`
    const databases = new Databases({ count: DATABASES_MAX })
    for (const _read of loadSnapshot(this.#fs, path, databases)) continue
    return { state: 'whole', lines: [keysText(countKeys(databases))] }
  }
}

function kindOf(name: string): FileReport['kind'] {
  if (MANIFEST_NAMES.includes(name)) return 'manifest'
  if (name === DURABLE_NAME) return 'durable'
  if (segmentNumber(name) !== undefined) return 'journal'
  return SNAPSHOT_NAME.test(name) ? 'snapshot' : 'other'
}

function otherText(name: string): string {
  if (name === RESERVE_NAME) return 'space for when the disk is full'
  if (name === COLD_NAME) return 'a cache, emptied at each opening'
  return name.endsWith('.tmp') ? LEFT_OVER : "none of Millrace's files"
}

function rdbLines({ version, skipped, isChecked, ...keys }: RdbSummary): string[] {
  const lines = [`${keysText(keys)}, RDB version ${version}`]
  for (const [type, count] of skipped) lines.push(`of another type: ${count} ${type}`)
  if (!isChecked) lines.push('there is no checksum: damage cannot be told')
  return lines
}

/** `12 keys, 10 of them streams`. */
export function keysText({ keys, streams }: KeyCount): string {
  return `${keys} ${keys === 1 ? 'key' : 'keys'}, ${streams} of them streams`
}

export function countKeys(databases: Databases): KeyCount {
  let keys = 0
  let streams = 0
  for (const [, database] of databases.made()) {
    keys += database.keyCount
    for (const key of database.keys()) if (database.peek(key)?.type === 'stream') streams++
  }
  return { keys, streams }
}

function sizeOf(fs: Fs, path: string): number {
  const file = fs.open(path, 'read')
  try {
    return file.size()
  } finally {
    closeQuietly(file)
  }
}
