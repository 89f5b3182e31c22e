/**
 * The frames of one segment's file, in order, through a window.
 *
 *   │ header │ frame │ frame │ frame │ ✗
 *                            ▲       ▲
 *                            at      the next frame is not whole, or not the one that was asked for
 *
 * Each is checked with the CRC of the one before it (frame.ts).
 */
import { endOfUse } from './fill-ahead.ts'
import { readBytes, type OpenFile } from './files.ts'
import {
  comparePositions,
  FRAME_HEADER_BYTES,
  isFrameIntact,
  readFrameHeader,
  type FrameHeader,
  type Position,
} from './frame.ts'
import { SEGMENT_HEADER_BYTES } from './journal-file.ts'

const WINDOW_BYTES = 1 << 20

export interface Evidence {
  readonly place: Position
  readonly seq: number
  readonly first: number
  /** In which one is searched. */
  readonly segment: number
}

export class FrameReader {
  readonly path: string
  chain: number
  /** Where the next frame begins. */
  at = SEGMENT_HEADER_BYTES
  /** Of the frame that `next` came to. */
  payload: Uint8Array = new Uint8Array(0)
  readonly #file: OpenFile
  readonly #fileId: number
  readonly #size: number
  #window: Uint8Array = new Uint8Array(0)
  #windowAt = 0

  constructor(file: OpenFile, path: string, { fileId, chain, size }: { fileId: number; chain: number; size: number }) {
    this.#file = file
    this.path = path
    this.#fileId = fileId
    this.chain = chain
    this.#size = size
  }

  /** The frame at `at`, when it is whole and has this number. */
  next(seq: number): FrameHeader | undefined {
    this.#need(FRAME_HEADER_BYTES)
    const header = readFrameHeader(this.#window, this.at - this.#windowAt)
    if (header === undefined || header.fileId !== this.#fileId || header.seq !== seq) return undefined
    const bytes = FRAME_HEADER_BYTES + header.payloadBytes
    if (this.at + bytes > this.#size) return undefined
    this.#need(bytes)
    const from = this.at - this.#windowAt
    if (this.#window.length - from < bytes || !isFrameIntact(this.#window, from, header, this.chain)) return undefined
    this.payload = this.#window.subarray(from + FRAME_HEADER_BYTES, from + bytes)
    this.at += bytes
    this.chain = header.crc
    return header
  }

  /** The number in what stands at `at`, when that looks like a frame of this file. */
  numberAhead(): number | undefined {
    this.#need(FRAME_HEADER_BYTES)
    const header = readFrameHeader(this.#window, this.at - this.#windowAt)
    return header?.fileId === this.#fileId ? header.seq : undefined
  }

  /** Where the zeros begin that end the file, not before `at`. */
  endOfUse(): number {
    return endOfUse(this.#file, this.at)
  }

  /** Whether something from a place on looks like a frame of this file whose watermark lies beyond the break. */
  hasEvidence(from: number, evidence: Evidence): boolean {
    const mark = new Uint8Array(4)
    new DataView(mark.buffer).setUint32(0, this.#fileId, true)
    const overlap = FRAME_HEADER_BYTES - 1
    for (let at = from; at < this.#size; at += WINDOW_BYTES - overlap) {
      const bytes = Buffer.from(readBytes(this.#file, at, Math.min(WINDOW_BYTES, this.#size - at)))
      for (let found = bytes.indexOf(mark); found >= 0; found = bytes.indexOf(mark, found + 1)) {
        if (found >= 8 && isEvidence(readFrameHeader(bytes, found - 8), at + found - 8, evidence)) return true
      }
    }
    return false
  }

  /** Reads on until so many bytes from `at` are in the window, or the file ends. */
  #need(bytes: number): void {
    if (this.at + bytes <= this.#windowAt + this.#window.length) return
    const count = Math.min(Math.max(bytes, WINDOW_BYTES), this.#size - this.at)
    this.#window = readBytes(this.#file, this.at, Math.max(count, 0))
    this.#windowAt = this.at
  }
}

function isEvidence(
  header: FrameHeader | undefined,
  offset: number,
  { place, seq, first, segment }: Evidence,
): boolean {
  if (header === undefined || header.seq <= seq) return false
  const { durable } = header
  const isBefore = comparePositions(durable, { segment, offset }) <= 0 && durable.segment >= first
  return isBefore && comparePositions(durable, place) > 0
}
