/** The order of entry IDs as texts. */

import type { EntryId } from '../backend.ts'

/** Is `a` before `b`? */
export function isBelow(a: EntryId, b: EntryId): boolean {
  const [aMs, aSeq] = parts(a)
  const [bMs, bSeq] = parts(b)
  return aMs === bMs ? aSeq < bSeq : aMs < bMs
}

function parts(id: EntryId): [bigint, bigint] {
  const dash = id.indexOf('-')
  return [BigInt(id.slice(0, dash)), BigInt(id.slice(dash + 1))]
}
