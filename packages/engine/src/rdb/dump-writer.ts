/** Writes a value as DUMP gives it, for RESTORE here or on a redis-server from 7.0 on: dump-reader.ts has the layout. */
import type { Value } from '../keyspace.ts'
import { RdbOutput } from './rdb-output.ts'
import { RDB_VERSION, STRING_TYPE } from './rdb-writer.ts'
import { STREAM_TYPE, writeStream } from './stream-writer.ts'

/** What a node of Redis 7.0 has no place for (extras.ts) is not in it. */
export function dumpValue(value: Value): Uint8Array {
  const chunks: Uint8Array[] = []
  const output = new RdbOutput((chunk) => chunks.push(chunk.slice()))
  output.byte(value.type === 'string' ? STRING_TYPE : STREAM_TYPE)
  const writing = value.type === 'string' ? output.string(value.bytes) : writeStream(output, value)
  while (writing.next().done !== true);
  output.u16LittleEndian(RDB_VERSION)
  output.finish()
  return Buffer.concat(chunks)
}
