/**
 * One segment's file by itself, damaged or not: how far it is whole, and what is behind the first hole.
 *
 *   │ header │ frame │ frame │ ✗ frame │ frame │ frame │ 0 0 0
 *            └── frames ─────┤         └─ behind ──────┤
 *                           end                       used
 *
 * A frame is checked with the CRC of the one before it, and that one's header is enough for it: so the frames behind a
 * damaged one can be told from chance. They are counted, and named, and of no other use: what they changed is not there.
 */
import { lastChangeTexts, firstChangeText } from './change-text.ts'
import { endOfUse } from './fill-ahead.ts'
import { closeQuietly, readBytes, type Fs, type OpenFile } from './files.ts'
import { FRAME_HEADER_BYTES, isFrameIntact, readFrameHeader } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { readSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from './journal-file.ts'
import type { ClosedEnd } from './manifest.ts'

export interface SegmentLook {
  readonly header: SegmentHeader
  readonly bytes: number
  /** How many are whole, from the first on. */
  readonly frames: number
  /** Their sequence numbers; undefined: there is none. */
  readonly seqs: SeqRange | undefined
  /** Behind the last of them. */
  readonly end: ClosedEnd
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

export interface LookLimits {
  /** Where the segment ends, whatever else is in the file. */
  readonly offset?: number
  /** The frame of this number, and those behind it, are of no interest. */
  readonly seq?: number
}

/** Reads a segment's file; throws `CORRUPT` or `NEWER_FORMAT` when its header is of no use. */
export function lookAtSegment(fs: Fs, path: string, limits: LookLimits = {}): SegmentLook {
  const file = fs.open(path, 'read')
  try {
    const header = readSegmentHeader(file, path)
    const bytes = file.size()
    const size = Math.min(bytes, limits.offset ?? bytes)
    const reader = new FrameReader(file, path, { fileId: header.fileId, chain: header.crc, size })
    const whole = readWhole(reader, limits.seq ?? Infinity)
    const end = { offset: reader.at, crc: reader.chain }
    const used = Math.max(end.offset, limits.offset === undefined ? endOfUse(file, end.offset) : size)
    const rest = used > end.offset ? readBytes(file, end.offset, used - end.offset) : new Uint8Array(0)
    const { frames, seqs, group } = whole
    return {
      header,
      bytes,
      frames,
      seqs,
      end,
      used,
      lastChanges: lastChangeTexts(payloadsOf(readBytes(file, group.from, group.to - group.from))),
      damagedChange: damagedChange(rest, header.fileId, (seqs?.last ?? 0) + 1),
      behind: framesBehind(rest, header.fileId, end.offset),
    }
  } finally {
    closeQuietly(file)
  }
}

/** The number of a segment's first frame, when it is whole. */
export function firstSeqOf(file: OpenFile, path: string, header: SegmentHeader): number | undefined {
  const reader = new FrameReader(file, path, { fileId: header.fileId, chain: header.crc, size: file.size() })
  const seq = reader.numberAhead()
  return seq === undefined ? undefined : reader.next(seq)?.seq
}

interface WholeFrames {
  readonly frames: number
  readonly seqs: SeqRange | undefined
  /** The last whole group. */
  readonly group: { readonly from: number; readonly to: number }
}

function readWhole(reader: FrameReader, seqEnd: number): WholeFrames {
  const first = reader.numberAhead()
  let group = { from: SEGMENT_HEADER_BYTES, to: SEGMENT_HEADER_BYTES }
  if (first === undefined) return { frames: 0, seqs: undefined, group }
  let seq = first
  let from = reader.at
  for (; seq < seqEnd; seq++) {
    const frame = reader.next(seq)
    if (frame === undefined) break
    if (frame.hasMore) continue
    group = { from, to: reader.at }
    from = reader.at
  }
  const frames = seq - first
  return { frames, seqs: frames === 0 ? undefined : { first, last: seq - 1 }, group }
}

/** Of frames that are whole, and stand one behind the other. */
function payloadsOf(bytes: Uint8Array): Uint8Array[] {
  const payloads: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const from = at + FRAME_HEADER_BYTES
    at = from + readFrameHeader(bytes, at)!.payloadBytes
    payloads.push(bytes.subarray(from, at))
  }
  return payloads
}

function damagedChange(rest: Uint8Array, fileId: number, seq: number): string | undefined {
  const header = readFrameHeader(rest, 0)
  if (header === undefined || header.fileId !== fileId || header.seq !== seq) return undefined
  return firstChangeText(rest.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.payloadBytes))
}

/** Searches for what looks like a header of this file; whole is what its CRC vouches for. */
function framesBehind(rest: Uint8Array, fileId: number, base: number): FramesBehind | undefined {
  const bytes = Buffer.from(rest.buffer, rest.byteOffset, rest.length)
  const mark = Buffer.alloc(4)
  mark.writeUInt32LE(fileId)
  let behind: FramesBehind | undefined
  for (let found = bytes.indexOf(mark, 8); found >= 0; ) {
    let header = readFrameHeader(bytes, found - 8)
    let at = found - 8
    for (;;) {
      const next = header === undefined ? undefined : at + FRAME_HEADER_BYTES + header.payloadBytes
      if (next === undefined) break
      const follower = readFrameHeader(bytes, next)
      const isNext = follower?.fileId === fileId && follower.seq === header!.seq + 1
      if (!isNext || next + FRAME_HEADER_BYTES + follower.payloadBytes > bytes.length) break
      if (!isFrameIntact(bytes, next, follower, header!.crc)) break
      const payload = bytes.subarray(next + FRAME_HEADER_BYTES, next + FRAME_HEADER_BYTES + follower.payloadBytes)
      behind = {
        offset: behind?.offset ?? base + next,
        frames: (behind?.frames ?? 0) + 1,
        seqs: { first: behind?.seqs.first ?? follower.seq, last: follower.seq },
        firstChange: behind === undefined ? firstChangeText(payload) : behind.firstChange,
      }
      header = follower
      at = next
    }
    found = bytes.indexOf(mark, Math.max(found, at + 8) + 1)
  }
  return behind
}
