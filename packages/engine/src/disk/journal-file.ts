/**
 * The file of a journal's segment: its name, its header, its end.
 *
 *   journal-000012   │ header, 32 bytes │ frame │ frame │ frame …
 *
 *   at  0   8 bytes   "MILLJRNL"
 *       8   u32       version of the format: 1
 *      12   u32       number of the segment
 *      16   u32       id of the file, random
 *      20   u32       epoch: how often the directory had been opened
 *      24   u32       1: until a manifest names it, what is in it is in the segment before, too; else 0
 *      28   u32       CRC-32 of the 28 bytes before: the frames' chain begins with it
 *
 * The manifest names a file only when its header is on stable storage. What is behind a durable end is never changed:
 * whoever opens a directory begins a new segment.
 */
import { crc32 } from 'node:zlib'
import { EngineError } from '../errors.ts'
import { closeQuietly, readBytes, writeAll, type Fs, type OpenFile } from './files.ts'

export const SEGMENT_HEADER_BYTES = 32
export const JOURNAL_VERSION = 1
const MAGIC = 'MILLJRNL'
const CRC_AT = 28

export interface SegmentHeader {
  readonly number: number
  readonly fileId: number
  readonly epoch: number
  /** Until a manifest names it, what is in it is in the segment before, too. */
  readonly isCopy: boolean
  /** The chain's begin. */
  readonly crc: number
}

export type NewSegment = Omit<SegmentHeader, 'crc' | 'isCopy'> & { readonly isCopy?: boolean }

export function segmentName(number: number): string {
  return `journal-${String(number).padStart(6, '0')}`
}

/** The number of a segment's file; undefined for other names. */
export function segmentNumber(name: string): number | undefined {
  const digits = /^journal-(\d{6,10})$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The bytes of a header, and their CRC. */
export function segmentHeader({ number, fileId, epoch, isCopy = false }: NewSegment): {
  readonly bytes: Uint8Array
  readonly crc: number
} {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i)
  view.setUint32(8, JOURNAL_VERSION, true)
  view.setUint32(12, number, true)
  view.setUint32(16, fileId, true)
  view.setUint32(20, epoch, true)
  view.setUint32(24, isCopy ? 1 : 0, true)
  const crc = crc32(bytes.subarray(0, CRC_AT))
  view.setUint32(CRC_AT, crc, true)
  return { bytes, crc }
}

/** Creates a segment's file; it and its name are on stable storage then. */
export async function createSegment(fs: Fs, directory: string, number: number, header: Uint8Array): Promise<OpenFile> {
  const file = fs.open(`${directory}/${segmentName(number)}`, 'create')
  try {
    writeAll(file, header, 0)
    await file.sync()
    await fs.syncDirectory(directory)
  } catch (error) {
    closeQuietly(file)
    throw error
  }
  return file
}

/** Reads and checks a segment's header. */
export function readSegmentHeader(file: OpenFile, path: string): SegmentHeader {
  const bytes = readBytes(file, 0, SEGMENT_HEADER_BYTES)
  if (bytes.length < SEGMENT_HEADER_BYTES) {
    throw new EngineError(
      'CORRUPT',
      `${path}: a header of ${SEGMENT_HEADER_BYTES} bytes was expected, the file has ${bytes.length}`,
    )
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length))
  const crc = view.getUint32(CRC_AT, true)
  if (magic !== MAGIC || crc32(bytes.subarray(0, CRC_AT)) !== crc) {
    throw new EngineError('CORRUPT', `${path}: the header (offset 0 to ${SEGMENT_HEADER_BYTES - 1}) is damaged`)
  }
  const version = view.getUint32(8, true)
  if (version !== JOURNAL_VERSION) {
    throw new EngineError(
      'NEWER_FORMAT',
      `${path}: a journal of version ${version}; this program reads version ${JOURNAL_VERSION}`,
    )
  }
  return {
    number: view.getUint32(12, true),
    fileId: view.getUint32(16, true),
    epoch: view.getUint32(20, true),
    isCopy: view.getUint32(24, true) === 1,
    crc,
  }
}
