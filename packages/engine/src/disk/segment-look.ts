/**
 * One segment's file by itself, damaged or not: how far it is whole, and what is behind the first hole.
 *
 *   │ header │ frame │ frame │ ✗ frame │ frame │ frame │ 0 0 0
 *            └── whole ──────┤         └─ behind ──────┤
 *                           end                       used
 *
 * A frame is checked with the CRC of the one before it, and that one's header is enough for it: so the frames behind a
 * damaged one can be told from chance. They are counted, and named, and of no other use: what they changed is not there.
 */
import { firstChangeText, lastChangeTexts } from './change-text.ts'
import { endOfUse } from './fill-ahead.ts'
import { closeQuietly, readBytes, type Fs } from './files.ts'
import { FRAME_HEADER_BYTES, isFrameIntact, readFrameHeader, type FrameHeader } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { readSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './journal-file.ts'
import type { ClosedEnd } from './manifest.ts'

/** Where the file's id stands in a frame's header. */
const ID_AT = 8

export interface SegmentLook {
  readonly header: SegmentHeader
  readonly bytes: number
  /** Sequence numbers of the frames that are whole, from the first on; undefined: not even the first one is. */
  readonly seqs: SeqRange | undefined
  /** Behind the last of them. */
  readonly end: ClosedEnd
  /** Behind the last whole group: with frames behind it that belong to one that is not whole, before `end`. */
  readonly groupsEnd: number
  /** Where the zeros begin that end the file; `end.offset`: nothing else is behind it. */
  readonly used: number
  /** The last changes of the last group that is whole in this file. */
  readonly lastChanges: readonly string[]
  /** The first change in what is damaged, as far as it can be read. */
  readonly damagedChange: string | undefined
  /** Undefined: no whole frame is behind the first hole. */
  readonly behind: FramesBehind | undefined
}

export interface SeqRange {
  readonly first: number
  readonly last: number
}

export interface FramesBehind {
  readonly offset: number
  readonly frames: number
  readonly seqs: SeqRange
  readonly firstChange: string | undefined
}

/**
 * Reads a segment's file, up to where it ends, whatever else is in it; throws `CORRUPT` or `NEWER_FORMAT` when its header is
 * of no use.
 */
export function lookAtSegment(fs: Fs, path: string, endOffset?: number): SegmentLook {
  const file = fs.open(path, 'read')
  try {
    const header = readSegmentHeader(file, path)
    const bytes = file.size()
    const size = Math.min(bytes, endOffset ?? bytes)
    const reader = new FrameReader(file, path, { fileId: header.fileId, chain: header.crc, size })
    const { seqs, group } = readWhole(reader, Infinity)
    const end = { offset: reader.at, crc: reader.chain }
    const used = endOffset === undefined ? endOfUse(file, end.offset) : Math.max(size, end.offset)
    const rest = readBytes(file, end.offset, used - end.offset)
    return {
      header,
      bytes,
      seqs,
      end,
      groupsEnd: group.to,
      used,
      lastChanges: lastChangeTexts(payloadsOf(readBytes(file, group.from, group.to - group.from))),
      damagedChange: damagedChange(rest, header.fileId, seqs === undefined ? undefined : seqs.last + 1),
      behind: framesBehind(rest, header.fileId, end.offset),
    }
  } finally {
    closeQuietly(file)
  }
}

/** The numbers of a segment's whole frames, and where they end; those from `seqEnd` on are left out. */
export function wholeFrames(
  fs: Fs,
  path: string,
  seqEnd: number,
): { readonly seqs: SeqRange | undefined; readonly end: ClosedEnd } {
  const file = fs.open(path, 'read')
  try {
    const { fileId, crc } = readSegmentHeader(file, path)
    const reader = new FrameReader(file, path, { fileId, chain: crc, size: file.size() })
    const { seqs } = readWhole(reader, seqEnd)
    return { seqs, end: { offset: reader.at, crc: reader.chain } }
  } finally {
    closeQuietly(file)
  }
}

interface WholeFrames {
  readonly seqs: SeqRange | undefined
  /** The last whole group. */
  readonly group: { readonly from: number; readonly to: number }
}

function readWhole(reader: FrameReader, seqEnd: number): WholeFrames {
  const first = reader.numberAhead()
  let group = { from: SEGMENT_HEADER_BYTES, to: SEGMENT_HEADER_BYTES }
  if (first === undefined) return { seqs: undefined, group }
  let seq = first
  let from = reader.at
  for (; seq < seqEnd; seq++) {
    const frame = reader.next(seq)
    if (frame === undefined) break
    if (frame.hasMore) continue
    group = { from, to: reader.at }
    from = reader.at
  }
  return { seqs: seq === first ? undefined : { first, last: seq - 1 }, group }
}

/** Of frames that are whole, and stand one behind the other. */
function payloadsOf(bytes: Uint8Array): Uint8Array[] {
  const payloads: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const from = at + FRAME_HEADER_BYTES
    at = from + readFrameHeader(bytes, at)!.payloadBytes
    payloads.push(bytes.subarray(from, at))
  }
  return payloads
}

/** `seq`: of the frame that was to come; undefined: not known. */
function damagedChange(rest: Uint8Array, fileId: number, seq: number | undefined): string | undefined {
  const header = readFrameHeader(rest, 0)
  if (header === undefined || header.fileId !== fileId || (seq !== undefined && header.seq !== seq)) return undefined
  return firstChangeText(rest.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.payloadBytes))
}

/** Searches for what looks like a header of this file; whole is what its CRC vouches for. */
function framesBehind(rest: Uint8Array, fileId: number, base: number): FramesBehind | undefined {
  const bytes = Buffer.from(rest.buffer, rest.byteOffset, rest.length)
  const mark = Buffer.alloc(4)
  mark.writeUInt32LE(fileId)
  let behind: FramesBehind | undefined
  let from = ID_AT
  for (let found = bytes.indexOf(mark, from); found >= 0; found = bytes.indexOf(mark, from)) {
    from = found + 1
    for (const { at, header } of framesAfter(bytes, found - ID_AT)) {
      from = at + ID_AT
      behind ??= {
        offset: base + at,
        frames: 0,
        seqs: { first: header.seq, last: header.seq },
        firstChange: firstChangeText(payloadOf(bytes, at, header)),
      }
      behind = { ...behind, frames: behind.frames + 1, seqs: { ...behind.seqs, last: header.seq } }
    }
  }
  return behind
}

/** Those that follow something that may be a frame, as long as they are whole. */
function* framesAfter(
  bytes: Uint8Array,
  from: number,
): Generator<{ readonly at: number; readonly header: FrameHeader }> {
  let before = readFrameHeader(bytes, from)
  for (let at = from; before !== undefined;) {
    at += FRAME_HEADER_BYTES + before.payloadBytes
    const header = readFrameHeader(bytes, at)
    if (header?.fileId !== before.fileId || header.seq !== before.seq + 1) return
    if (at + FRAME_HEADER_BYTES + header.payloadBytes > bytes.length) return
    if (!isFrameIntact(bytes, at, header, before.crc)) return
    yield { at, header }
    before = header
  }
}

function payloadOf(bytes: Uint8Array, at: number, { payloadBytes }: FrameHeader): Uint8Array {
  return bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payloadBytes)
}
