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
import { closeQuietly, type Fs, type OpenFile } from './files.ts'
import { comparePositions, FRAME_HEADER_BYTES, type Position } from './frame.ts'
import { FrameReader } from './frame-reader.ts'
import { readSegmentHeader, SEGMENT_HEADER_BYTES, segmentName } from './journal-file.ts'
import type { Manifest, SegmentEntry } from './manifest.ts'

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

  /** Where the whole groups end, as far as it has come. */
  get end(): JournalEnd {
    return this.#end
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

function openListed(fs: Fs, path: string): OpenFile {
  try {
    return fs.open(path, 'read')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new EngineError('CORRUPT', `${path} is missing; the manifest names it`, { cause: error })
  }
}
