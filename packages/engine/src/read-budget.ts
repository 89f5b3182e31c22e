/**
 * What one read may return over all its streams: MAXCOUNT and MAXSIZE.
 *
 *   stream a    3 entries, 210 bytes ┐
 *   stream b    1 entry,    95 bytes ┤  305 of 300 bytes: enough, stream c is not looked at
 *   stream c                         ┘
 *
 * The size is looked at before each entry, so the last one may exceed it; the first entry of all is always returned.
 */
import { EngineError } from './errors.ts'
import type { StreamId } from './id.ts'

export interface MeasuredEntry {
  readonly id: StreamId
  /** Undefined: the stream no longer has the entry. */
  readonly fields: readonly Uint8Array[] | undefined
  /** With CLAIM: told beside the entry. */
  readonly idleMs?: number
  readonly deliveriesBefore?: number
}

export interface ReadLimits {
  /** At most so many of each stream; `Infinity` is no limit. */
  readonly count: number
  /** MAXCOUNT: at most so many over all streams, not below `count`. */
  readonly countTotal?: number
  /** MAXSIZE: no further entry once the reply has so many bytes. */
  readonly size?: ReplySize
}

export interface ReplySize {
  readonly bytesMax: number
  /** What a key (once, before its first entry) or an entry adds to the reply. */
  readonly measure: (what: string | MeasuredEntry) => number
}

export class ReadBudget {
  readonly #limits: ReadLimits
  #key = ''
  #bytes = 0
  #taken = 0
  #takenOfKey = 0

  constructor(limits: ReadLimits) {
    checkCount(limits.count)
    if (limits.countTotal !== undefined) checkWhole('A count over all streams', limits.countTotal)
    if (limits.size !== undefined) checkWhole('A size', limits.size.bytesMax)
    this.#limits = limits
  }

  /** How many entries more of this stream at most. */
  get countLeft(): number {
    const { count, countTotal = Infinity } = this.#limits
    return Math.min(count - this.#takenOfKey, countTotal - this.#taken)
  }

  /** Whether entries are measured, so that more may be asked for than are taken. */
  get isMeasured(): boolean {
    return this.#limits.size !== undefined
  }

  /** Begins with a stream; false when there is room for nothing more. */
  begin(key: string): boolean {
    this.#key = key
    this.#takenOfKey = 0
    return this.countLeft > 0 && !this.#isFull()
  }

  /** Takes an entry, or says that the read ends before it. */
  take(entry: MeasuredEntry): boolean {
    if (this.countLeft <= 0) return false
    const { size } = this.#limits
    if (size !== undefined) {
      if (this.#isFull()) return false
      if (this.#takenOfKey === 0) this.#bytes += size.measure(this.#key)
      this.#bytes += size.measure(entry)
    }
    this.#taken++
    this.#takenOfKey++
    return true
  }

  /** As `take`, where entries are not measured: of so many as many as there is room for. */
  takeUnmeasured(count: number): number {
    const taken = Math.min(count, this.countLeft)
    this.#taken += taken
    this.#takenOfKey += taken
    return taken
  }

  #isFull(): boolean {
    const { size } = this.#limits
    return size !== undefined && this.#bytes >= size.bytesMax
  }
}

/** `Infinity` is no limit. */
export function checkCount(count: number): void {
  checkWhole('A count', count)
}

function checkWhole(what: string, count: number): void {
  if (count === Infinity || (Number.isSafeInteger(count) && count > 0)) return
  throw new EngineError('BAD_ARGUMENT', `${what} is a whole number above 0, not ${count}`)
}
