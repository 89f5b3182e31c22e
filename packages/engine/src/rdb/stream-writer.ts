/**
 * Writes a stream as redis-server 7.0 does: type 19, whose layout is drawn in stream-reader.ts.
 *
 * What is pending for nobody (XNACK) is not known there: an entry that no consumer owns ends that server. It is given to a
 * consumer of a name that no other one has, seen and delivered long ago, so that anybody's XAUTOCLAIM gets it.
 */
import { deliveriesToBigint } from '../delivery-count.ts'
import { EntryCursor } from '../entry-cursor.ts'
import { NOBODY, type Consumer, type Group } from '../group.ts'
import { ID_MAX, ID_ZERO } from '../id.ts'
import { IdCell } from '../number-id.ts'
import type { PendingBlock } from '../pending-block.ts'
import type { Stream } from '../stream.ts'
import type { NodeDifference } from './extras.ts'
import { NodeWriter } from './node-writer.ts'
import type { RdbOutput } from './rdb-output.ts'

export const STREAM_TYPE = 19

const NODE_ID_BYTES = 16
const U64_MAX = 2n ** 64n - 1n
// Of a row of another owner, and of a block that has none of the owner's.
const ROW_WORK = 1
const BLOCK_WORK = 4
const ENTRY_WORK = 4

/**
 * Writes a stream that does not change meanwhile, with pauses; returns the nodes of which a reader doesn't find all that
 * is known.
 */
export function* writeStream(output: RdbOutput, stream: Stream): Generator<number, NodeDifference[]> {
  const differences = yield* writeNodes(output, stream)
  output.length(stream.length)
  output.id(stream.lastId)
  output.id(stream.firstId)
  output.id(stream.maxDeletedId)
  output.count(stream.entriesAdded)
  const groups = stream.groups()
  output.length(groups.length)
  for (const group of groups) yield* writeGroup(output, group)
  return differences
}

/** The consumer to which a group's entries are given that are pending for nobody; undefined: there are none. */
export function nobodysName(group: Group): string | undefined {
  if (group.nackedCount === 0) return undefined
  let name = 'nobody'
  while (group.consumer(name) !== undefined) name += '_'
  return name
}

function* writeNodes(output: RdbOutput, stream: Stream): Generator<number, NodeDifference[]> {
  const differences: NodeDifference[] = []
  const writer = new NodeWriter()
  const cursor = new EntryCursor()
  const first = new IdCell()
  let index = 0
  cursor.forward(stream, IdCell.of(ID_ZERO), IdCell.of(ID_MAX), Infinity)
  output.length(stream.nodes.count)
  for (const node of stream.nodes.pictures()) {
    const listpack = writer.write(node, cursor)
    if (!writer.isExact) differences.push({ index, node })
    first.setId(node.firstId)
    output.length(NODE_ID_BYTES)
    output.rawId(first)
    output.length(listpack.length)
    yield* output.putAll(listpack)
    output.work += node.live * ENTRY_WORK
    if (output.isPauseDue()) yield output.offset
    index++
  }
  cursor.close()
  return differences
}

function* writeGroup(output: RdbOutput, group: Group): Generator<number, void> {
  output.text(group.name)
  output.id(group.lastId)
  const { entriesRead } = group
  // As Redis: -1 in 64 bits.
  if (entriesRead === undefined) output.longLength(U64_MAX)
  else output.count(entriesRead)
  yield* writePending(output, group)
  const nobody = nobodysName(group)
  const consumers = group.consumers()
  output.length(consumers.length + (nobody === undefined ? 0 : 1))
  for (const consumer of consumers) yield* writeConsumer(output, group, consumer)
  if (nobody !== undefined) {
    yield* writeConsumer(output, group, { name: nobody, number: NOBODY, seenMs: 0, pending: group.nackedCount })
  }
}

function* writePending(output: RdbOutput, group: Group): Generator<number, void> {
  const id = new IdCell()
  output.length(group.pending.size)
  for (const block of blocksOf(group)) {
    for (let row = 0; row < block.size; row++) {
      const count = block.countAt(row)
      block.readId(row, id)
      output.rawId(id)
      output.timeMs(block.ownerAt(row) === NOBODY ? 0 : block.timeAt(row))
      if (Number.isSafeInteger(count)) output.length(count)
      else output.longLength(deliveriesToBigint(count))
    }
    output.work += block.size * ROW_WORK
    if (output.isPauseDue()) yield output.offset
  }
}

function* writeConsumer(
  output: RdbOutput,
  group: Group,
  { name, number, seenMs, pending }: Pick<Consumer, 'name' | 'number' | 'seenMs' | 'pending'>,
): Generator<number, void> {
  output.text(name)
  output.timeMs(seenMs)
  output.length(pending)
  let left = pending
  for (const block of blocksOf(group)) {
    if (left === 0) break
    const owned = block.owners.get(number) ?? 0
    left -= owned
    output.work += owned === 0 ? BLOCK_WORK : block.size * ROW_WORK
    if (owned > 0) writeOwned(output, block, number)
    if (output.isPauseDue()) yield output.offset
  }
}

function writeOwned(output: RdbOutput, block: PendingBlock, owner: number): void {
  const id = new IdCell()
  for (let row = 0; row < block.size; row++) {
    if (block.ownerAt(row) !== owner) continue
    block.readId(row, id)
    output.rawId(id)
  }
}

function blocksOf(group: Group): readonly PendingBlock[] {
  return group.pending.blocksFrom(IdCell.of(ID_ZERO)).blocks
}
