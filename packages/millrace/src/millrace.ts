/** What `connect` resolves: a backend and the streams on it. */

import type { Backend } from './backend.ts'
import { Stream, type StreamOptions } from './stream.ts'

export class Millrace {
  /** The storage itself, for what the handles do not offer. */
  readonly backend: Backend

  constructor(backend: Backend) {
    this.backend = backend
  }

  /** A handle on a stream; nothing is created before something is added. */
  stream<T = unknown>(name: string, options: StreamOptions<T> = {}): Stream<T> {
    return new Stream<T>(this.backend, name, options)
  }

  /** Ends waiting reads and releases every connection. Stop workers first. Idempotent. */
  async close(): Promise<void> {
    await this.backend.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
