/**
 * Reads a journal from its first frame to its end, whole groups only, and tells a torn tail from damage.
 *
 *   segment 7 (closed)                segment 8 (open)                  segment 9 (open)
 *   │ frame │ frame │ frame │ end     │ frame │ frame │ ✗ … frame …     │ frame …
 *     every byte has to be there                      ▲
 *                                                  the break: is there a frame behind it, in this file or a later one, or a
 *                                                  slot of `durable`, whose watermark lies beyond? Then it had been durable,
 *                                                  and something has damaged it. Else the write was cut short: the tail is torn.
 *
 * Nothing is written here.
 */
import { EngineError } from '../errors.ts'
import { endOfUse } from './fill-ahead.ts'
import { closeQuietly, readBytes, type Fs, type OpenFile } from './files.ts'
import {
  comparePositions,
  FRAME_HEADER_BYTES,
  isFrameIntact,
  readFrameHeader,
  type FrameHeader,
  type Position,
} from './frame.ts'
import { readSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from './journal-file.ts'
import type { Manifest, SegmentEntry } from './manifest.ts'

const WINDOW_BYTES = 1 << 20
/** How much is read between two yields. */
const SLICE_BYTES = 1 << 18

/** Where the whole groups end. */
export interface JournalEnd {
  readonly position: Position
  /** CRC of the last frame, or of the header. */
  readonly crc: number
  /** Sequence number of the last frame. */
  readonly seq: number
}

export interface TornTail {
  readonly path: string
  readonly offset: number
  /** What the file has behind it. */
  readonly bytes: number
}

export interface ScannedJournal {
  readonly end: JournalEnd
  readonly torn: readonly TornTail[]
  /** Where each listed segment ends now. */
  readonly ends: ReadonlyMap<number, { readonly offset: number; readonly crc: number }>
}

/** One frame's payload: valid until the next one is asked for. */
export type ApplyGroup = (payloads: readonly Uint8Array[], where: string) => void

export interface ScanRequest {
  readonly fs: Fs
  readonly directory: string
  readonly manifest: Manifest
  readonly durable: Position | undefined
  readonly apply: ApplyGroup
}

export class JournalScan {
  readonly #request: ScanRequest
  readonly #ends = new Map<number, { offset: number; crc: number }>()
  readonly #torn: TornTail[] = []
  #seq: number
  #end: JournalEnd
  #pending: Uint8Array[] = []
  /** Behind the last whole frame: of what a later one vouches for beyond it, something is missing. */
  #last: Position = { segment: 0, offset: 0 }
  bytesRead = 0

  constructor(request: ScanRequest) {
    this.#request = request
    this.#seq = request.manifest.seqBefore
    this.#end = { position: { segment: 0, offset: 0 }, crc: 0, seq: this.#seq }
  }

  /** Yields now and then, so that something else can be done between. */
  *run(): Generator<void, ScannedJournal> {
    const { segments } = this.#request.manifest
    for (let index = 0; index < segments.length; index++) {
      const entry = segments[index]!
      // Behind one that may go on, a segment without frames tells nothing.
      if (segments[index - 1]?.end !== undefined || index === 0) {
        this.#last = { segment: entry.number, offset: SEGMENT_HEADER_BYTES }
      }
      const broken = yield* this.#readSegment(entry, segments.slice(index + 1))
      if (!broken) continue
      this.#dropFrom(index)
      break
    }
    return { end: this.#end, torn: this.#torn, ends: this.#ends }
  }

  #path(number: number): string {
    return `${this.#request.directory}/${segmentName(number)}`
  }

  /** Returns whether the journal breaks off in this segment. */
  *#readSegment(entry: SegmentEntry, later: readonly SegmentEntry[]): Generator<void, boolean> {
    const path = this.#path(entry.number)
    const file = openListed(this.#request.fs, path)
    try {
      const header = readSegmentHeader(file, path)
      if (header.number !== entry.number || header.fileId !== entry.fileId) {
        throw new EngineError(
          'CORRUPT',
          `${path}: segment ${header.number} with id ${header.fileId}; the manifest names ${entry.number} with id ${entry.fileId}`,
        )
      }
      const size = file.size()
      const reader = new FrameReader(file, path, {
        fileId: entry.fileId,
        chain: header.crc,
        size: entry.end?.offset ?? size,
      })
      this.#mark(entry.number, reader)
      if (entry.end !== undefined) {
        yield* this.#readClosed(reader, entry, size)
        return false
      }
      return yield* this.#readOpen(reader, entry, later)
    } finally {
      closeQuietly(file)
    }
  }

  *#readClosed(reader: FrameReader, entry: SegmentEntry, size: number): Generator<void, void> {
    const end = entry.end!
    if (size < end.offset) {
      throw this.#corrupt(reader.path, size, `the segment ends at ${end.offset}, the file at ${size}`)
    }
    yield* this.#readFrames(reader, entry.number)
    if (reader.at !== end.offset || reader.chain !== end.crc) {
      throw this.#corrupt(reader.path, reader.at, `whole frames were expected up to ${end.offset}`)
    }
    this.#ends.set(entry.number, end)
  }

  *#readOpen(reader: FrameReader, entry: SegmentEntry, later: readonly SegmentEntry[]): Generator<void, boolean> {
    yield* this.#readFrames(reader, entry.number)
    // Between two open segments the sequence numbers tell whether all is there; behind the last frame there may be zeros.
    if (later.length > 0 && reader.endOfUse() === reader.at) return false
    this.#refuseIfDurable(reader, entry.number, later)
    return true
  }

  *#readFrames(reader: FrameReader, number: number): Generator<void, void> {
    let slice = 0
    for (let frame = reader.next(this.#seq + 1); frame !== undefined; frame = reader.next(this.#seq + 1)) {
      this.#seq = frame.seq
      this.#last = { segment: number, offset: reader.at }
      this.bytesRead += FRAME_HEADER_BYTES + frame.payloadBytes
      slice += FRAME_HEADER_BYTES + frame.payloadBytes
      if (frame.hasMore) this.#pending.push(reader.payload.slice())
      else {
        const payloads = this.#pending.length === 0 ? [reader.payload] : [...this.#pending, reader.payload]
        this.#request.apply(payloads, `${reader.path}, offset ${reader.at - FRAME_HEADER_BYTES - frame.payloadBytes}`)
        this.#pending = []
        this.#mark(number, reader)
      }
      if (slice < SLICE_BYTES) continue
      slice = 0
      yield
    }
  }

  #mark(segment: number, reader: FrameReader): void {
    if (this.#pending.length > 0) return
    this.#end = { position: { segment, offset: reader.at }, crc: reader.chain, seq: this.#seq }
    this.#ends.set(segment, { offset: reader.at, crc: reader.chain })
  }

  /** The journal breaks off in the segment at an index: what is behind, of groups that are not whole too, is torn. */
  #dropFrom(index: number): void {
    const { fs, manifest } = this.#request
    const { position } = this.#end
    const from = manifest.segments.findIndex(({ number }) => number === position.segment)
    for (const { number } of manifest.segments.slice(Math.min(from, index))) {
      const path = this.#path(number)
      const file = openListed(fs, path)
      try {
        const header = readSegmentHeader(file, path)
        const last = number === position.segment ? this.#end : undefined
        const offset = last?.position.offset ?? SEGMENT_HEADER_BYTES
        this.#ends.set(number, { offset, crc: last?.crc ?? header.crc })
        const end = endOfUse(file, offset)
        if (end > offset) this.#torn.push({ path, offset, bytes: end - offset })
      } finally {
        closeQuietly(file)
      }
    }
  }

  #refuseIfDurable(reader: FrameReader, segment: number, later: readonly SegmentEntry[]): void {
    const { durable, manifest, fs } = this.#request
    const place = this.#last
    const { path, at: offset } = reader
    if (durable !== undefined && comparePositions(durable, place) > 0) {
      const { segment: named, offset: upTo } = durable
      throw this.#corrupt(path, offset, `the journal had been durable up to offset ${upTo} of segment ${named}`)
    }
    const first = manifest.segments[0]!.number
    const evidence = { place, seq: this.#seq, first }
    if (reader.hasEvidence(reader.at, { ...evidence, segment })) {
      throw this.#corrupt(path, offset, 'a later frame tells that it had been durable')
    }
    for (const entry of later) {
      const laterPath = this.#path(entry.number)
      const file = openListed(fs, laterPath)
      try {
        const laterReader = new FrameReader(file, laterPath, { fileId: entry.fileId, chain: 0, size: file.size() })
        if (
          entry.end !== undefined ||
          laterReader.hasEvidence(SEGMENT_HEADER_BYTES, { ...evidence, segment: entry.number })
        ) {
          throw this.#corrupt(path, offset, `segment ${entry.number} tells that it had been durable`)
        }
      } finally {
        closeQuietly(file)
      }
    }
  }

  #corrupt(path: string, offset: number, why: string): EngineError {
    return new EngineError(
      'CORRUPT',
      `${path}: damaged at offset ${offset}, behind frame ${this.#seq}: ${why}. Nothing was changed; 'millrace check' tells more`,
    )
  }
}

interface Evidence {
  readonly place: Position
  readonly seq: number
  readonly first: number
  /** In which one is searched. */
  readonly segment: number
}

class FrameReader {
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

function openListed(fs: Fs, path: string): OpenFile {
  try {
    return fs.open(path, 'read')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new EngineError('CORRUPT', `${path} is missing; the manifest names it`, { cause: error })
  }
}
