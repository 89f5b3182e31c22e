/**
 * A handle on one stream of values of one type. It holds no connection: make as many as you like.
 *
 *   value ──schema──codec──envelope──► fields ──► Backend ──► fields ──envelope──codec──schema──► { id, value, headers, … }
 */

import { setImmediate as turn } from 'node:timers/promises'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { checkInteger, checkName } from './arguments.ts'
import type { AddManyOptions, Backend, Entry, EntryId, FieldValue, RangeOptions, Trim } from './backend.ts'
import { type Codec, json } from './codec.ts'
import { DeadLetters } from './dead-letters.ts'
import { Delayed } from './delayed.ts'
import { compareIds } from './entry-id-order.ts'
import { closeEnvelope, openEnvelope } from './envelope.ts'
import { StreamError } from './errors.ts'
import { follow, type FollowOptions } from './follow.ts'
import { Group } from './group.ts'
import { Lanes } from './order/lanes.ts'
import { OrderedIntake } from './order/ordered-intake.ts'
import { PARTITIONS_MAX } from './order/partition.ts'
import { Partitions } from './order/partitions.ts'
import { type AddEntryOptions, Producer, type ProducerOptions } from './producer.ts'
import { checkRetention, type Retention } from './retention.ts'
import { checkValue, checkValueNow } from './schema.ts'
import type { Site } from './site.ts'
import type { Strategy } from './worker/worker.ts'

export interface StreamOptions<T, I = T> extends ProducerOptions {
  /** How values become fields. Default `json()`: one field named `json`. */
  readonly codec?: Codec<I>
  /** What a value must be, by any Standard Schema library. Checked when adding and when reading: `INVALID_ENTRY`. */
  readonly schema?: StandardSchemaV1<I, T>
  /** What the stream keeps. Default `acked`, in processes that work on it; with this option also where a handle is. */
  readonly retention?: Retention
  /** The entries of one key are handled in order, whichever workers a group has, their retries included. */
  readonly orderingKey?: (value: I) => string
  /**
   * Spreads the stream over so many, `name:{0}` and on, each in a slot of its own of a Cluster, and each run by one worker of a group
   * at a time: so many workers can share an ordered stream. From 1 to 1,024, the same for as long as the stream lives; without it
   * the stream is one. Its entries are handled in order by their ordering keys.
   */
  readonly partitions?: number
}

export interface StreamEntry<T> {
  readonly id: EntryId
  readonly value: T
  readonly headers: Readonly<Record<string, string>>
  /** The message's own name, if its sender gave it one. */
  readonly key: string | undefined
  readonly orderingKey: string | undefined
}

/** How many appends of `addMany` are one step, or on their way at once. */
const BATCH_ENTRIES = 256

/** `T` is what is read, `I` what is added: they differ where a schema transforms. */
export class Stream<T, I = T> implements AsyncIterable<StreamEntry<T>> {
  readonly name: string
  readonly #site: Site
  readonly #backend: Backend
  readonly #codec: Codec<I>
  readonly #options: StreamOptions<T, I>
  readonly #producer: Producer
  readonly #partitions: Partitions<T, I> | undefined
  #delayed: Delayed<T> | undefined

  /** Use `Millrace.stream`. */
  constructor(site: Site, name: string, options: StreamOptions<T, I> = {}) {
    checkName('stream', name)
    this.name = name
    this.#site = site
    this.#backend = site.backend
    this.#codec = options.codec ?? json<I>()
    this.#options = options
    this.#producer = new Producer(site, name, options)
    const { partitions } = options
    if (partitions !== undefined) {
      checkInteger('partitions', partitions, 1, PARTITIONS_MAX)
      const { partitions: _whole, orderingKey = () => undefined, ...rest } = options
      const open = (part: string): Stream<T, I> =>
        new Stream<T, I>(site, part, { ...rest, orderingKey: orderingKey as (value: I) => string })
      this.#partitions = new Partitions<T, I>(site, name, partitions, open)
      return
    }
    if (options.retention === undefined) return
    checkRetention(options.retention)
    if (options.retention === 'none') site.caretakers?.describe(name, 'none')
    else site.caretakers?.keep(name, options.retention)
  }

