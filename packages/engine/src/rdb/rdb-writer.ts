/**
 * Writes a picture of all databases as an RDB file of version 10, as redis-server 7.0 does and reads (rdb-reader.ts has the
 * layout). What Redis has no place for stands in auxiliary fields (extras.ts).
 *
 *   for (const bytes of writeRdb(databases.freeze(), { nowMs, write })) …      others have their turn in between
 */
import type { FrozenDatabases } from '../frozen-databases.ts'
import type { Slot } from '../keyspace.ts'
import { encodeExtras, EXTRAS_NAME, hasExtras, type NodeDifference } from './extras.ts'
import { RdbOutput } from './rdb-output.ts'
import { nobodysName, STREAM_TYPE, writeStream } from './stream-writer.ts'

/** The version of what is written. */
export const RDB_VERSION = 10

export const STRING_TYPE = 0

export interface RdbWriteOptions {
  /** When that is: stands in the file. */
  readonly nowMs: number
  /** Takes the next bytes, at most 64 KiB, which hold during the call. */
  readonly write: (chunk: Uint8Array) => void
}

export interface WrittenRdb {
  readonly bytes: number
  readonly keys: number
  /** The CRC-64 at its end, as 16 hexadecimal digits. */
  readonly crc: string
}

const AUX = 0xfa
const RESIZE = 0xfb
const EXPIRES_MS = 0xfc
const SELECT = 0xfe
const END = 0xff
const KEY_WORK = 20
/** What is written without a pause. */
const SHORT_BYTES = 4096
/** The oldest server that reads it. */
const REDIS_VERSION = '7.0.15'

/** Yields, every millisecond or so, how many bytes there are by then. The picture is the caller's to release. */
export function* writeRdb(frozen: FrozenDatabases, options: RdbWriteOptions): Generator<number, WrittenRdb> {
  const output = new RdbOutput(options.write)
  let keys = 0
  output.put(Buffer.from(`REDIS${String(RDB_VERSION).padStart(4, '0')}`, 'latin1'))
  writeAux(output, 'redis-ver', REDIS_VERSION)
  writeAux(output, 'redis-bits', '64')
  writeAux(output, 'ctime', String(Math.floor(options.nowMs / 1000)))
  writeAux(output, 'millrace-format', '1')
  for (const database of frozen.databases) {
    output.byte(SELECT)
    output.length(database.index)
    output.byte(RESIZE)
    output.length(database.keyCount)
    output.length(database.expiringKeyCount)
    for (let place = 0; place < database.keyCount; place++) {
      yield* writeKey(output, database.take(place))
      if (output.isPauseDue()) yield output.offset
      keys++
    }
  }
  output.byte(END)
  output.finish()
  return { bytes: output.offset, keys, crc: output.crc }
}

/** Hot where there are many keys: what has no need of pauses is written without. */
function* writeKey(output: RdbOutput, slot: Slot): Generator<number, void> {
  const { key, value, expiresAtMs } = slot
  if (expiresAtMs !== undefined) {
    output.byte(EXPIRES_MS)
    output.timeMs(expiresAtMs)
  }
  output.byte(value.type === 'string' ? STRING_TYPE : STREAM_TYPE)
  if (key.length < SHORT_BYTES) output.text(key)
  else yield* output.string(Buffer.from(key, 'latin1'))
  let differences: NodeDifference[] = []
  if (value.type === 'stream') differences = yield* writeStream(output, value)
  else if (value.length < SHORT_BYTES) output.shortString(value.bytes)
  else yield* output.string(value.bytes)
  if (hasExtras(slot)) {
    for (const extras of encodeExtras({ slot, differences, nobodysName })) {
      output.byte(AUX)
      output.text(EXTRAS_NAME)
      yield* output.string(extras)
      if (output.isPauseDue()) yield output.offset
    }
  }
  output.work += KEY_WORK
}

function writeAux(output: RdbOutput, name: string, value: string): void {
  output.byte(AUX)
  output.text(name)
  output.text(value)
}
