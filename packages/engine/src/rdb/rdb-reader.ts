/**
 * Reads a file of Redis's RDB format into databases.
 *
 *   "REDIS" "0010"                              magic, version
 *   [FA] name value                             auxiliary: who wrote it, and what else only some understand
 *   [FE] number  [FB] keys, expiring keys       a database
 *   [FC] ms | [FD] s   [F8] idle   [F9] freq    of the key that follows
 *   type, key, value                            a key
 *   [F5] library   [F7] module data             functions and modules: nothing of ours
 *   [FF] CRC-64                                 the end; since version 5, and 0 means that none was made
 *
 * It is read in pieces, and in between others can have their turn:
 *
 *   for (const offset of readRdb(source, options)) …
 *
 * Nothing in the file is believed. What is wrong is refused by name and place, `CORRUPT`; what is of a newer format,
 * `NEWER_FORMAT`; a value of another type, `WRONG_TYPE`, unless such are to be passed over, and then they are counted.
 * After a refusal the databases have part of the file: they are to be new ones, which the caller then lets go.
 */
import type { Databases } from '../databases.ts'
import { EngineError } from '../errors.ts'
import { otherTypeName, refuseType, skipModuleParts, skipNumber, skipValue } from './other-values.ts'
import type { RdbSource } from './rdb-source.ts'
import { readLength, readName, readString, skipString } from './rdb-values.ts'
import { readStream, streamLayoutOf } from './stream-reader.ts'

/** The newest version that is read: Redis 7.4 and 8.0. */
export const RDB_VERSION_MAX = 12

export interface RdbReadOptions {
  /** Where the keys go: databases without keys. */
  readonly databases: Databases
  /** Keys of other types, functions and module data are passed over and counted. Default: they are refused. */
  readonly skipOtherTypes?: boolean
  /** Told of each auxiliary field, whose value holds during the call, and of the number of the database selected by then. */
  readonly onAux?: (name: string, value: Uint8Array, database: number) => void
}

export interface RdbSummary {
  readonly version: number
  readonly keys: number
  /** Of the keys, those that hold streams. */
  readonly streams: number
  /** How many were passed over: by type as TYPE says it, 'function', 'module data'. */
  readonly skipped: ReadonlyMap<string, number>
  /** False: the file has no checksum. */
  readonly isChecked: boolean
}

const MAGIC = 'REDIS'
const VERSION_DIGITS = 4
const CRC_BYTES = 8
/** The first version with a checksum. */
const CHECKED_VERSION = 5
const STRING = 0
const CODE_MIN = 0xf4
const SLOT_INFO = 0xf4
const FUNCTION = 0xf5
const MODULE_AUX = 0xf7
const IDLE = 0xf8
const FREQUENCY = 0xf9
const AUX = 0xfa
const RESIZE = 0xfb
const EXPIRES_MS = 0xfc
const EXPIRES_S = 0xfd
const SELECT = 0xfe
const END = 0xff

/** Reads all of the source; yields, now and then, how many bytes are behind it. */
export function* readRdb(source: RdbSource, options: RdbReadOptions): Generator<number, RdbSummary> {
  const reader = new RdbReader(source, options)
  for (const pause of reader.read()) yield pause ?? source.offset
  return reader.summary()
}

/** As `readRdb`, without a pause. */
export function readRdbNow(source: RdbSource, options: RdbReadOptions): RdbSummary {
  const reading = readRdb(source, options)
  for (;;) {
    const step = reading.next()
    if (step.done === true) return step.value
  }
}

class RdbReader {
  readonly #source: RdbSource
  readonly #options: RdbReadOptions
  readonly #skipped = new Map<string, number>()
  #version = 0
  #keys = 0
  #streams = 0
  #isChecked = false
  #database = 0
  #expiresAtMs: number | undefined = undefined
  /** Something was told of the key that comes next. */
  #isKeyDue = false

  constructor(source: RdbSource, options: RdbReadOptions) {
    this.#source = source
    this.#options = options
  }

  summary(): RdbSummary {
    return {
      version: this.#version,
      keys: this.#keys,
      streams: this.#streams,
      skipped: this.#skipped,
      isChecked: this.#isChecked,
    }
  }

  *read(): Generator<undefined, void> {
    const source = this.#source
    this.#readVersion()
    for (;;) {
      const offset = source.offset
      const code = source.byte()
      if (code >= CODE_MIN) this.#expectKey(code, offset)
      if (code === END) break
      if (code < CODE_MIN) yield* this.#readKey(code, offset)
      else yield* this.#readCode(code, offset)
      if (source.isPauseDue()) yield
    }
    this.#readEnd()
  }

