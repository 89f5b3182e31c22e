/** What `connect` resolves: a backend and the streams on it. */

import type { Backend } from './backend.ts'
import { type Clock, nodeClock } from './clock.ts'
import type { Site } from './site.ts'
import { Stream, type StreamOptions } from './stream.ts'

export class Millrace {
  /** The storage itself, for what the handles do not offer. */
  readonly backend: Backend
  readonly #site: Site

  /** `clock`: time and chance of all that works on this backend. Default: Node's. */
  constructor(backend: Backend, options: { readonly clock?: Clock } = {}) {
    this.backend = backend
    this.#site = { backend, clock: options.clock ?? nodeClock }
  }

  /** A handle on a stream; nothing is created before something is added. */
  stream<T = unknown>(name: string, options: StreamOptions<T> = {}): Stream<T> {
    return new Stream<T>(this.#site, name, options)
  }

  /** Ends waiting reads and releases every connection. Stop workers first. Idempotent. */
  async close(): Promise<void> {
    await this.backend.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
