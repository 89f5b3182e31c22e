/**
 * A value as DUMP gives it and RESTORE takes it.
 *
 *   │ type │ value │ RDB version, u16 │ CRC-64 of all before │      integers are little endian
 */
import { EngineError } from '../errors.ts'
import type { Value } from '../keyspace.ts'
import { Stream } from '../stream.ts'
import { StringValue } from '../string-value.ts'
import { Crc64 } from './crc64.ts'
import { otherTypeName, refuseType } from './other-values.ts'
import { RDB_VERSION_MAX } from './rdb-reader.ts'
import { RdbSource } from './rdb-source.ts'
import { readString } from './rdb-values.ts'
import { readStream, streamLayoutOf } from './stream-reader.ts'

const FOOTER_BYTES = 10
const CRC_BYTES = 8
const STRING = 0
/**
 * What all compressed strings of a value may become: the longest string that Redis takes. A byte can become 88, and whoever
 * sends a payload need not mean well.
 */
const INFLATED_BYTES_MAX = 2 ** 29

/** The RDB version that a payload was written by; undefined: it is damaged, or no payload. */
export function dumpVersion(payload: Uint8Array): number | undefined {
  const footer = payload.length - FOOTER_BYTES
  if (footer < 1) return undefined
  const crc = new Crc64()
  crc.update(payload, 0, payload.length - CRC_BYTES)
  return crc.matches(payload, payload.length - CRC_BYTES) ? payload[footer]! | (payload[footer + 1]! << 8) : undefined
}

/**
 * The value of a payload, a new one; a stream is what `newStream` made, filled. `CORRUPT`: it is damaged, or says what cannot
 * be. `NEWER_FORMAT`: it is of a newer version. `WRONG_TYPE`: a list or another type that is not held here.
 */
export function readDump(payload: Uint8Array, newStream: () => Stream = () => new Stream()): Value {
  const version = dumpVersion(payload)
  if (version === undefined) throw new EngineError('CORRUPT', 'a dumped value has a wrong checksum')
  if (version > RDB_VERSION_MAX) {
    throw new EngineError('NEWER_FORMAT', `a dumped value of RDB version ${version}; up to ${RDB_VERSION_MAX} is read`)
  }
  const source = RdbSource.ofBytes(payload.subarray(0, -FOOTER_BYTES), 'a dumped value')
  source.inflatableBytes = INFLATED_BYTES_MAX
  const value = readValue(source, newStream)
  if (source.left > 0) source.corrupt(`${source.left} bytes come behind the value`)
  return value
}

function readValue(source: RdbSource, newStream: () => Stream): Value {
  const type = source.byte()
  if (type === STRING) return StringValue.of(readString(source))
  const layout = streamLayoutOf(type)
  if (layout === undefined) {
    const name = otherTypeName(type)
    if (name === undefined) refuseType(source, type, '')
    throw new EngineError('WRONG_TYPE', `a dumped value is a ${name}: there are only streams and strings here`)
  }
  const stream = newStream()
  const reading = readStream(source, layout, stream)
  while (reading.next().done !== true);
  return stream
}
