/** The order of entry IDs, and their time. */

import type { EntryId } from './backend.ts'

/** Below 0: `a` is older; 0: the same; above 0: `b` is older. Not by numbers: both halves have 64 bits. */
export function compareIds(a: EntryId, b: EntryId): number {
  const [aDash, bDash] = [a.indexOf('-'), b.indexOf('-')]
  return (
    compareDecimals(a.slice(0, aDash), b.slice(0, bDash)) || compareDecimals(a.slice(aDash + 1), b.slice(bDash + 1))
  )
}

/** Milliseconds since 1970; rounded above 2^53. */
export function timeOfId(id: EntryId): number {
  return Number(id.slice(0, id.indexOf('-')))
}

function compareDecimals(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}
