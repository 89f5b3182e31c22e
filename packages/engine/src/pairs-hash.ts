/**
 * A fingerprint of an entry's fields whose order does not matter: what XADD IDMPAUTO knows a repeated entry by.
 *
 *   pair   length of name (u32 LE) | name | value   ──► four lanes of 32 bits, each a MurmurHash3-like walk
 *   entry  lane by lane the sum over its pairs, and their number   ──► mixed ──► 16 bytes
 *
 * A sum, unlike an exclusive or, tells two equal pairs from none. Not cryptographic: equal fingerprints don't happen by
 * accident (128 bits), but somebody can construct them.
 */

const LANES = 4
// Odd multipliers and rotations, different for each lane so that the lanes are independent of each other.
const MULTIPLIERS = [0xcc9e2d51, 0x1b873593, 0x239b961b, 0xab0e9789] as const
const ROTATIONS = [15, 13, 16, 17] as const
const OFFSETS = [0xe6546b64, 0x561ccd1b, 0x0bcaa747, 0x96cd1c35] as const

/** The fingerprint as a string of 16 bytes. `fields` are name, value, name, value, … */
export function hashPairs(fields: readonly Uint8Array[]): string {
  const sums = new Uint32Array(LANES)
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    const value = fields[i + 1]!
    for (let lane = 0; lane < LANES; lane++) sums[lane]! += hashPair(name, value, lane)
  }
  for (let lane = 0; lane < LANES; lane++) sums[lane] = finish(sums[lane]! ^ fields.length ^ OFFSETS[lane]!)
  return Buffer.from(sums.buffer).toString('latin1')
}

function hashPair(name: Uint8Array, value: Uint8Array, lane: number): number {
  let state = step(OFFSETS[lane]!, name.length, lane)
  state = walk(state, name, lane)
  state = walk(state, value, lane)
  return finish(state ^ (name.length + value.length))
}

function walk(from: number, bytes: Uint8Array, lane: number): number {
  let state = from
  let i = 0
  for (; i + 4 <= bytes.length; i += 4) {
    state = step(state, bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24), lane)
  }
  let rest = 0
  for (let shift = 0; i < bytes.length; i++, shift += 8) rest |= bytes[i]! << shift
  return step(state, rest, lane)
}

function step(state: number, word: number, lane: number): number {
  const mixed = Math.imul(
    rotate(Math.imul(word, MULTIPLIERS[lane]!), ROTATIONS[lane]!),
    MULTIPLIERS[(lane + 1) % LANES]!,
  )
  return (Math.imul(rotate(state ^ mixed, 13), 5) + OFFSETS[lane]!) | 0
}

function finish(state: number): number {
  let mixed = state
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
