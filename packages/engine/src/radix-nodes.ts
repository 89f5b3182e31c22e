/**
 * How many nodes Redis's radix tree of a stream has (XINFO STREAM, `radix-tree-nodes`). We have no radix tree; but its
 * shape depends on its keys alone: the first IDs of the logical nodes, 16 bytes each, big-endian.
 *
 *   keys   …01 04 00     root ── run "…01" ── branch ─04─ run "00" ── leaf
 *          …01 05 00                              └──05─ run "00" ── leaf          2 runs + 1 branch + 2 leaves + 1 run = 6
 *
 * A leaf for each key, a branch for each place where keys part (it eats one byte), and a run for all the bytes between
 * two of those, if any. A tree without keys is its root.
 */
import { IdCell, toStreamId, type NumberId } from './number-id.ts'

const KEY_BYTES = 16

/** `ids` come in order, and none twice; each holds until the next. */
export function radixNodeCount(ids: Iterable<NumberId>): number {
  let count = 0
  let isFirst = true
  const before = new IdCell()
  // Where the branches above the last key are: how many bytes come before each.
  const branches: number[] = []
  /** Ends what is below a depth, and counts the runs that lead to it. */
  const closeBelow = (depth: number): void => {
    while (branches.length > 0 && branches.at(-1)! > depth) {
      const branch = branches.pop()!
      const parent = Math.max(branches.at(-1) ?? -1, depth)
      if (branch > parent + 1) count++
    }
  }
  const leaf = (parent: number): void => {
    count += parent < KEY_BYTES - 1 ? 2 : 1
  }
  for (const id of ids) {
    if (!isFirst) {
      const shared = sharedBytes(before, id)
      leaf(Math.max(branches.at(-1) ?? -1, shared))
      closeBelow(shared)
      if (branches.at(-1) !== shared) {
        branches.push(shared)
        count++
      }
    }
    isFirst = false
    before.copy(id)
  }
  if (isFirst) return 1
  leaf(branches.at(-1) ?? -1)
  closeBelow(-1)
  return count
}

// Of ten million entries there are 100,000 nodes and more, and bigints took 30 ms for them: numbers take 5 (Node 20).
function sharedBytes(a: NumberId, b: NumberId): number {
  if (a.wide !== undefined || b.wide !== undefined) return sharedWide(a, b)
  return a.ms === b.ms ? 8 + sharedOf(a.seq, b.seq) : sharedOf(a.ms, b.ms)
}

/** Of two numbers below 2^53 as eight bytes each. */
function sharedOf(a: number, b: number): number {
  const high = Math.trunc(a / 2 ** 32) ^ Math.trunc(b / 2 ** 32)
  return high === 0 ? 4 + (Math.clz32(a ^ b) >>> 3) : Math.clz32(high) >>> 3
}

function sharedWide(a: NumberId, b: NumberId): number {
  const [one, other] = [toStreamId(a), toStreamId(b)]
  const inMs = leadingZeroBytes(one.ms ^ other.ms)
  return inMs < 8 ? inMs : 8 + leadingZeroBytes(one.seq ^ other.seq)
}

function leadingZeroBytes(value: bigint): number {
  let bytes = 8
  for (let rest = value; rest > 0n; rest >>= 8n) bytes--
  return bytes
}
