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
import { Group } from './group.ts'
import { backoffMs, pause } from './pause.ts'
import { type AddEntryOptions, Producer, type ProducerOptions } from './producer.ts'
import { checkRetention, type Retention } from './retention.ts'
import { checkValue, checkValueNow } from './schema.ts'
import type { Site } from './site.ts'

export interface StreamOptions<T, I = T> extends ProducerOptions {
  /** How values become fields. Default `json()`: one field named `json`. */
  readonly codec?: Codec<I>
  /** What a value must be, by any Standard Schema library. Checked when adding and when reading: `INVALID_ENTRY`. */
  readonly schema?: StandardSchemaV1<I, T>
  /** What the stream keeps. Default `acked`, in processes that work on it; with this option also where a handle is. */
  readonly retention?: Retention
  /** The entries of one key are handled in order. */
  readonly orderingKey?: (value: I) => string
}

export interface StreamEntry<T> {
  readonly id: EntryId
  readonly value: T
  readonly headers: Readonly<Record<string, string>>
  /** The message's own name, if its sender gave it one. */
  readonly key: string | undefined
  readonly orderingKey: string | undefined
}

export interface FollowOptions {
  /** Begin after this entry; `0-0` (default) is the beginning, `$` only what is added from now on. */
  readonly after?: EntryId | '$'
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal
  /** How long one read waits at the server before the next begins. Default 5,000. */
  readonly blockMs?: number
  /** At most so many entries in one read. Default 100. */
  readonly count?: number
}

/** How many appends of `addMany` are one step, or on their way at once. */
const BATCH_ENTRIES = 256
const BLOCK_MS = 5000

/** `T` is what is read, `I` what is added: they differ where a schema transforms. */
export class Stream<T, I = T> implements AsyncIterable<StreamEntry<T>> {
  readonly name: string
  readonly #site: Site
  readonly #backend: Backend
  readonly #codec: Codec<I>
  readonly #options: StreamOptions<T, I>
  readonly #producer: Producer
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
    const { schema } = this.#options
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

  /** Entries that are to be added later. */
  get delayed(): Delayed<T> {
    const makeProducer = (stream: string): Producer => new Producer(this.#site, stream, this.#options)
    this.#delayed ??= new Delayed(this.#site, this.name, makeProducer, (own, id) => this.#value(own, id))
    return this.#delayed
  }

  /** What workers gave up. */
  get deadLetters(): DeadLetters<T> {
    return new DeadLetters(this.#site, this.name, (own, id) => this.#value(own, id))
  }

  async range(options: RangeOptions = {}): Promise<StreamEntry<T>[]> {
    return (await this.#backend.range(this.name, options)).map((entry) => this.decode(entry))
  }

  /**
   * All entries after a position and then what is added, for as long as the loop runs. A lost connection is
   * waited out and nothing is missed or repeated; a closed backend rejects with `CLOSED`. A stream that went back (its server
   * lost entries) is followed from where it is now, and `data-loss` is told.
   */
  async *read(options: FollowOptions = {}): AsyncGenerator<StreamEntry<T>, void, undefined> {
    const { signal, count, blockMs = BLOCK_MS } = options
    checkInteger('blockMs', blockMs, 1)
    let after = options.after ?? ('0-0' as EntryId)
    const isOver = (): boolean => signal?.aborted === true
    let wasLost = false
    const forget = this.#site.losses?.onReturn(() => (wasLost = true))
    try {
      for (let failures = 0; !isOver();) {
        let found: readonly Entry[]
        try {
          // `$` must become an ID before the first wait: it would mean a later moment after a lost connection.
          if (after === '$') after = (await this.#backend.inspect(this.name))?.lastId ?? ('0-0' as EntryId)
          if (wasLost) {
            wasLost = false
            after = await this.#stillThere(after)
          }
          const waiting = {
            blockMs,
            ...(signal === undefined ? {} : { signal }),
            ...(count === undefined ? {} : { count }),
          }
          found = (await this.#backend.read(new Map([[this.name, after]]), waiting)).get(this.name) ?? []
          failures = 0
        } catch (error) {
          if (isOver()) return
          if (!(error instanceof StreamError) || error.code !== 'UNAVAILABLE') throw error
          wasLost = true
          await this.#untilReturn(backoffMs(failures++, this.#site.clock), signal)
          continue
        }
        for (const entry of found) {
          yield this.decode(entry)
          after = entry.id
        }
      }
    } finally {
      forget?.()
    }
  }

  /** From the beginning, then live: `for await (const entry of stream)`. */
  [Symbol.asyncIterator](): AsyncIterator<StreamEntry<T>, void, undefined> {
    return this.read()
  }

  /** Resolves how many entries went. */
  async trim(trim: Trim): Promise<number> {
    return await this.#backend.trim(this.name, trim)
  }

  async length(): Promise<number> {
    return (await this.#backend.inspect(this.name))?.length ?? 0
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
    const orderingKey = options?.orderingKey ?? this.#options.orderingKey?.(value)
    return closeEnvelope(own, {
      ...(headers === undefined ? {} : { headers }),
      ...(key === undefined ? {} : { key }),
      ...(orderingKey === undefined ? {} : { orderingKey }),
    })
  }

  /** Where to go on: at the same place, or where a stream that went back ends now. */
  async #stillThere(after: EntryId): Promise<EntryId> {
    if (after === '0-0' || this.#site.losses === undefined) return after
    const lastId = (await this.#backend.inspect(this.name))?.lastId ?? ('0-0' as EntryId)
    if (compareIds(lastId, after) >= 0) return after
    this.#site.losses.tell({ type: 'data-loss', stream: this.name, ids: [], from: lastId, to: after })
    return lastId
  }

  /** A growing wait, which ends when the line returns. */
  async #untilReturn(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const returned = new AbortController()
    const forget = this.#site.losses?.onReturn(() => returned.abort())
    const any = signal === undefined ? returned.signal : AbortSignal.any([signal, returned.signal])
    await pause(ms, any, this.#site.clock)
    forget?.()
  }
}
