/**
 * Replies of one connection that may not leave yet, in their order, each with the group of changes that it may tell of.
 *
 *   ┌─ group 7 ─┬─ group 7 ─┬─ group 8 ─┐
 *   │ +OK\r\n   │ :3\r\n    │ …         │
 *   └───────────┴───────────┴───────────┘
 *     take(7) ─────────────┘  one piece, since each one that is sent alone is a call into the system
 */

/** What is joined to be sent at once. */
const JOINED_BYTES_MAX = 65_536

interface Piece {
  readonly group: number
  readonly bytes: Buffer
  readonly sinceMs: number
}

export class HeldReplies {
  readonly #pieces: Piece[] = []
  /** Of all that is held. */
  bytes = 0

  get count(): number {
    return this.#pieces.length
  }

  /** Since when the oldest is held. */
  get sinceMs(): number {
    return this.#pieces[0]?.sinceMs ?? Infinity
  }

  /** The bytes are held on: they are to be nobody else's. */
  add(group: number, bytes: Buffer, nowMs: number): void {
    this.#pieces.push({ group, bytes, sinceMs: nowMs })
    this.bytes += bytes.length
  }

  /** The next bytes of which all tell of no group beyond this one; undefined: there are none. */
  take(group: number): Buffer | undefined {
    let count = 0
    let length = 0
    for (const piece of this.#pieces) {
      if (piece.group > group || (count > 0 && length + piece.bytes.length > JOINED_BYTES_MAX)) break
      count++
      length += piece.bytes.length
    }
    if (count === 0) return undefined
    const taken = this.#pieces.splice(0, count)
    this.bytes -= length
    return count === 1 ? taken[0]!.bytes : Buffer.concat(taken.map(({ bytes }) => bytes))
  }

  clear(): void {
    this.#pieces.length = 0
    this.bytes = 0
  }
}
