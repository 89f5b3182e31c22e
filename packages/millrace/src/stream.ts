/**
 * A handle on one stream of values of one type. It holds no connection and no state: make as many as you like.
 *
 *   value ──codec──► fields ──► Backend ──► fields ──codec──► { id, value }
 */

import { setImmediate as turn } from 'node:timers/promises'
import { checkInteger, checkName } from './arguments.ts'
import type { AddManyOptions, AddOptions, Backend, Entry, EntryId, FieldValue, RangeOptions, Trim } from './backend.ts'
import { type Codec, json } from './codec.ts'
import { StreamError } from './errors.ts'
import { Group } from './group.ts'
import { backoffMs, pause } from './pause.ts'
import type { Site } from './site.ts'

export interface StreamOptions<T> {
  /** How values become fields. Default `json()`: one field named `json`. */
  readonly codec?: Codec<T>
}

export interface StreamEntry<T> {
  readonly id: EntryId
  readonly value: T
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

export class Stream<T> implements AsyncIterable<StreamEntry<T>> {
  readonly name: string
  readonly #site: Site
  readonly #backend: Backend
  readonly #codec: Codec<T>

  /** Use `Millrace.stream`. */
  constructor(site: Site, name: string, options: StreamOptions<T> = {}) {
    checkName('stream', name)
    this.name = name
    this.#site = site
    this.#backend = site.backend
    this.#codec = options.codec ?? json<T>()
  }

  /** Appends a value; resolves its ID. */
  async add(value: T, options: Omit<AddOptions, 'noMkStream'> = {}): Promise<EntryId> {
    const id = await this.#backend.add(this.name, this.#codec.encode(value), options)
    // Only NOMKSTREAM, which is not offered here, resolves without an ID.
    return id!
  }

  /**
   * Appends values in their order, in batches of 256; resolves their IDs. A value that the codec refuses is refused with
   * all of its batch. Embedded each batch is appended as one step, and the event loop turns between them; on a server,
   * when one fails, the others of its batch may have been appended all the same. Later batches are not begun.
   */
  async addMany(values: Iterable<T>, options: AddManyOptions = {}): Promise<EntryId[]> {
    const ids: EntryId[] = []
    let batch: (readonly FieldValue[])[] = []
    const flush = async (): Promise<void> => {
      const added = await this.#backend.addMany(this.name, batch, options)
      for (const id of added) ids.push(id)
      batch = []
    }
    for (const value of values) {
      if (batch.length === BATCH_ENTRIES) {
        await flush()
        await turn()
      }
      batch.push(this.#codec.encode(value))
    }
    await flush()
    return ids
  }

  async range(options: RangeOptions = {}): Promise<StreamEntry<T>[]> {
    return (await this.#backend.range(this.name, options)).map((entry) => this.decode(entry))
  }

  /**
   * All entries after a position and then what is added, for as long as the loop runs. A lost connection is
   * waited out and nothing is missed or repeated; a closed backend rejects with `CLOSED`.
   */
  async *read(options: FollowOptions = {}): AsyncGenerator<StreamEntry<T>, void, undefined> {
    const { signal, count, blockMs = BLOCK_MS } = options
    checkInteger('blockMs', blockMs, 1)
    let after = options.after ?? ('0-0' as EntryId)
    const isOver = (): boolean => signal?.aborted === true
    for (let failures = 0; !isOver();) {
      let found: readonly Entry[]
      try {
        // `$` must become an ID before the first wait: it would mean a later moment after a lost connection.
        if (after === '$') after = (await this.#backend.inspect(this.name))?.lastId ?? ('0-0' as EntryId)
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
        await pause(backoffMs(failures++, this.#site.clock), signal, this.#site.clock)
        continue
      }
      for (const entry of found) {
        yield this.decode(entry)
        after = entry.id
      }
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
    return new Group(this.#site, this, name)
  }

  /** An entry's value; throws `BAD_ARGUMENT` when it is not what the codec expects. */
  decode(entry: Entry): StreamEntry<T> {
    try {
      return { id: entry.id, value: this.#codec.decode(entry.fields) }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StreamError('BAD_ARGUMENT', `Entry ${entry.id} of '${this.name}': ${reason}`, { cause })
    }
  }
}
