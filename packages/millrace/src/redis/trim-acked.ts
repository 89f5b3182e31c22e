/** A trim of what is finished, in pieces: each is one short script, so that no other client waits long. */

import type { Trim } from '../backend.ts'

export interface TrimPiece {
  readonly maxLen: number | undefined
  readonly minId: string | undefined
  readonly approximate: boolean
  readonly limit: number | undefined
}

/** A million entries; what is left then is there for the next call. */
const PIECES_MAX = 1000

/** Resolves how many entries went. */
export async function trimAcked(trim: Trim, take: (piece: TrimPiece) => Promise<unknown>): Promise<number> {
  const { maxLen, minId, limit, approximate = false } = trim
  let gone = 0
  for (let pieces = 0; pieces < PIECES_MAX; pieces++) {
    const [count, more] = (await take({ maxLen, minId, limit, approximate })) as [number, number]
    gone += Number(count)
    if (Number(more) === 0 || Number(count) === 0) return gone
  }
  return gone
}
