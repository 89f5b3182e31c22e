/**
 * A stream in an RDB file. Three layouts are known; what the newer ones add is marked.
 *
 *   type 15   Redis 5.0      type 19   7.0: *      type 21   7.2: * and **
 *
 *   nodes     count, and for each: first ID (16 bytes), listpack                    node-reader.ts
 *   counters  length, last ID,   * first ID, highest deleted ID, entries added
 *   groups    count, and for each:
 *               name, last ID,   * entries read
 *               pending    count, and for each: ID (16 bytes), time, how often
 *               consumers  count, and for each: name, seen,   ** active,   count, and for each: ID (16 bytes)
 *
 * Nothing is believed: entries and pending ones ascend, are as many as is said, and what is pending for a consumer is
 * pending for the group, and for no other one.
 */
import { deliveriesFromBigint } from '../delivery-count.ts'
import type { Consumer, Group } from '../group.ts'
import { compareIds, formatId, type StreamId } from '../id.ts'
import { IdList } from '../id-list.ts'
import { placeOf } from '../lag.ts'
import { compareNumberIds, IdCell, nameOf } from '../number-id.ts'
import type { Stream } from '../stream.ts'
import { NodeReader } from './node-reader.ts'
import type { RdbSource } from './rdb-source.ts'
import { readCount, readId, readLength, readName, readRawId, readTimeMs, readU64 } from './rdb-values.ts'

/** Which of the layouts a type of value has; undefined: it is no stream, or one of a newer Redis. */
export function streamLayoutOf(type: number): StreamLayout | undefined {
  return type === 15 ? 1 : type === 19 ? 2 : type === 21 ? 3 : undefined
}

export type StreamLayout = 1 | 2 | 3

// A node: two strings, of which the shorter takes a byte for its length. A pending entry: ID, time and how often.
const NODE_BYTES_MIN = 18
const PENDING_BYTES_MIN = 16 + 8 + 1
const OWNED_BYTES = 16
// Work of a row, in bytes: a pending one is put into its place as well.
const PENDING_WORK = 128
const I64_MAX = 2n ** 63n - 1n
const U64_MAX = 2n ** 64n - 1n
const NEVER = -1

/** Reads a stream into one that is empty. Pauses from time to time; `source` knows where it is. */
export function* readStream(source: RdbSource, layout: StreamLayout, stream: Stream): Generator<undefined, void> {
  const nodes = readCount(source, NODE_BYTES_MIN, 'nodes')
  const reader = new NodeReader(source, stream)
  for (let i = 0; i < nodes; i++) {
    reader.read()
    if (source.isPauseDue()) yield
  }
  readCounters(source, layout, stream)
  const groups = readCount(source, 1, 'groups')
  for (let i = 0; i < groups; i++) yield* readGroup(source, layout, stream)
}

function readCounters(source: RdbSource, layout: StreamLayout, stream: Stream): void {
  const length = readLength(source)
  if (length !== stream.length) source.corrupt(`a stream of ${stream.length} entries tells of ${length}`)
  const lastId = readId(source)
  if (compareIds(lastId, stream.lastId) < 0) {
    source.corrupt(`the last ID ${formatId(lastId)} is below that of the last entry, ${formatId(stream.lastId)}`)
  }
  stream.setLastId(lastId)
  stream.entriesAdded = length
  if (layout === 1) return
  // The first entry's ID, which the entries tell as well.
  readId(source)
  stream.maxDeletedId = readId(source)
  const added = readU64(source)
  if (added < BigInt(length)) source.corrupt(`${length} entries or more were added, not ${added}`)
  stream.entriesAdded = Number(added)
}

function* readGroup(source: RdbSource, layout: StreamLayout, stream: Stream): Generator<undefined, void> {
  const name = readName(source)
  if (stream.group(name) !== undefined) source.corrupt(`the group '${name}' comes twice`)
  const lastId = readId(source)
  stream.createGroup(name, lastId, readEntriesRead(source, layout, { stream, lastId }))
  const group = stream.group(name)!
  const pending = new PendingReader(source, group)
  yield* pending.read()
  const consumers = readCount(source, 1, 'consumers')
  for (let i = 0; i < consumers; i++) {
    const consumer = readConsumer(source, layout, group)
    yield* pending.readOwned(consumer)
  }
  yield* pending.finish()
}

