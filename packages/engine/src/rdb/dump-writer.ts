/** Writes a value as DUMP gives it, for RESTORE here or on a redis-server from 7.0 on: dump-reader.ts has the layout. */
import type { Value } from '../keyspace.ts'
import { RdbOutput } from './rdb-output.ts'
import { RDB_VERSION, STRING_TYPE } from './rdb-writer.ts'
import { STREAM_TYPE, writeStream } from './stream-writer.ts'

/** The version and the CRC. */
const FOOTER_BYTES = 10

/** What a node of Redis 7.0 has no place for (extras.ts) is not in it. Undefined: it would have more than `bytesMax`. */
export function dumpValue(value: Value): Uint8Array
export function dumpValue(value: Value, bytesMax: number): Uint8Array | undefined
export function dumpValue(value: Value, bytesMax = Infinity): Uint8Array | undefined {
  const chunks: Uint8Array[] = []
  const output = new RdbOutput((chunk) => chunks.push(chunk.slice()))
  output.byte(value.type === 'string' ? STRING_TYPE : STREAM_TYPE)
  const writing = value.type === 'string' ? output.string(value.bytes) : writeStream(output, value)
  while (writing.next().done !== true) if (output.offset > bytesMax) return undefined
  if (output.offset + FOOTER_BYTES > bytesMax) return undefined
  output.u16LittleEndian(RDB_VERSION)
  output.finish()
  return Buffer.concat(chunks)
}
