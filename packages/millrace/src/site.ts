/** What all handles of one `Millrace` share: where the streams are, whose time it is, and who looks after each stream. */

import type { Backend } from './backend.ts'
import type { Clock } from './clock.ts'
import type { LossWatch } from './loss-watch.ts'
import type { Observers } from './observers.ts'
import type { Retention } from './retention.ts'

/** Looks after streams: moves what is due, trims, removes consumers that are long gone. One a stream, shared by all who ask. */
export interface Caretakers {
  /** Sees to it that the stream is looked after; returns what ends that for this caller. Calling it twice does nothing. */
  tend(stream: string): () => void
  /** As `tend`, until the `Millrace` is closed, once for all callers. `retention` is what the stream keeps from now on. */
  keep(stream: string, retention?: Retention): void
  /** What the stream keeps, when no caller's own `tend` is to begin by it: 'none' is remembered, nothing is begun. */
  describe(stream: string, retention: Retention): void
  /** Is the stream at a memory budget whose rule is to refuse adds? */
  isFull(stream: string): boolean
}

export interface Site {
  readonly backend: Backend
  readonly clock: Clock
  /** Undefined: nobody looks after streams here, and retries wait until another process does. */
  readonly caretakers?: Caretakers
  /** Undefined: what the backend loses is not noticed here. */
  readonly losses?: LossWatch
  /** Undefined: nobody watches here. */
  readonly observers?: Observers
}