  #readVersion(): void {
    const source = this.#source
    const text = latin1(source.take(MAGIC.length + VERSION_DIGITS))
    const digits = text.slice(MAGIC.length)
    if (!text.startsWith(MAGIC) || !/^\d{4}$/.test(digits) || Number(digits) === 0) {
      source.corrupt(`an RDB file begins with ${MAGIC} and a version, not with ${JSON.stringify(text)}`, 0)
    }
    this.#version = Number(digits)
    if (this.#version > RDB_VERSION_MAX) {
      throw new EngineError(
        'NEWER_FORMAT',
        `${source.name} is of RDB version ${this.#version}; this program reads up to ${RDB_VERSION_MAX}`,
      )
    }
  }

  /** What is told of a key has the key behind it. */
  #expectKey(code: number, offset: number): void {
    const isAboutKey = code === EXPIRES_MS || code === EXPIRES_S || code === IDLE || code === FREQUENCY
    if (this.#isKeyDue && !isAboutKey) this.#source.corrupt(`a key was expected, not the code ${code}`, offset)
    this.#isKeyDue = isAboutKey
  }

  *#readCode(code: number, offset: number): Generator<undefined, void> {
    const source = this.#source
    switch (code) {
      case AUX:
        this.#readAux()
        return
      case SELECT:
        this.#select()
        return
      case RESIZE:
        readLength(source)
        readLength(source)
        return
      case EXPIRES_MS:
        this.#expiresAtMs = Number(source.i64LittleEndian())
        return
      case EXPIRES_S:
        this.#expiresAtMs = source.i32LittleEndian() * 1000
        return
      case IDLE:
        skipNumber(source)
        return
      case FREQUENCY:
        source.byte()
        return
      case SLOT_INFO:
        for (let i = 0; i < 3; i++) readLength(source)
        return
      case FUNCTION:
        this.#skip('function', 'a library of functions')
        skipString(source)
        return
      case MODULE_AUX:
        this.#skip('module data', 'data of a module')
        skipNumber(source)
        yield* skipModuleParts(source)
        return
      default:
        source.corrupt(`a key or a code was expected, not the byte ${code}`, offset)
    }
  }

  #readAux(): void {
    const name = readName(this.#source)
    const value = readString(this.#source)
    this.#options.onAux?.(name, value, this.#database)
  }

  #select(): void {
    const source = this.#source
    const { count } = this.#options.databases
    const number = readLength(source)
    if (number >= count) {
      throw new EngineError('BAD_ARGUMENT', `${source.name} has a database ${number}; there are only ${count} here`)
    }
    this.#database = number
  }

  *#readKey(type: number, offset: number): Generator<undefined, void> {
    const source = this.#source
    const key = readName(source)
    source.subject = `database ${this.#database}, key '${key}'`
    const layout = streamLayoutOf(type)
    if (type === STRING) this.#readText(key)
    else if (layout !== undefined) {
      this.#checkNew(key, offset)
      this.#streams++
      const { databases } = this.#options
      databases.apply(this.#database, { kind: 'stream-created', key })
      const stream = databases.at(this.#database).peek(key)
      if (stream?.type !== 'stream') throw new TypeError('a stream that was created is there')
      yield* readStream(source, layout, stream)
      this.#setExpiry(key)
    } else yield* this.#skipKey(type, key)
    source.subject = ''
    this.#expiresAtMs = undefined
    this.#isKeyDue = false
  }

  #readText(key: string): void {
    const { databases } = this.#options
    this.#checkNew(key, this.#source.offset)
    const value = readString(this.#source)
    databases.apply(this.#database, { kind: 'string-set', key, value, expiresAtMs: this.#expiresAtMs })
  }

  #checkNew(key: string, offset: number): void {
    this.#keys++
    if (this.#options.databases.at(this.#database).peek(key) === undefined) return
    this.#source.corrupt('the key comes twice', offset)
  }

  #setExpiry(key: string): void {
    if (this.#expiresAtMs === undefined) return
    this.#options.databases.apply(this.#database, { kind: 'expiry-set', key, atMs: this.#expiresAtMs })
  }

  *#skipKey(type: number, key: string): Generator<undefined, void> {
    const name = otherTypeName(type)
    if (name === undefined) refuseType(this.#source, type, key)
    this.#skip(name, `the key '${key}' of database ${this.#database} with a ${name}`)
    yield* skipValue(this.#source, type)
  }

  #skip(type: string, what: string): void {
    if (this.#options.skipOtherTypes !== true) {
      throw new EngineError('WRONG_TYPE', `${this.#source.name} has ${what}: there are only streams and strings here`)
    }
    this.#skipped.set(type, (this.#skipped.get(type) ?? 0) + 1)
  }

  #readEnd(): void {
    const source = this.#source
    if (this.#version >= CHECKED_VERSION) {
      const { crc, offset } = source
      const bytes = source.take(CRC_BYTES)
      this.#isChecked = bytes.some((byte) => byte !== 0)
      if (this.#isChecked && !crc.matches(bytes, 0)) {
        source.corrupt('the checksum is not that of the bytes before: something in the file is damaged', offset)
      }
    }
    if (source.left > 0) source.corrupt(`${source.left} bytes come behind the end`)
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
