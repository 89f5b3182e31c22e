/**
 * A consumer group of a stream: how far it has read, its consumers, and what they have not acknowledged.
 *
 *   entries   1-0  1-1  2-0  2-1  3-0  3-1  4-0 …
 *                                  ▲
 *   group 'g'   lastId 3-0, entriesRead 5
 *     consumers   'a' number 0, 2 pending      'b' number 1, 1 pending
 *     pending     1-1 → 0    2-1 → 1    3-0 → 0
 *
 * A consumer's number is what the pending rows hold; a deleted consumer's number is given to the next new one. Number 0
 * is nobody's: the entries that were given back (XNACK). They stand in a zone of their own, first given back first, and
 * are claimable at once:
 *
 *     nacked      2-0 ── 1-0
 */
import assert from 'node:assert'
import { DeliveryOrder } from './delivery-order.ts'
import type { CountedIds } from './found-entries.ts'
import { ID_ZERO, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { Meter } from './meter.ts'
import { IdCell, nameOf, toStreamId, type NumberId } from './number-id.ts'
import { PendingSeeker } from './pending-seeker.ts'
import type { PendingRecord } from './pending-columns.ts'
import { PendingList, type PendingRow } from './pending.ts'
import type { SegmentRun } from './segment-run.ts'

/** The owner of what is pending for nobody. */
export const NOBODY = 0

const GROUP_BYTES = 700
const CONSUMER_BYTES = 220
const NACKED_BYTES = 200
// Most of an order is stale from here on: it is then made anew.
const STALE_MIN = 1024

export class Consumer {
  readonly name: string
  readonly number: number
  /** When it last tried to read or claim. */
  seenMs: number
  /** When it last got something; undefined: never. */
  activeMs: number | undefined = undefined
  /** How many pending entries it owns. */
  pending = 0

  constructor(name: string, number: number, seenMs: number) {
    this.name = name
    this.number = number
    this.seenMs = seenMs
  }
}

export class Group {
  readonly name: string
  /** `lastId` in numbers. */
  readonly last: IdCell
  /** How many entries of the stream's whole history lie up to `lastId`; undefined: cannot be told. */
  entriesRead: number | undefined
  readonly pending: PendingList
  readonly #consumers = new Map<string, Consumer>()
  #nacked = new Map<string, StreamId>()
  /** A picture has `#nacked` as well. */
  #isNackedShared = false
  #order: DeliveryOrder | undefined = undefined
  readonly #byNumber: (Consumer | undefined)[] = [undefined]
  readonly #freeNumbers: number[] = []
  readonly #meter: Meter

  constructor(name: string, lastId: StreamId, entriesRead: number | undefined, meter: Meter) {
    this.name = name
    this.last = IdCell.of(lastId)
    this.entriesRead = entriesRead
    this.pending = new PendingList(meter)
    this.#meter = meter
    meter.add(GROUP_BYTES + name.length)
  }

  /** The last ID that it has delivered, or was set to. */
  get lastId(): StreamId {
    return toStreamId(this.last)
  }

  set lastId(id: StreamId) {
    this.last.setId(id)
  }

  get consumerCount(): number {
    return this.#consumers.size
  }

  consumer(name: string): Consumer | undefined {
    return this.#consumers.get(name)
  }

  /** How many pending entries are nobody's. */
  get nackedCount(): number {
    return this.#nacked.size
  }

  /** The pending entries that are nobody's, in the order in which they were given back. */
  nacked(): IterableIterator<StreamId> {
    return this.#nacked.values()
  }

  /** The pending entries that somebody owns, by their delivery time, stale places included. Made when first asked for. */
  deliveryOrder(): DeliveryOrder {
    if (this.#order === undefined) {
      this.#order = new DeliveryOrder(this.#meter)
      this.#fillOrder(this.#order)
    }
    return this.#order
  }

  /** Entries may be there again that the order has given up: it is made anew when it is next needed. */
  dropOrder(): void {
    this.#order?.release()
    this.#order = undefined
  }

  capEntriesRead(entriesMax: number): void {
    if (this.entriesRead !== undefined && this.entriesRead > entriesMax) this.entriesRead = entriesMax
  }

  /** The name of a row's owner; undefined: nobody owns it. */
  ownerName(row: PendingRow): string | undefined {
    return row.owner === NOBODY ? undefined : this.owner(row.owner).name
  }

  /** The consumer that a pending row names. */
  owner(number: number): Consumer {
    const consumer = this.#byNumber[number]
    assert(consumer !== undefined, 'a pending row names a consumer of its group')
    return consumer
  }

  /** In the order of their names' bytes, as Redis lists them. */
  consumers(): Consumer[] {
    return [...this.#consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  createConsumer(name: string, seenMs: number): Consumer {
    assert(!this.#consumers.has(name), 'a consumer is created once')
    const number = this.#freeNumbers.pop() ?? this.#byNumber.length
    const consumer = new Consumer(name, number, seenMs)
    this.#byNumber[number] = consumer
    this.#consumers.set(name, consumer)
    this.#meter.add(CONSUMER_BYTES + name.length)
    return consumer
  }

  /** Deletes a consumer together with the pending entries that it owns. */
  deleteConsumer(consumer: Consumer): void {
    this.acknowledgeAll(this.ownedIds(consumer))
    this.#consumers.delete(consumer.name)
    this.#byNumber[consumer.number] = undefined
    this.#freeNumbers.push(consumer.number)
    this.#meter.add(-(CONSUMER_BYTES + consumer.name.length))
  }

  /** All IDs that are pending for a consumer, in order. */
  ownedIds(consumer: Consumer): IdList {
    const ids = new IdList(consumer.pending)
    const id = new IdCell()
    this.pending.scanOwnedRows(consumer.number, ID_ZERO, (block, row) => {
      block.readId(row, id)
      ids.add(id)
      return true
    })
    return ids
  }

  /** Makes entries pending for a consumer, whoever owned them before. */
  ownAll({ ids, counts }: CountedIds, consumer: Consumer, timeMs: number): void {
    this.pending.ownAll({ ids, counts, owner: consumer.number, timeMs }, (id, before) => {
      if (before !== undefined) this.#leave(before, id)
      consumer.pending++
    })
    if (this.#order !== undefined) this.#reorder(this.#order, timeMs, ids)
  }

  /** Makes the rows `from` to `end - 1` of a segment pending for a consumer for the first time. Hot. */
  ownRun(run: SegmentRun, consumer: Consumer, timeMs: number): void {
    const { ids: rows, from, end } = run
    let row = from
    // Whoever reads with CLAIM pays for the order that it needs; everybody else takes all rows at once.
    if (this.#order === undefined) {
      row += this.pending.appendRun(run, { owner: consumer.number, timeMs, count: 1 })
      consumer.pending += row - from
    }
    if (row === end) return
    const ids = new IdList(end - row)
    const id = new IdCell()
    for (; row < end; row++) {
      rows.read(row, id)
      ids.add(id)
    }
    this.ownAll({ ids, counts: new Float64Array(ids.count).fill(1) }, consumer, timeMs)
  }

  /** Adds a pending entry, which is not there yet, as it is in a file: its owner is a consumer's number. */
  restorePending(id: NumberId, record: PendingRecord): void {
    this.pending.setRecord(id, record)
    this.owner(record.owner).pending++
  }

  /** Makes an entry pending for nobody, at the end of the zone. */
  nack(id: StreamId, count: number): void {
    const cell = IdCell.of(id)
    const seeker = new PendingSeeker(this.pending)
    // The time is nowhere shown; keeping it keeps the row small.
    const timeMs = seeker.seek(cell) ? seeker.timeMs : 0
    const before = this.pending.setRecord(cell, { owner: NOBODY, timeMs, count })
    if (before !== undefined) this.#leave(before, cell)
    this.#ownNacked().set(nameOf(cell), id)
    this.#meter.add(NACKED_BYTES)
  }

  /** Ends an entry being pending. */
  acknowledge(id: StreamId): void {
    const owner = this.pending.delete(id)
    assert(owner !== undefined, 'only what is pending is acknowledged')
    this.#leave(owner, IdCell.of(id))
  }

  /** Ends entries being pending; each of them is. Hot where the IDs ascend. */
  acknowledgeAll(ids: IdList): void {
    if (this.#nacked.size > 0 || !ids.isAscending()) {
      for (const id of ids.toIds()) this.acknowledge(id)
      return
    }
    this.pending.deleteAll(ids, (owner, rows) => {
      this.owner(owner).pending -= rows
    })
  }

  /** The same group once more, for a copy of its stream. Consumers keep their numbers, which the pending rows name. */
  copy(meter: Meter): Group {
    const copy = new Group(this.name, this.lastId, this.entriesRead, meter)
    this.#copyConsumers(copy)
    copy.#freeNumbers.push(...this.#freeNumbers)
    for (const [name, id] of this.#nacked) copy.#nacked.set(name, id)
    meter.add(this.#nacked.size * NACKED_BYTES)
    this.pending.scan(ID_ZERO, (row) => {
      copy.pending.set(row)
      return true
    })
    return copy
  }

  /** The group as it is now, to be read, whatever becomes of this one. */
  picture(): Group {
    const picture = new Group(this.name, this.lastId, this.entriesRead, new Meter())
    picture.pending.show(this.pending)
    this.#copyConsumers(picture)
    picture.#nacked = this.#nacked
    this.#isNackedShared = true
    return picture
  }

  /** Takes the group out of the memory account. */
  release(): void {
    this.pending.release()
    this.#order?.release()
    let bytes = GROUP_BYTES + this.name.length + this.#nacked.size * NACKED_BYTES
    for (const consumer of this.#consumers.values()) bytes += CONSUMER_BYTES + consumer.name.length
    this.#meter.add(-bytes)
  }

  #copyConsumers(to: Group): void {
    for (const { name, number, seenMs, activeMs, pending } of this.#consumers.values()) {
      const consumer = new Consumer(name, number, seenMs)
      consumer.activeMs = activeMs
      consumer.pending = pending
      to.#byNumber[number] = consumer
      to.#consumers.set(name, consumer)
      to.#meter.add(CONSUMER_BYTES + name.length)
    }
  }

  /** The zone, to be changed. */
  #ownNacked(): Map<string, StreamId> {
    if (this.#isNackedShared) {
      this.#nacked = new Map(this.#nacked)
      this.#isNackedShared = false
    }
    return this.#nacked
  }

  /** An entry is not its former owner's any more. */
  #leave(owner: number, id: NumberId): void {
    if (owner !== NOBODY) {
      this.owner(owner).pending--
      return
    }
    this.#ownNacked().delete(nameOf(id))
    this.#meter.add(-NACKED_BYTES)
  }

  #reorder(order: DeliveryOrder, timeMs: number, ids: IdList): void {
    const size = order.size + ids.count
    if (size >= STALE_MIN && size >= this.pending.size * 2) {
      order.clear()
      this.#fillOrder(order)
      return
    }
    const id = new IdCell()
    for (let i = 0; i < ids.count; i++) {
      ids.read(i, id)
      order.push(timeMs, id)
    }
  }

  #fillOrder(order: DeliveryOrder): void {
    const id = new IdCell()
    this.pending.scanRows(ID_ZERO, (block, row) => {
      if (block.ownerAt(row) === NOBODY) return true
      block.readId(row, id)
      order.push(block.timeAt(row), id)
      return true
    })
  }
}
