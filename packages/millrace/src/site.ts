/** What all handles of one `Millrace` share: where the streams are, whose time it is, and who looks after each stream. */

import type { Backend } from './backend.ts'
import type { Clock } from './clock.ts'

/** Looks after streams: moves what is due, trims, removes consumers that are long gone. One a stream, shared by all who ask. */
export interface Caretakers {
  /** Sees to it that the stream is looked after; returns what ends that for this caller. Calling it twice does nothing. */
  tend(stream: string): () => void
}

export interface Site {
  readonly backend: Backend
  readonly clock: Clock
  /** Undefined: nobody looks after streams here, and retries wait until another process does. */
  readonly caretakers?: Caretakers
}
