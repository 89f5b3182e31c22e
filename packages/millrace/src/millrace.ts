/** What `connect` resolves: a backend and the streams on it. */

import type { Backend } from './backend.ts'
import { SharedCaretakers } from './caretaker/caretakers.ts'
import { type Clock, nodeClock } from './clock.ts'
import { Idempotency, type IdempotencyOptions } from './effects/idempotency.ts'
import { type OutboxOptions, OutboxRelay, type OutboxSource, type OutboxTarget } from './effects/outbox.ts'
import type { Site } from './site.ts'
import { Stream, type StreamOptions } from './stream.ts'

export class Millrace {
  /** The storage itself, for what the handles do not offer. */
  readonly backend: Backend
  readonly #site: Site
  readonly #caretakers: SharedCaretakers

  /** `clock`: time and chance of all that works on this backend. Default: Node's. `onCareError`: what looking after a stream met. */
  constructor(
    backend: Backend,
    options: { readonly clock?: Clock; readonly onCareError?: (stream: string, error: unknown) => void } = {},
  ) {
    this.backend = backend
    const site = { backend, clock: options.clock ?? nodeClock }
    this.#caretakers = new SharedCaretakers(site, options.onCareError)
    this.#site = { ...site, caretakers: this.#caretakers }
  }

  /** A handle on a stream; nothing is created before something is added. */
  stream<T = unknown>(name: string, options: StreamOptions<T> = {}): Stream<T> {
    return new Stream<T>(this.#site, name, options)
  }

  /** Effects outside of streams, once for a key: `name` is the namespace of the keys. */
  idempotency(name: string, options: IdempotencyOptions = {}): Idempotency {
    return new Idempotency(this.#site, name, options)
  }

  /** Brings the rows of an outbox table to a stream, each once. Starts at once. */
  outbox<T>(source: OutboxSource<T>, target: OutboxTarget<T>, options: OutboxOptions = {}): OutboxRelay<T> {
    return new OutboxRelay(this.#site, { source, target }, options)
  }

  /** Ends waiting reads and releases every connection. Stop workers first. Idempotent. */
  async close(): Promise<void> {
    await this.#caretakers.close()
    await this.backend.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
