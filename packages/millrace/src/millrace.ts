/** What `connect` resolves: a backend and the streams on it. */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { Archiver, type ArchiveOptions } from './archive/archiver.ts'
import { replayEntries, type ReplayOptions } from './archive/replay.ts'
import type { Backend, Entry } from './backend.ts'
import { Idempotency, type IdempotencyOptions } from './effects/idempotency.ts'
import { type OutboxOptions, OutboxRelay, type OutboxSource, type OutboxTarget } from './effects/outbox.ts'
import type { CareEvent } from './care-event.ts'
import type { CareOptions } from './caretaker/caretaker.ts'
import { SharedCaretakers } from './caretaker/caretakers.ts'
import { type Clock, nodeClock } from './clock.ts'
import { LossWatch } from './loss-watch.ts'
import { Monitor, type MonitorOptions } from './watch/monitor.ts'
import type { Site } from './site.ts'
import { Observers } from './observers.ts'
import { Stream, type StreamOptions } from './stream.ts'

export interface MillraceOptions {
  /** Time and chance of all that works on this backend. Default: Node's. */
  readonly clock?: Clock
  /** Told about the streams that are looked after here, and what the backend lost. */
  readonly onEvent?: (event: CareEvent) => void
  readonly care?: CareOptions
}

export class Millrace {
  /** The storage itself, for what the handles do not offer. */
  readonly backend: Backend
  readonly #caretakers: SharedCaretakers
  readonly #losses: LossWatch
  readonly #site: Site

  constructor(backend: Backend, options: MillraceOptions = {}) {
    const { clock = nodeClock, care = {}, onEvent } = options
    const observers = new Observers()
    const tell = (event: CareEvent): void => {
      try {
        observers.tell(event, event.stream)
        onEvent?.(event)
      } catch {
        // A listener's own mistake must not end the care; there is nobody else to tell.
      }
    }
    this.backend = backend
    this.#caretakers = new SharedCaretakers(backend, clock, care, tell)
    this.#losses = new LossWatch(backend, clock, tell)
    this.#site = { backend, clock, caretakers: this.#caretakers, losses: this.#losses, observers }
  }

  /** A handle on a stream; nothing is created before something is added. With a `schema` its types are the stream's. */
  stream<S extends StandardSchemaV1>(
    name: string,
    options: StreamOptions<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>> & { readonly schema: S },
  ): Stream<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>
  stream<T = unknown>(name: string, options?: Omit<StreamOptions<T>, 'schema'>): Stream<T>
  stream<T, I>(name: string, options: StreamOptions<T, I> = {}): Stream<T, I> {
    return new Stream<T, I>(this.#site, name, options)
  }

  /** For who makes a backend: the line to it stands again. Followers go on, and what was added is looked up. */
  lineReturned(): void {
    this.#losses.lineReturned()
  }

  /** Writes a stream to an object store, in closed ranges; retention waits for it. Starts at once. */
  archive(stream: { readonly name: string }, options: ArchiveOptions): Archiver {
    return new Archiver(this.#site, stream.name, options)
  }

  /** Every entry once, in the order of IDs, from the archive and from the stream. `CORRUPT`: an object is damaged or missing. */
  async *replay<T>(
    stream: { readonly name: string; decode(entry: Entry): T },
    options: ReplayOptions,
  ): AsyncGenerator<T, void, undefined> {
    for await (const entry of replayEntries(this.backend, stream.name, options)) yield stream.decode(entry)
  }

  /** Effects outside of streams, once for a key: `name` is the namespace of the keys. */
  idempotency(name: string, options: IdempotencyOptions = {}): Idempotency {
    return new Idempotency(this.#site, name, options)
  }

  /** Brings the rows of an outbox table to a stream, each once. Starts at once. */
  outbox<T>(source: OutboxSource<T>, target: OutboxTarget<T>, options: OutboxOptions = {}): OutboxRelay<T> {
    return new OutboxRelay(this.#site, { source, target }, options)
  }

  /** Watches streams: samples every few seconds, alerts on what they show. Starts at once; stop it before closing. */
  monitor(options: MonitorOptions): Monitor {
    return new Monitor(this.#site, options)
  }

  /** Ends waiting reads and releases every connection. Stop workers first. Idempotent. */
  async close(): Promise<void> {
    await this.#caretakers.close()
    this.#losses.close()
    await this.backend.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
