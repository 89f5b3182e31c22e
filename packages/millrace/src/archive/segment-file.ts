/**
 * A closed range of entries as bytes.
 *
 *   "MILLRACE-SEGMENT 1\n"
 *   {"stream":"orders","firstId":…,"lastId":…,"entries":2,"bytes":123,"sha256":"…"}\n      of the payload as it is below, not compressed
 *   gzip of:   u8 length, ID as text │ u32 number of fields and values │ u32 length, bytes │ …      big endian, for each entry
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Entry, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'

export interface SegmentHead {
  readonly stream: string
  readonly firstId: EntryId
  readonly lastId: EntryId
  readonly entries: number
  /** Of the payload, not compressed. */
  readonly bytes: number
  readonly sha256: string
}

const MAGIC = 'MILLRACE-SEGMENT 1\n'
const LENGTH_BYTES = 4
/** More than this in one segment is no segment of ours. */
const PAYLOAD_BYTES_MAX = 1 << 30

/** `entries` in the order of their IDs, at least one. */
export async function writeSegment(
  stream: string,
  entries: readonly Entry[],
): Promise<{ readonly head: SegmentHead; readonly bytes: Uint8Array }> {
  const [first] = entries
  const last = entries.at(-1)
  if (first === undefined || last === undefined)
    throw new StreamError('BAD_ARGUMENT', 'Expected at least one entry for a segment, got none')
  const payload = Buffer.concat(entries.flatMap(parts))
  const head: SegmentHead = {
    stream,
    firstId: first.id,
    lastId: last.id,
    entries: entries.length,
    bytes: payload.length,
    sha256: hash(payload),
  }
  const packed = await promisify(gzip)(payload)
  return { head, bytes: Buffer.concat([Buffer.from(`${MAGIC}${JSON.stringify(head)}\n`), packed]) }
}

/** `CORRUPT`, with the name of the object, when it is not whole to the byte. */
export async function readSegment(key: string, bytes: Uint8Array): Promise<readonly Entry[]> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = buffer.indexOf('\n', MAGIC.length)
  if (buffer.subarray(0, MAGIC.length).toString() !== MAGIC || end === -1) throw corrupt(key, 'no segment begins here')
  const head = readHead(key, buffer.subarray(MAGIC.length, end).toString())
  let payload: Buffer
  try {
    payload = await promisify(gunzip)(buffer.subarray(end + 1), { maxOutputLength: PAYLOAD_BYTES_MAX })
  } catch (cause) {
    throw corrupt(key, 'its payload does not unpack', cause)
  }
  if (payload.length !== head.bytes || hash(payload) !== head.sha256) throw corrupt(key, 'its SHA-256 does not fit')
  return unpack(payload)
}

function parts(entry: Entry): Buffer[] {
  const id = Buffer.from(entry.id)
  return [
    Buffer.from([id.length]),
    id,
    length(entry.fields.length),
    ...entry.fields.flatMap((field) => [length(field.length), asBuffer(field)]),
  ]
}

/** The hash has been compared: what follows is what was written. */
function unpack(payload: Buffer): Entry[] {
  const entries: Entry[] = []
  for (let at = 0; at < payload.length;) {
    const idEnd = at + 1 + payload[at]!
    const id = payload.toString('latin1', at + 1, idEnd) as EntryId
    const count = payload.readUInt32BE(idEnd)
    at = idEnd + LENGTH_BYTES
    const fields: Uint8Array[] = []
    for (let i = 0; i < count; i++) {
      const begin = at + LENGTH_BYTES
      const end = begin + payload.readUInt32BE(at)
      fields.push(payload.subarray(begin, end))
      at = end
    }
    entries.push({ id, fields })
  }
  return entries
}

function readHead(key: string, line: string): SegmentHead {
  try {
    return JSON.parse(line) as SegmentHead
  } catch (cause) {
    throw corrupt(key, 'its head is no JSON', cause)
  }
}

function length(value: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES)
  bytes.writeUInt32BE(value)
  return bytes
}

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function corrupt(key: string, why: string, cause?: unknown): StreamError {
  return new StreamError('CORRUPT', `The archive's object '${key}' is damaged: ${why}`, { cause })
}