  /**
   * Appends a value; resolves its ID. Nothing is added with `INVALID_ENTRY`, `ENTRY_TOO_LARGE`, `OVERLOADED`. With `delayMs`
   * or `at` it resolves the ID by which `delayed.cancel` knows it.
   */
  async add(value: I, options?: AddEntryOptions): Promise<EntryId> {
    const { schema, orderingKey } = this.#options
    if (this.#partitions !== undefined) {
      const part = await this.#partitions.of(options?.orderingKey ?? orderingKey?.(value))
      return await part.add(value, options)
    }
    if (schema !== undefined) await checkValue(schema, value, `'${this.name}'`)
    const own = this.#codec.encode(value)
    if (options === undefined && orderingKey === undefined)
      return await this.#producer.add(closeEnvelope(own, {}), options)
    const fields = this.#close(own, value, options)
    if (options?.delayMs === undefined && options?.at === undefined) return await this.#producer.add(fields, options)
    this.#site.caretakers?.keep(this.name)
    return await this.delayed.add(fields, options)
  }

  /**
   * Appends values in their order, in batches of 256; resolves their IDs. A value that is refused is refused with
   * all of its batch. Embedded each batch is appended as one step, and the event loop turns between them; on a server,
   * when one fails, the others of its batch may have been appended all the same. Later batches are not begun.
   */
  async addMany(values: Iterable<I>, options: AddManyOptions = {}): Promise<EntryId[]> {
    const { schema, orderingKey } = this.#options
    if (this.#partitions !== undefined) return await this.#partitions.addMany(values, orderingKey, options)
    const ids: EntryId[] = []
    let batch: (readonly FieldValue[])[] = []
    const flush = async (): Promise<void> => {
      const added = await this.#producer.addMany(batch, options)
      for (const id of added) ids.push(id)
      batch = []
    }
    for (const value of values) {
      if (batch.length === BATCH_ENTRIES) {
        await flush()
        await turn()
      }
      if (schema !== undefined) await checkValue(schema, value, `'${this.name}'`)
      batch.push(this.#close(this.#codec.encode(value), value, undefined))
    }
    await flush()
    return ids
  }

  /** Entries that are to be added later. `BAD_ARGUMENT` with partitions: each has its own. */
  get delayed(): Delayed<T> {
    if (this.#partitions !== undefined) {
      const text = `'${this.name}' has partitions, and each its own delayed entries: use partitionOf(orderingKey).delayed`
      throw new StreamError('BAD_ARGUMENT', text)
    }
    const makeProducer = (stream: string): Producer => new Producer(this.#site, stream, this.#options)
    this.#delayed ??= new Delayed(this.#site, this.name, makeProducer, (own, id) => this.#value(own, id))
    return this.#delayed
  }

  /** What workers gave up. With partitions, of all of them. */
  get deadLetters(): DeadLetters<T> {
    return new DeadLetters(this.#site, this.streams, (own, id) => this.#value(own, id))
  }

  /** Where its entries are: itself, or its partitions. */
  get streams(): readonly string[] {
    return this.#partitions?.names ?? [this.name]
  }

  /** Its partitions as streams of their own, in their order; undefined without `partitions`. */
  get partitions(): readonly Stream<T, I>[] | undefined {
    return this.#partitions?.all
  }

  /** Of all partitions, in the order of IDs. */
  async range(options: RangeOptions = {}): Promise<StreamEntry<T>[]> {
    if (this.#partitions !== undefined) {
      const { count = Infinity, reverse = false } = options
      const found = await Promise.all(this.#partitions.all.map(async (part) => await part.range(options)))
      const sign = reverse ? -1 : 1
      return found
        .flat()
        .toSorted((a, b) => sign * compareIds(a.id, b.id))
        .slice(0, count)
    }
    return (await this.#backend.range(this.name, options)).map((entry) => this.decode(entry))
  }

  /**
   * All entries after a position and then what is added, for as long as the loop runs. A lost connection is
   * waited out and nothing is missed or repeated; a closed backend rejects with `CLOSED`. A stream that went back (its server
   * lost entries) is followed from where it is now, and `data-loss` is told.
   */
  async *read(options: FollowOptions = {}): AsyncGenerator<StreamEntry<T>, void, undefined> {
    for await (const entry of follow(this.#site, this.streams, options)) yield this.decode(entry)
  }

  /** From the beginning, then live: `for await (const entry of stream)`. */
  [Symbol.asyncIterator](): AsyncIterator<StreamEntry<T>, void, undefined> {
    return this.read()
  }

  /** Resolves how many entries went. */
  async trim(trim: Trim): Promise<number> {
    let gone = 0
    for (const stream of this.streams) gone += await this.#backend.trim(stream, trim)
    return gone
  }

  async length(): Promise<number> {
    const found = await Promise.all(this.streams.map(async (stream) => await this.#backend.inspect(stream)))
    return found.reduce((sum, info) => sum + (info?.length ?? 0), 0)
  }

  /** The partition of an ordering key, or the stream itself. */
  partitionOf(orderingKey: string): Stream<T, I> {
    return this.#partitions?.at(orderingKey) ?? this
  }

  /** How a worker takes its entries in; undefined: as they come. */
  strategy(_group: string): Strategy | undefined {
    const { orderingKey } = this.#options
    if (orderingKey === undefined && this.#partitions === undefined) return undefined
    const lanes = new Lanes()
    const { caretakers } = this.#site
    const stream = { name: this.name, partitions: this.streams, lanes, caretakers }
    const ready = async (): Promise<void> => await this.#partitions?.check()
    return { queue: lanes, retryWait: 'worker', intake: (site) => new OrderedIntake(site, { ...stream, ready }) }
  }

  /** A consumer group on this stream; nothing is created before something reads. */
  group(name: string): Group<T> {
    return new Group<T>(this.#site, this, name)
  }

  /** An entry's value; throws `BAD_ARGUMENT` when it is not what the codec expects, `INVALID_ENTRY` for the schema. */
  decode(entry: Entry): StreamEntry<T> {
    const { own, envelope } = openEnvelope(entry.fields)
    const { headers, key, orderingKey } = envelope
    return { id: entry.id, value: this.#value(own, entry.id), headers, key, orderingKey }
  }

  #value(own: readonly Uint8Array[], id: EntryId): T {
    let value: I
    try {
      value = this.#codec.decode(own)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StreamError('BAD_ARGUMENT', `Entry ${id} of '${this.name}': ${reason}`, { cause })
    }
    const { schema } = this.#options
    // Without a schema the two types are one: see Millrace.stream.
    if (schema === undefined) return value as unknown as T
    return checkValueNow<T>(schema, value, `Entry ${id} of '${this.name}'`)
  }

  #close(own: readonly FieldValue[], value: I, options: AddEntryOptions | undefined): readonly FieldValue[] {
    const { headers, key } = options ?? {}
    if (options?.orderingKey !== undefined && this.#options.orderingKey === undefined) {
      const text = `Expected '${this.name}' to have an orderingKey or partitions, got an entry with an orderingKey: its workers keep no order`
      throw new StreamError('BAD_ARGUMENT', text)
    }
    const orderingKey = options?.orderingKey ?? this.#options.orderingKey?.(value)
    return closeEnvelope(own, {
      ...(headers === undefined ? {} : { headers }),
      ...(key === undefined ? {} : { key }),
      ...(orderingKey === undefined ? {} : { orderingKey }),
    })
  }
}
