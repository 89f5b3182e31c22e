/**
 * A consumer group of a stream: how far it has read, its consumers, and what they have not acknowledged.
 *
 *   entries   1-0  1-1  2-0  2-1  3-0  3-1  4-0 …
 *                                  ▲
 *   group 'g'   lastId 3-0, entriesRead 5
 *     consumers   'a' number 0, 2 pending      'b' number 1, 1 pending
 *     pending     1-1 → 0    2-1 → 1    3-0 → 0
 *
 * A consumer's number is what the pending rows hold; a deleted consumer's number is given to the next new one.
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import type { Meter } from './meter.ts'
import { PendingList } from './pending.ts'

const GROUP_BYTES = 700
const CONSUMER_BYTES = 220

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
  lastId: StreamId
  /** How many entries of the stream's whole history lie up to `lastId`; undefined: cannot be told. */
  entriesRead: number | undefined
  readonly pending: PendingList
  readonly #consumers = new Map<string, Consumer>()
  readonly #byNumber: (Consumer | undefined)[] = []
  readonly #freeNumbers: number[] = []
  readonly #meter: Meter

  constructor(name: string, lastId: StreamId, entriesRead: number | undefined, meter: Meter) {
    this.name = name
    this.lastId = lastId
    this.entriesRead = entriesRead
    this.pending = new PendingList(meter)
    this.#meter = meter
    meter.add(GROUP_BYTES + name.length)
  }

  get consumerCount(): number {
    return this.#consumers.size
  }

  consumer(name: string): Consumer | undefined {
    return this.#consumers.get(name)
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
    for (const id of this.ownedIds(consumer)) this.acknowledge(id)
    this.#consumers.delete(consumer.name)
    this.#byNumber[consumer.number] = undefined
    this.#freeNumbers.push(consumer.number)
    this.#meter.add(-(CONSUMER_BYTES + consumer.name.length))
  }

  /** All IDs that are pending for a consumer, in order. */
  ownedIds(consumer: Consumer): StreamId[] {
    const ids: StreamId[] = []
    this.pending.scanOwned(consumer.number, { ms: 0n, seq: 0n }, (row) => ids.push(row.id) > 0)
    return ids
  }

  /** Makes an entry pending for a consumer, whoever owned it before. */
  own(id: StreamId, consumer: Consumer, timeMs: number, count: number): void {
    const before = this.pending.set({ id, owner: consumer.number, timeMs, count })
    if (before === consumer.number) return
    if (before !== undefined) this.owner(before).pending--
    consumer.pending++
  }

  /** Ends an entry being pending. */
  acknowledge(id: StreamId): void {
    const owner = this.pending.delete(id)
    assert(owner !== undefined, 'only what is pending is acknowledged')
    this.owner(owner).pending--
  }

  /** Takes the group out of the memory account. */
  release(): void {
    this.pending.release()
    let bytes = GROUP_BYTES + this.name.length
    for (const consumer of this.#consumers.values()) bytes += CONSUMER_BYTES + consumer.name.length
    this.#meter.add(-bytes)
  }
}
