/**
 * Replies of very many entries, told in steps between which other clients have their turns, and the stream may change.
 *
 *   segments   [ 1-0 … ✗ … 9-4 ][ 9-5 … 17-0 ][ 17-2 …  ]
 *   runs         └────┘ └─────┘  └──────────┘  └──────┘        of rows that were there when the reply began
 *
 * Runs hold what there is to tell: rows of a segment never move and their bytes are never overwritten; what is deleted later
 * only gets a mark that is not looked at here, and what is trimmed or compacted away leaves its segment as it was to who
 * still holds it.
 */
import { EntryView, type Database, type FoundEntries, type NumberId } from '@millrace/engine'
import type { ReplyWriter } from '@millrace/protocol'
import type { Client } from '../client.ts'
import type { ReplySource } from '../reply-source.ts'
import { encodeEntry, encodeId } from './stream-encoder.ts'
import { writeDeliveries } from './stream-replies.ts'

type Stream = NonNullable<ReturnType<Database['find']>>
type Segment = Stream['segments'][number]

/** Replies with more entries are told in steps: up to here they take a tenth of a millisecond. */
export const LONG_REPLY_MIN = 1000

interface Run {
  readonly segment: Segment
  readonly from: number
  readonly end: number
}

/** Entries that are told one after the other. */
interface Told {
  readonly count: number
  /** Tells the next one; false when there is none. */
  tell(reply: ReplyWriter): boolean
}

/** The entries of a range as they are now; a walk through them. */
export class FrozenRange implements Told {
  readonly #runs: readonly Run[]
  readonly #isBackward: boolean
  readonly #view = new EntryView()
  #count: number
  #left: number
  #run = 0
  /** How many rows of the run have been passed. */
  #passed = 0

  /** At most so many entries from an ID to another, both included; backward: the last ones, the newest first. */
  constructor(stream: Stream, range: { from: NumberId; to: NumberId; isBackward: boolean }, countMax: number) {
    const { runs, count } = runsOf(stream, range.from, range.to)
    this.#isBackward = range.isBackward
    this.#runs = range.isBackward ? runs.toReversed() : runs
    this.#count = Math.min(count, countMax)
    this.#left = this.#count
  }

  get count(): number {
    return this.#count
  }

  /** Ends before the first entry that is not wanted. Nothing has been told yet. */
  keepWhile(isWanted: (entry: EntryView) => boolean): void {
    let kept = 0
    while (this.next(this.#view) && isWanted(this.#view)) kept++
    this.#count = kept
    this.#left = kept
    this.#run = 0
    this.#passed = 0
  }

  tell(reply: ReplyWriter): boolean {
    if (!this.next(this.#view)) return false
    encodeEntry(reply, this.#view)
    return true
  }

  /** Moves a view to the next entry; false when there is none. */
  next(view: EntryView): boolean {
    if (this.#left === 0) return false
    let { segment, from, end } = this.#runs[this.#run]!
    if (this.#passed === end - from) {
      this.#passed = 0
      ;({ segment, from, end } = this.#runs[++this.#run]!)
    }
    segment.look(this.#isBackward ? end - 1 - this.#passed : from + this.#passed, view)
    this.#passed++
    this.#left--
    return true
  }
}

/** Entries that were found one by one, as those of a consumer's history: columns of places in segments, which stay. */
export class FrozenList implements Told {
  readonly #found: FoundEntries
  readonly #view = new EntryView()
  #told = 0

  constructor(found: FoundEntries) {
    this.#found = found
  }

  get count(): number {
    return this.#found.length
  }

  tell(reply: ReplyWriter): boolean {
    if (this.#told === this.#found.length) return false
    tellFound(reply, this.#found, this.#told++, this.#view)
    return true
  }
}

/**
 * An entry that was found: without fields when the stream no longer has it; with CLAIM also how long and how often it was
 * pending.
 */
export function tellFound(reply: ReplyWriter, found: FoundEntries, index: number, view: EntryView): void {
  const begun = reply.length
  if (found.isLost(index)) {
    reply.array(2)
    found.ids.read(index, view.id)
    encodeId(reply, view.id)
    reply.nullArray()
  } else {
    found.look(index, view)
    encodeEntry(reply, view)
  }
  if (!found.isTimed) return
  // An array of two has become one of four.
  reply.bytes[begun + 1] = FOUR
  reply.integer(found.idleAt(index))
  writeDeliveries(reply, found.countAt(index))
}

const FOUR = 0x34

function runsOf(stream: Stream, from: NumberId, to: NumberId): { runs: Run[]; count: number } {
  const runs: Run[] = []
  let count = 0
  const { segments } = stream
  for (let index = stream.segmentFor(from); index < segments.length; index++) {
    const segment = segments[index]!
    let end = segment.lowerBound(to)
    if (end < segment.count && segment.ids.compare(end, to) === 0) end++
    for (let row = segment.lowerBound(from); row < end;) {
      const stop = segment.runEnd(row, end - row)
      if (stop > row) runs.push({ segment, from: row, end: stop })
      count += stop - row
      // Where a run ends before its limit, there is a tombstone.
      row = stop + 1
    }
    if (end < segment.count) break
  }
  return { runs, count }
}

/** A stream's part of a reply: what stands before its entries, and these. */
export interface LongPart {
  /** Undefined: XRANGE, which tells no key. */
  readonly key: string | undefined
  readonly range: Told
}

/** Tells the parts one after the other; what stands before all of them has been written. */
export class LongReply implements ReplySource {
  readonly #parts: readonly LongPart[]
  #begun = 0

  constructor(parts: readonly LongPart[]) {
    this.#parts = parts
  }

  next(reply: ReplyWriter, budgetBytes: number): boolean {
    const enough = reply.length + budgetBytes
    for (;;) {
      const part = this.#parts[this.#begun - 1]
      while (part?.range.tell(reply) === true) if (reply.length >= enough) return false
      if (this.#begun === this.#parts.length) return true
      this.#begin(reply, this.#parts[this.#begun++]!)
    }
  }

  #begin(reply: ReplyWriter, part: LongPart): void {
    if (part.key !== undefined) {
      if (reply.protocol === 2) reply.array(2)
      reply.bulkText(part.key)
    }
    reply.array(part.range.count)
  }
}

/** A reply that is written piece by piece: a generator that writes one and yields, and what it tells stays as it is. */
export class PiecewiseReply implements ReplySource {
  readonly #pieces: Iterator<void>

  constructor(pieces: Iterator<void>) {
    this.#pieces = pieces
  }

  next(reply: ReplyWriter, budgetBytes: number): boolean {
    const enough = reply.length + budgetBytes
    while (this.#pieces.next().done !== true) if (reply.length >= enough) return false
    return true
  }
}

/** Tells pieces to a client: of many entries in steps, of few at once. */
export function tellPieces(client: Client, entries: number, pieces: Iterator<void>): void {
  const source = new PiecewiseReply(pieces)
  if (entries > LONG_REPLY_MIN) client.stream(source)
  else source.next(client.reply, Infinity)
}
