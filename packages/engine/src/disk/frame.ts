/**
 * A frame of the journal: what was changed between two commits, so that either all of it is there after a crash or none.
 *
 *   at  0   u32   length of the payload; bit 31: more follows, the group goes on in the next frame
 *       4   u32   CRC-32 of all that comes behind it, begun with the CRC of the frame before, exclusive-or the length word
 *       8   u32   id of the file, random: tells a frame's begin from what users wrote
 *      12   u32   number of the segment      ┐ the journal up to here was on stable storage
 *      16   u32   offset in it               ┘ when the frame was written: the durable watermark
 *      20   u64   sequence number: 1, 2, 3 … over all segments of a directory
 *      28         payload (change-writer.ts)
 *
 * Integers are little endian. The chain begins with the CRC of the segment's header (journal-file.ts). A frame that is
 * damaged, missing, doubled or in another's place breaks it. Whether what is behind the break had been durable is told by
 * the watermarks of the frames that come later (journal-scan.ts).
 */
import { crc32 } from 'node:zlib'

export const FRAME_HEADER_BYTES = 28
/** Offsets are 32 bits: no frame begins behind this. */
export const SEGMENT_BYTES_MAX = 0xffff_ffff
/** Payloads are split between changes; a single change has at most one value of 512 MiB, or an entry of 1 GiB. */
export const PAYLOAD_BYTES_MAX = 0x7fff_ffff
const MORE = 0x8000_0000
const CRC_AT = 4
const COVERED_FROM = 8

/** A place in the journal. */
export interface Position {
  readonly segment: number
  readonly offset: number
}

export interface FrameHeader {
  readonly payloadBytes: number
  /** The group goes on in the next frame. */
  readonly hasMore: boolean
  readonly crc: number
  readonly fileId: number
  readonly durable: Position
  readonly seq: number
}

export interface FrameStamp {
  readonly payloadBytes: number
  readonly hasMore: boolean
  readonly fileId: number
  readonly durable: Position
  readonly seq: number
}

/** Below 0 when `a` comes first. */
export function comparePositions(a: Position, b: Position): number {
  return a.segment === b.segment ? a.offset - b.offset : a.segment - b.segment
}

/**
 * Stamps a header in front of a payload that already stands at `at + FRAME_HEADER_BYTES`; returns the CRC, with which the
 * next frame's begins.
 */
export function sealFrame(bytes: Uint8Array, at: number, stamp: FrameStamp, chain: number): number {
  const { payloadBytes } = stamp
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES)
  const word = lengthWord(payloadBytes, stamp.hasMore)
  view.setUint32(0, word, true)
  view.setUint32(8, stamp.fileId, true)
  view.setUint32(12, stamp.durable.segment, true)
  view.setUint32(16, stamp.durable.offset, true)
  view.setUint32(20, stamp.seq >>> 0, true)
  view.setUint32(24, Math.floor(stamp.seq / 2 ** 32), true)
  const crc = frameCrc(bytes, at, { word, payloadBytes, chain })
  view.setUint32(CRC_AT, crc, true)
  return crc
}

/** Reads what stands at a place as a header, whatever it is; undefined when there are too few bytes for one. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader | undefined {
  if (at + FRAME_HEADER_BYTES > bytes.length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES)
  const word = view.getUint32(0, true)
  return {
    payloadBytes: word & PAYLOAD_BYTES_MAX,
    hasMore: word >= MORE,
    crc: view.getUint32(CRC_AT, true),
    fileId: view.getUint32(8, true),
    durable: { segment: view.getUint32(12, true), offset: view.getUint32(16, true) },
    seq: view.getUint32(20, true) + view.getUint32(24, true) * 2 ** 32,
  }
}

/** Whether a frame, all of whose bytes are there, is as it was written behind one with the CRC `chain`. */
export function isFrameIntact(bytes: Uint8Array, at: number, header: FrameHeader, chain: number): boolean {
  const { payloadBytes } = header
  const word = lengthWord(payloadBytes, header.hasMore)
  return frameCrc(bytes, at, { word, payloadBytes, chain }) === header.crc
}

function lengthWord(payloadBytes: number, hasMore: boolean): number {
  return hasMore ? payloadBytes + MORE : payloadBytes
}

function frameCrc(
  bytes: Uint8Array,
  at: number,
  { word, payloadBytes, chain }: { word: number; payloadBytes: number; chain: number },
): number {
  const covered = bytes.subarray(at + COVERED_FROM, at + FRAME_HEADER_BYTES + payloadBytes)
  return crc32(covered, (chain ^ word) >>> 0)
}
