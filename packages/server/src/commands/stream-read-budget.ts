/**
 * What one reply may tell over all its streams, MAXCOUNT and MAXSIZE, of entries as they lie in their segments:
 *
 *   stream a   │ key │ entry │ entry │ entry │
 *   stream b   │ key │ entry │ entry ┊ entry │        ┊ the size is reached: this entry and all that follow are not told
 *
 * As the engine's ReadBudget for entries that it makes objects of: `replySize` is what that measures with. The size is looked
 * at before each entry, so that there is always one.
 */
import type { EntryView, MeasuredEntry, ReplySize } from '@millrace/engine'
import type { FrozenRange } from './stream-long-replies.ts'
import type { ReadArguments } from './stream-read-arguments.ts'

export class ReplyBudget {
  readonly #count: number
  readonly #bytesMax: number
  #countLeft: number
  #bytes = 0

  constructor({ count, countTotal = Infinity, bytesMax = Infinity }: ReadArguments) {
    this.#count = count
    this.#countLeft = countTotal
    this.#bytesMax = bytesMax
  }

  /** There is room for nothing more: further streams are not looked at. */
  get isSpent(): boolean {
    return this.#countLeft <= 0 || this.#bytes >= this.#bytesMax
  }

  /** At most so many entries of the next stream. */
  get countMax(): number {
    return Math.min(this.#count, this.#countLeft)
  }

  /** Takes what of a range, of at most `countMax` entries, there is room for. */
  take(key: string, range: FrozenRange): void {
    if (this.#bytesMax !== Infinity) {
      let before = keyBytes(key)
      range.keepWhile((entry) => {
        if (this.#bytes >= this.#bytesMax) return false
        this.#bytes += before + entryBytes(entry)
        before = 0
        return true
      })
    }
    this.#countLeft -= range.count
  }
}

/** For the engine's budget. */
export function replySize(bytesMax: number): ReplySize {
  return { bytesMax, measure: (what) => (typeof what === 'string' ? keyBytes(what) : measuredBytes(what)) }
}

function keyBytes(key: string): number {
  return bulkBytes(key.length) + 8
}

function entryBytes({ id, names, valueStarts, valueEnds }: EntryView): number {
  const idBytes = id.wide === undefined ? digits(id.ms) + 1 + digits(id.seq) : `${id.wide.ms}-${id.wide.seq}`.length
  let bytes = 4 + bulkBytes(idBytes) + 3 + digits(names.count * 2)
  for (let i = 0; i < names.count; i++) {
    bytes += bulkBytes(names.names[i]!.length) + bulkBytes(valueEnds[i]! - valueStarts[i]!)
  }
  return bytes
}

function measuredBytes({ id, fields, idleMs, deliveriesBefore = 0 }: MeasuredEntry): number {
  let bytes = 4 + bulkBytes(`${id.ms}-${id.seq}`.length)
  if (idleMs !== undefined) bytes += 6 + String(idleMs).length + String(deliveriesBefore).length
  if (fields === undefined) return bytes + 5
  bytes += 3 + digits(fields.length)
  for (let i = 0; i < fields.length; i++) bytes += bulkBytes(fields[i]!.length)
  return bytes
}

function bulkBytes(length: number): number {
  return length + digits(length) + 5
}

function digits(value: number): number {
  let count = 1
  for (let limit = 10; limit <= value; limit *= 10) count++
  return count
}
