/**
 * Entry IDs as the relay needs them: compared, checked, and read for their time.
 *
 *   1795391639213-0
 *   └ milliseconds └ sequence      both unsigned 64-bit decimals, without leading zeros
 *
 * As text they don't sort (`9-0` is below `10-0`), so each part is compared by length, then by digits.
 */
import type { EntryId } from 'millrace'

/** Before every entry. */
export const BEFORE_ALL = '0-0' as EntryId

const U64_MAX = '18446744073709551615'
const CANONICAL = /^(0|[1-9]\d{0,19})-(0|[1-9]\d{0,19})$/

export function isEntryId(text: unknown): text is EntryId {
  if (typeof text !== 'string') return false
  const parts = CANONICAL.exec(text)
  return parts !== null && compareDecimals(parts[1]!, U64_MAX) <= 0 && compareDecimals(parts[2]!, U64_MAX) <= 0
}

/** Below, at or above 0 as `a` is before, at or behind `b`. */
export function compareIds(a: EntryId, b: EntryId): number {
  if (a === b) return 0
  const [aMs, aSeq] = parts(a)
  const [bMs, bSeq] = parts(b)
  return compareDecimals(aMs, bMs) || compareDecimals(aSeq, bSeq)
}

/** The entry's time by the clock of whoever stores the stream. */
export function idMs(id: EntryId): number {
  return Number(parts(id)[0])
}

/** The lowest ID behind `id`. */
export function idBehind(id: EntryId): EntryId {
  const [ms, seq] = parts(id)
  return (seq === U64_MAX ? `${BigInt(ms) + 1n}-0` : `${ms}-${BigInt(seq) + 1n}`) as EntryId
}

function parts(id: EntryId): [ms: string, seq: string] {
  const dash = id.indexOf('-')
  return [id.slice(0, dash), id.slice(dash + 1)]
}

function compareDecimals(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  if (a === b) return 0
  return a < b ? -1 : 1
}