function readEntriesRead(
  source: RdbSource,
  layout: StreamLayout,
  { stream, lastId }: { readonly stream: Stream; readonly lastId: StreamId },
): number | undefined {
  // As Redis: of a group that never counted its place is reckoned.
  if (layout === 1) return placeOf(stream, IdCell.of(lastId))
  const read = readU64(source)
  if (read === U64_MAX) return undefined
  // As Redis since 8.2.2: more than were ever added cannot have been read.
  return Math.min(Number(read), stream.entriesAdded)
}

function readConsumer(source: RdbSource, layout: StreamLayout, group: Group): Consumer {
  const name = readName(source)
  if (group.consumer(name) !== undefined) source.corrupt(`the consumer '${name}' comes twice`)
  const consumer = group.createConsumer(name, readTimeMs(source, 'at which a consumer was seen'))
  // As Redis 7.2, which does not know it either.
  consumer.activeMs = consumer.seenMs
  if (layout < 3) return consumer
  const activeMs = readTimeMs(source, 'at which a consumer was active')
  consumer.activeMs = activeMs === NEVER ? undefined : activeMs
  return consumer
}

/** The pending entries of a group: first all of them, then for each consumer which are its own. */
class PendingReader {
  readonly #source: RdbSource
  readonly #group: Group
  #ids = new IdList()
  #times = new Float64Array(0)
  #counts = new Float64Array(0)
  /** The owner's number, 0 while it is not known. */
  #owners = new Uint32Array(0)
  readonly #id = new IdCell()
  readonly #before = new IdCell()

  constructor(source: RdbSource, group: Group) {
    this.#source = source
    this.#group = group
  }

  *read(): Generator<undefined, void> {
    const source = this.#source
    const count = readCount(source, PENDING_BYTES_MIN, 'pending entries')
    this.#ids = new IdList(count)
    this.#times = new Float64Array(count)
    this.#counts = new Float64Array(count)
    this.#owners = new Uint32Array(count)
    for (let i = 0; i < count; i++) {
      this.#readId(i)
      this.#ids.add(this.#id)
      this.#times[i] = readTimeMs(source, 'of a delivery')
      const deliveries = readU64(source)
      // Redis counts on behind 2^63 - 1, which it tells as a negative number; here counting ends there.
      this.#counts[i] = deliveriesFromBigint(deliveries < I64_MAX ? deliveries : I64_MAX)
      source.work += PENDING_WORK
      if (source.isPauseDue()) yield
    }
  }

  *readOwned(consumer: Consumer): Generator<undefined, void> {
    const source = this.#source
    const count = readCount(source, OWNED_BYTES, 'pending entries')
    for (let i = 0, row = 0; i < count; i++) {
      this.#readId(i)
      row = this.#find(row)
      if (this.#owners[row] !== 0) {
        source.corrupt(`the entry ${nameOf(this.#id)} is pending for '${consumer.name}' and another consumer`)
      }
      this.#owners[row++] = consumer.number
      source.work += PENDING_WORK
      if (source.isPauseDue()) yield
    }
  }

  /** Adds all of them to the group. */
  *finish(): Generator<undefined, void> {
    const source = this.#source
    const id = this.#id
    for (let i = 0; i < this.#ids.count; i++) {
      this.#ids.read(i, id)
      const owner = this.#owners[i]!
      if (owner === 0) source.corrupt(`the entry ${nameOf(id)} is pending for the group and for none of its consumers`)
      this.#group.restorePending(id, { owner, timeMs: this.#times[i]!, count: this.#counts[i]! })
      source.work += PENDING_WORK
      if (source.isPauseDue()) yield
    }
  }

  #readId(index: number): void {
    const source = this.#source
    this.#before.copy(this.#id)
    readRawId(source.take(OWNED_BYTES), 0, this.#id)
    if (index > 0 && compareNumberIds(this.#id, this.#before) <= 0) {
      source.corrupt(`the pending entry ${nameOf(this.#id)} comes after ${nameOf(this.#before)}`)
    }
  }

  /** The place of the ID from a place on: mostly that one. */
  #find(from: number): number {
    const ids = this.#ids
    let [low, high] = [from, ids.count]
    if (low < high && this.#compare(low) === 0) return low
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#compare(middle) < 0) low = middle + 1
      else high = middle
    }
    if (low < ids.count && this.#compare(low) === 0) return low
    return this.#source.corrupt(`the entry ${nameOf(this.#id)} is pending for a consumer, not for the group`)
  }

  #compare(place: number): number {
    this.#ids.read(place, this.#before)
    return compareNumberIds(this.#before, this.#id)
  }
}
